// How the data came about: a population of schools, schools from it, pupils from the schools.

import { SHAPES, format, horizontalAxis, picture, scale } from "./base.js";

/**
 * data: {mu, tau, sigma, schools: [{name, theta, pupils: [...]}], axis, unit, title, curves}.
 * curves: {population: [[x, y]...], pupils: [[x, y]...]} are densities about zero, scaled so that
 * their areas compare.
 */
export function population(host, data) {
  return picture(host, { layout, table, keys, label: () => "Population, schools and pupils" }, data);
}

function layout(data, width) {
  const narrow = width < 520;
  const x = scale(data.axis, [12, width - 12]);
  const top = 26;
  const hill = narrow ? 86 : 100;
  const row = narrow ? 40 : 46;
  const first = top + hill + 44;
  const bottom = first + row * data.schools.length;
  const marks = horizontalAxis(data.axis, x, { top, bottom, unit: data.unit, width });
  const words = (key, text, y) => marks.push({ key, tag: "text", layer: "label", text, a: { class: "level", x: 4, y } });
  words("level 1", "population of schools", top - 8);
  words("level 2", narrow ? "schools and their pupils" : "schools (true levels) and their pupils (scores)", first - 10);
  const base = top + hill;
  // The narrowest hill of all settings would leave the picture: heights go by the square root.
  const height = hill * Math.min(1, Math.sqrt(data.least / Math.max(data.tau, data.least)));
  const shape = [];
  for (let z = -3.5; z <= 3.5001; z += 0.25) {
    shape.push(x(data.mu + z * data.tau), base - height * Math.exp((-z * z) / 2));
  }
  marks.push({ key: "hill", tag: "polygon", layer: "band", a: { class: "hill", points: shape } });
  marks.push({ key: "mu", tag: "line", layer: "line", a: { class: "grand", x1: x(data.mu), x2: x(data.mu), y1: top, y2: bottom } });
  const arm = base - height * Math.exp(-0.5);
  marks.push({ key: "tau", tag: "line", layer: "line", a: { class: "measure", x1: x(data.mu), x2: x(data.mu + data.tau), y1: arm, y2: arm } });
  marks.push({ key: "tau name", tag: "text", layer: "label", text: `τ = ${format(data.tau, data.tau % 1 ? 1 : 0)}`,
    a: { class: "measure-name", x: x(data.mu + data.tau) + 8, y: arm - 4 } });
  data.schools.forEach((school, i) => {
    const y = first + row * i + row / 2;
    const at = x(school.theta);
    marks.push({ key: `${school.name} stem`, tag: "line", layer: "ground", a: { class: "stem", x1: at, x2: at, y1: base, y2: y } });
    marks.push({ key: `${school.name} seed`, tag: "path", layer: "mark", a: { class: "truth", d: SHAPES.cross(4), x: at, y: base } });
    marks.push({ key: `${school.name} truth`, tag: "path", layer: "mark", a: { class: "truth", d: SHAPES.cross(5.5), x: at, y } });
    marks.push({ key: `${school.name} reach`, tag: "line", layer: "band",
      a: { class: "reach", x1: x(school.theta - data.sigma), x2: x(school.theta + data.sigma), y1: y, y2: y } });
    marks.push({ key: `${school.name} name`, tag: "text", layer: "label", text: school.name, a: { class: "tick", x: 4, y: y + 5 } });
    school.pupils.forEach((score, j) => marks.push({ key: `${school.name} ${j}`, tag: "circle", layer: "mark",
      a: { class: "pupil", r: 3, x: x(score), y: y + ((j * 7) % 11) - 5 } }));
  });
  const last = data.schools.at(-1);
  const low = first + row * (data.schools.length - 1) + row / 2;
  marks.push({ key: "sigma", tag: "line", layer: "line", a: { class: "measure", x1: x(last.theta), x2: x(last.theta + data.sigma), y1: low, y2: low } });
  marks.push({ key: "sigma name", tag: "text", layer: "label", text: `σ = ${format(data.sigma)}`,
    a: { class: "measure-name", x: Math.min(x(last.theta + data.sigma) + 8, width - 60), y: low + 5 } });
  return { height: bottom + (data.unit ? 46 : 26), marks };
}

function keys() {
  return [["truth", "true level of a school"], ["pupil", "one pupil's score"]];
}

function table(data) {
  return [["school", "true level", "pupils", "average of its pupils"],
    ...data.schools.map((school) => [school.name, format(school.theta, 1), format(school.pupils.length),
      format(school.pupils.reduce((sum, score) => sum + score, 0) / school.pupils.length, 1)])];
}
