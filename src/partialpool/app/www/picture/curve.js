// Curves over one quantity: densities, errors; with a marker, a shaded part, labels at the lines.

import { SHAPES, format, horizontalAxis, picture, scale, textWidth, ticks } from "./base.js";

/**
 * data: {lines: [{name, points: [[x, y], ...], kind, area, label, faded}], x: [lo, hi], y: [lo, hi], unit,
 * yName, yTicks, markers: [{x, y, label, kind: "truth"|"own"|"partial"|"grand"}], shade: {line, from, to}, height, title}.
 */
export function curve(host, data) {
  return picture(host, { layout, table, keys: (now) => now.keys ?? [], label: () => "Curve" }, data);
}

function layout(data, width) {
  const tall = data.height ?? (width < 520 ? 230 : 300);
  const top = data.yName ? 30 : 22;
  const bottom = tall - (data.unit ? 46 : 26);
  const yMarks = data.yTicks ? ticks(data.y, 4) : [];
  const left = data.yTicks ? Math.max(...yMarks.map((tick) => textWidth(tick.label, 14))) + 12 : 8;
  const x = scale(data.x, [left, width - 16]);
  const y = scale(data.y, [bottom, top]);
  const marks = horizontalAxis(data.x, x, { top, bottom, unit: data.unit, width });
  for (const { value, label } of yMarks) {
    marks.push({ key: `y grid ${label}`, tag: "line", layer: "ground",
      a: { class: "grid", x1: left, x2: width - 16, y1: y(value), y2: y(value) } });
    marks.push({ key: `y tick ${label}`, tag: "text", layer: "ground", text: label,
      a: { class: "tick", "text-anchor": "end", x: left - 6, y: y(value) + 5 } });
  }
  if (data.yName) {
    marks.push({ key: "y name", tag: "text", layer: "label", text: data.yName, a: { class: "axis-name", x: 2, y: 16 } });
  }
  for (const line of data.lines) marks.push(...lineMarks(line, data, x, y, bottom, width));
  for (const marker of data.markers ?? []) marks.push(...markerMarks(marker, x, y, top, bottom, width));
  return { height: tall, marks };
}

function lineMarks(line, data, x, y, bottom, width) {
  const cut = (value, [low, high]) => Math.min(Math.max(value, low), high);
  const points = line.points.filter(([at]) => at >= data.x[0] - 1e-9 && at <= data.x[1] + 1e-9);
  if (!points.length) return [];
  const flat = points.flatMap(([at, value]) => [x(at), y(cut(value, data.y))]);
  const kind = (line.kind ?? "partial") + (line.faded ? " faded" : "");
  const marks = [];
  if (line.area) {
    marks.push({ key: `${line.name} area`, tag: "polygon", layer: "band", a: { class: `area ${kind}`,
      points: [flat[0], bottom, ...flat, flat.at(-2), bottom] } });
  }
  if (line.shade) {
    const inside = points.filter(([at]) => at >= line.shade[0] && at <= line.shade[1]);
    const shape = inside.flatMap(([at, value]) => [x(at), y(cut(value, data.y))]);
    if (shape.length) {
      marks.push({ key: `${line.name} shade`, tag: "polygon", layer: "band",
        a: { class: `area ${kind}`, points: [shape[0], bottom, ...shape, shape.at(-2), bottom] } });
    }
  }
  marks.push({ key: `${line.name} line`, tag: "polyline", layer: "line", a: { class: `curve ${kind}`, points: flat } });
  if (line.label) {
    const [at, value] = line.labelAt ?? points.reduce((top, point) => (point[1] > top[1] ? point : top));
    const half = textWidth(line.label, 14) / 2;
    const place = Math.min(Math.max(x(at) + (line.labelShift ?? 0), half + 4), width - half - 4);
    marks.push({ key: `${line.name} label`, tag: "text", layer: "label", text: line.label,
      a: { class: `line-name ${kind}`, "text-anchor": "middle", x: place, y: y(cut(value, data.y)) + (line.labelBelow ? 22 : -8) } });
  }
  return marks;
}

const MARKS = {
  truth: { d: SHAPES.cross(6), class: "truth" },
  partial: { d: SHAPES.diamond(8), class: "partial" },
  own: { d: "M-6,0A6,6 0 1 0 6,0A6,6 0 1 0 -6,0", class: "own" },
  grand: { d: "M0,-8V8", class: "complete" },
};

function markerMarks(marker, x, y, top, bottom, width) {
  const at = x(marker.x);
  const high = marker.y === undefined ? bottom : y(marker.y);
  const half = textWidth(marker.label ?? "", 14) / 2;
  const name = `marker ${marker.name ?? marker.label ?? marker.kind}`;
  const marks = [];
  if (marker.rule !== false) {
    marks.push({ key: `${name} rule`, tag: "line", layer: "line",
      a: { class: `rule ${marker.kind}`, x1: at, x2: at, y1: marker.y === undefined ? top : high, y2: bottom } });
  }
  marks.push({ key: name, tag: "path", layer: "mark", a: { ...MARKS[marker.kind], x: at, y: high } });
  if (marker.label) {
    marks.push({ key: `${name} label`, tag: "text", layer: "label", text: marker.label, a: { class: "marker-name",
      "text-anchor": "middle", x: Math.min(Math.max(at, half + 4), width - half - 4),
      y: marker.y === undefined ? top - 8 : high - 14 } });
  }
  return marks;
}

/** At most 25 points a line: a table to be read, not all that is drawn. */
function table(data) {
  const rows = [];
  for (const line of data.lines) {
    const stride = Math.max(1, Math.ceil(line.points.length / 25));
    line.points.forEach(([at, value], i) => {
      if (i % stride === 0) rows.push([line.name, format(at, 2), format(value, 3)]);
    });
  }
  for (const marker of data.markers ?? []) {
    rows.push([marker.label ?? marker.kind, format(marker.x, 2), format(marker.y, 3)]);
  }
  return [["", data.unit ?? "x", data.yName ?? "height"], ...rows];
}
