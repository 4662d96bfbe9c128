// A beam in balance: what the population knows at one end, what the school knows at the other.

import { SHAPES, format, horizontalAxis, picture, scale, textWidth } from "./base.js";

/**
 * data: {beams: [{name, own, grand, estimate, school, population}], axis, unit, title}. The two
 * weights hang at the two averages; the beam rests where they balance, which is the estimate.
 */
export function seesaw(host, data) {
  return picture(host, { layout, table, keys, label: () => "Seesaws" }, data);
}

function layout(data, width) {
  const narrow = width < 520;
  const row = narrow ? 142 : 158;
  const top = 30;
  const bottom = top + row * data.beams.length;
  const x = scale(data.axis, [narrow ? 20 : 60, width - (narrow ? 20 : 60)]);
  const marks = horizontalAxis(data.axis, x, { top, bottom, unit: data.unit, width });
  const largest = Math.max(data.most ?? 0, ...data.beams.flatMap((beam) => [beam.school, beam.population]));
  const side = (weight) => (narrow ? 84 : 100) * Math.sqrt(weight / largest);
  const grand = x(data.beams[0].grand);
  marks.push({ key: "grand", tag: "line", layer: "ground", a: { class: "grand", x1: grand, x2: grand, y1: top - 6, y2: bottom } });
  marks.push({ key: "grand name", tag: "text", layer: "label", text: `average of all ${format(data.beams[0].grand)}`,
    a: { class: "grand-name", "text-anchor": "middle", x: Math.max(grand, 60), y: top - 10 } });
  data.beams.forEach((beam, i) => {
    const y = top + row * i + row - 46;
    const put = (part, tag, layer, a, text) => marks.push({ key: `${beam.name} ${part}`, tag, layer, a, text });
    const end = x(beam.own);
    put("name", "text", "label", { class: "group-name marked", x: grand + 12, y: top + row * i + 20 }, beam.name);
    put("beam", "line", "line", { class: "beam", x1: grand, x2: end, y1: y, y2: y });
    for (const [part, weight, at, kind] of [["population", beam.population, grand, "grand"], ["school", beam.school, end, "own"]]) {
      const size = side(weight);
      put(part, "rect", "band", { class: `weight ${kind}`, x: at - size / 2, y: y - size, width: size, height: size, rx: 2 });
      const text = format(weight, weight < 10 && weight % 1 ? 1 : 0);
      const fits = size > 24;
      put(`${part} value`, "text", "label", { class: fits ? "inside" : "value", "text-anchor": "middle", x: at,
        y: fits ? y - size / 2 + 5 : y - size - 6 }, text);
    }
    const rest = x(beam.estimate);
    put("fulcrum", "path", "mark", { class: "fulcrum", d: "M0,2L13,24H-13Z", x: rest, y });
    put("estimate", "path", "mark", { class: "partial", d: SHAPES.diamond(8), x: rest, y });
    const text = format(beam.estimate, 1);
    put("estimate value", "text", "label", { class: "line-name partial", "text-anchor": "middle",
      x: Math.min(Math.max(rest, textWidth(text, 15)), width - 20), y: y + 40 }, text);
  });
  return { height: bottom + (data.unit ? 46 : 26), marks };
}

function keys() {
  return [["grandBlock", "what the population knows"], ["ownBlock", "what the school knows"], ["partial", "balance: the estimate"]];
}

function table(data) {
  return [["", "weight of the school", "weight of the population", "own average", "average of all", "estimate", "share of its own average"],
    ...data.beams.map((beam) => [beam.name, format(beam.school, 1), format(beam.population, 1), format(beam.own, 1),
      format(beam.grand, 1), format(beam.estimate, 1), `${format((100 * beam.school) / (beam.school + beam.population))}%`])];
}
