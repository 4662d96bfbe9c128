// Bars that lie: one row each, its label above its bar, its value at its end.

import { format, horizontalAxis, picture, scale, textWidth } from "./base.js";

/**
 * data: {bars: [{label, value, error, kind, dots, faded, text}], max, goal, inside, unit, digits, title}.
 * `error` is the standard error of the value, drawn as two of it to either side; `dots` are single worlds.
 */
export function bars(host, data) {
  return picture(host, { layout, table, keys: () => [], label: () => "Bars" }, data);
}

function layout(data, width) {
  const stacked = width < 560;
  const digits = data.digits ?? 1;
  const names = Math.max(...data.bars.map((bar) => textWidth(bar.label, 15)));
  const left = stacked ? 4 : Math.min(names, width * 0.4) + 16;
  const dotted = data.bars.some((bar) => bar.dots?.length);
  const thick = 22;
  const row = thick + (stacked ? 26 : 12) + (dotted ? 14 : 0);
  const top = 8;
  const bottom = top + row * data.bars.length;
  const ends = data.bars.map((bar) => textWidth(textOf(bar, digits), 15) + 14);
  const x = scale([0, data.max], [left, width - Math.max(...ends)]);
  const marks = data.unit ? horizontalAxis([0, data.max], x, { top, bottom, unit: data.unit, width, count: 4 }) : [];
  if (data.goal !== undefined) {
    marks.push({ key: "goal", tag: "line", layer: "line", a: { class: "goal", x1: x(data.goal), x2: x(data.goal), y1: 0, y2: bottom } });
  }
  data.bars.forEach((bar, i) => {
    const high = top + row * i + (stacked ? 22 : 6);
    const state = bar.faded ? " faded" : "";
    marks.push({ key: `${bar.label} name`, tag: "text", layer: "label", text: bar.label,
      a: { class: "group-name" + state, x: 4, y: stacked ? high - 6 : high + thick / 2 + 5 } });
    const value = Number.isFinite(bar.value) ? Math.max(0, Math.min(bar.value, data.max)) : 0;
    marks.push({ key: `${bar.label} bar`, tag: "rect", layer: "band",
      a: { class: `bar ${bar.kind}` + state, x: left, y: high, width: Math.max(0, x(value) - left), height: thick } });
    const inside = data.inside && x(value) - left > 90;
    const reach = bar.error > 0 ? Math.min(bar.value + 2 * bar.error, data.max) : value;
    if (bar.error > 0) {
      marks.push({ key: `${bar.label} error`, tag: "line", layer: "line", a: { class: "whisker",
        x1: x(Math.max(0, bar.value - 2 * bar.error)), x2: x(reach), y1: high + thick / 2, y2: high + thick / 2 } });
    }
    marks.push({ key: `${bar.label} value`, tag: "text", layer: "label", text: textOf(bar, digits),
      a: { class: (inside ? "inside value" : "value") + state, "text-anchor": inside ? "end" : "start",
        x: inside ? x(value) - 16 : x(Math.max(value, reach)) + 6, y: high + thick / 2 + 5 } });
    (bar.dots ?? []).forEach((dot, j) => marks.push({ key: `${bar.label} dot ${j}`, tag: "circle", layer: "mark",
      a: { class: `dot ${bar.kind}`, r: 3, x: x(Math.min(dot, data.max)), y: high + thick + 6 + (j % 3) * 2 } }));
  });
  return { height: bottom + (data.unit ? 46 : 4), marks };
}

function textOf(bar, digits) {
  return bar.text ?? (Number.isFinite(bar.value) ? format(bar.value, digits) : "…");
}

function table(data) {
  const digits = data.digits ?? 1;
  const errors = data.bars.some((bar) => bar.error);
  const heads = ["", data.unit ?? "value", ...(errors ? ["standard error"] : [])];
  return [heads, ...data.bars.map((bar) =>
    [bar.label, textOf(bar, digits), ...(errors ? [format(bar.error, digits + 1)] : [])])];
}
