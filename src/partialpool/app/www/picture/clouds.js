// Many draws of a few estimates, each draw a dot, equal values piled up around a line.

import { SHAPES, format, horizontalAxis, picture, scale } from "./base.js";

/** data: {rows: [{label, values, kind, note}], truth, truthName, axis, unit, title}. */
export function clouds(host, data) {
  return picture(host, { layout, table, keys, label: () => "Clouds of estimates" }, data);
}

function layout(data, width) {
  const narrow = width < 560;
  const radius = narrow ? 2 : 2.6;
  const row = narrow ? 104 : 112;
  const top = 28;
  const bottom = top + row * data.rows.length;
  const x = scale(data.axis, [12, width - 12]);
  const marks = horizontalAxis(data.axis, x, { top, bottom, unit: data.unit, width });
  const at = x(data.truth);
  marks.push({ key: "truth line", tag: "line", layer: "line", a: { class: "rule truth", x1: at, x2: at, y1: top, y2: bottom } });
  marks.push({ key: "truth name", tag: "text", layer: "label", text: `${data.truthName ?? "truth"} ${format(data.truth, 1)}`,
    a: { class: "marker-name", "text-anchor": "middle", x: at, y: top - 10 } });
  data.rows.forEach((cloud, i) => {
    const start = top + row * i;
    const middle = start + 26 + (row - 26) / 2;
    marks.push({ key: `${cloud.label} name`, tag: "text", layer: "label", text: cloud.label,
      a: { class: `line-name ${cloud.kind}`, x: 4, y: start + 16 } });
    if (cloud.note) {
      marks.push({ key: `${cloud.label} note`, tag: "text", layer: "label", text: cloud.note,
        a: { class: "tick", "text-anchor": "end", x: width - 4, y: start + 16 } });
    }
    const places = swarm(cloud.values.map(x), radius, (row - 30) / 2);
    places.forEach(([across, up], j) => marks.push({ key: `${cloud.label} ${j}`, tag: "circle", layer: "band",
      a: { class: `dot ${cloud.kind}`, r: radius, x: across, y: middle + up } }));
    const mean = cloud.values.reduce((sum, value) => sum + value, 0) / cloud.values.length;
    marks.push({ key: `${cloud.label} mean`, tag: "path", layer: "mark",
      a: { class: `center ${cloud.kind}`, d: "M0,-30V30", x: x(mean), y: middle } });
  });
  marks.push({ key: "truth mark", tag: "path", layer: "mark", a: { class: "truth", d: SHAPES.cross(6), x: at, y: bottom } });
  return { height: bottom + (data.unit ? 46 : 26), marks };
}

/** Places of dots: those that would touch are piled to both sides of the line, within its reach. */
function swarm(across, radius, reach) {
  const step = radius * 2;
  const piles = new Map();
  const counts = new Map();
  for (const value of across) {
    const pile = Math.round(value / step);
    counts.set(pile, (counts.get(pile) ?? 0) + 1);
  }
  const highest = Math.max(...counts.values());
  const rise = Math.min(step, (2 * reach) / Math.max(1, highest));
  return across.map((value) => {
    const pile = Math.round(value / step);
    const place = piles.get(pile) ?? 0;
    piles.set(pile, place + 1);
    const side = place % 2 ? 1 : -1;
    return [value, side * Math.ceil(place / 2) * rise];
  });
}

function keys(data) {
  return [["truth", data.truthName ?? "truth"]];
}

function table(data) {
  return [["", "draws", "mean", "standard deviation", "distance of the mean from the truth"],
    ...data.rows.map(({ label, values }) => {
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      return [label, format(values.length), format(mean, 2), format(Math.sqrt(variance), 2), format(mean - data.truth, 2)];
    })];
}
