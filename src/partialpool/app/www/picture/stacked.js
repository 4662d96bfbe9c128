// Bars made of parts, which may lie below zero.

import { format, horizontalAxis, picture, scale, textWidth } from "./base.js";

/**
 * data: {bars: [{label, parts: [{name, value, kind, plain}], start, total}], axis, unit, digits, title, parts}.
 * A plain part has no number in it; `total` stands at the end; `parts` are the legend: [[kind, words], ...].
 */
export function stacked(host, data) {
  return picture(host, { layout, table, keys: (now) => now.parts ?? [], label: () => "Bars made of parts" }, data);
}

function layout(data, width) {
  const narrow = width < 560;
  const names = Math.max(...data.bars.map((bar) => textWidth(bar.label, 15)));
  const left = narrow ? 4 : Math.min(names, width * 0.42) + 16;
  const thick = data.thick ?? 26;
  const row = thick + (narrow ? 28 : 14);
  const top = 8;
  const bottom = top + row * data.bars.length;
  const x = scale(data.axis, [left, width - 16]);
  const marks = horizontalAxis(data.axis, x, { top, bottom, unit: data.unit, width, count: narrow ? 4 : 6 });
  const at = (value) => x(Math.max(data.axis[0], Math.min(value, data.axis[1])));
  data.bars.forEach((bar, i) => {
    const high = top + row * i + (narrow ? 24 : 7);
    marks.push({ key: `${bar.label} name`, tag: "text", layer: "label", text: bar.label,
      a: { class: "group-name", x: 4, y: narrow ? high - 6 : high + thick / 2 + 5 } });
    marks.push({ key: `${bar.label} zero`, tag: "line", layer: "line",
      a: { class: "zero", x1: x(0), x2: x(0), y1: high - 3, y2: high + thick + 3 } });
    let start = bar.start ?? 0;
    for (const part of bar.parts) {
      const end = start + part.value;
      const [from, to] = [at(Math.min(start, end)), at(Math.max(start, end))];
      const size = { y: high, height: thick };
      marks.push({ key: `${bar.label} ${part.name}`, tag: "rect", layer: "band", tooltip: part.plain ? part.name : undefined,
        from: { class: `bar ${part.kind}`, x: x(0), width: 0, ...size },
        a: { class: `bar ${part.kind}`, x: from, width: Math.max(0, to - from), ...size } });
      const text = format(part.value, data.digits ?? 0);
      if (!part.plain && to - from > textWidth(text, 14) + 8) {
        marks.push({ key: `${bar.label} ${part.name} value`, tag: "text", layer: "label", text,
          a: { class: `inside ${part.kind}`, "text-anchor": "middle", x: (from + to) / 2, y: high + thick / 2 + 5 } });
      }
      start = end;
    }
    if (bar.total) {
      marks.push({ key: `${bar.label} total`, tag: "text", layer: "label", text: bar.total,
        a: { class: "value", x: at(start) + 8, y: high + thick / 2 + 5 } });
    }
  });
  return { height: bottom + (data.unit ? 46 : 26), marks };
}

function table(data) {
  const names = [...new Set(data.bars.flatMap((bar) => bar.parts.map((part) => part.name)))];
  const cell = (bar, name) => bar.parts.find((part) => part.name === name)?.value;
  return [["", ...names], ...data.bars.map((bar) =>
    [bar.label, ...names.map((name) => format(cell(bar, name), Math.max(1, data.digits ?? 0)))])];
}
