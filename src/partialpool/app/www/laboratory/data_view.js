// Classic data: results that the library computed, the same picture, tau under the reader's hand.

import { slider } from "../lesson/controls.js";
import { axisAround, curve, escape, estimates, format } from "../picture.js";
import { figureIn, html, list, say } from "./dom.js";
import { shareBox } from "./share.js";

/** Build the view into `host`. */
export async function dataView(host, { address, voice, classics }) {
  host.innerHTML = '<p class="waiting">Loading the data …</p>';
  const all = await classics();
  const names = Object.keys(all).filter((name) => all[name].groups?.length);
  let view = null;
  let shown = null;
  return {
    show(state) {
      const name = names.includes(state.data) ? state.data : names.includes("eight_schools") ? "eight_schools" : names[0];
      if (name !== shown) {
        view?.remove();
        shown = name;
        view = oneData(host, { names, name, all, address, voice });
      }
      view.show(state);
    },
    hide() {},
    remove() { view?.remove(); },
  };
}

function oneData(host, { names, name, all, address, voice }) {
  const data = all[name];
  host.innerHTML = '<div class="lab-choose"></div><h2 class="unseen"></h2><div class="lab-top"><div class="lab-picture"></div><div class="lab-side"></div></div>' +
    '<div class="lab-says"></div><div class="lab-pair"><div class="lab-tau"></div></div><div class="lab-tables"></div><p class="cite"></p><div class="lab-share"></div>';
  const part = (key) => host.querySelector(`.lab-${key}`);
  const figure = (key) => figureIn(part(key), part("tables"));
  const go = (changes) => address.write({ held: null, term: null, ...changes }, { push: true });
  part("choose").append(list({ label: "Data", value: name, onChange: (data) => go({ data }),
    options: names.map((key) => [key, capital(all[key].title)]) }).element);
  host.querySelector("h2").textContent = capital(data.title);
  host.querySelector(".cite").innerHTML = `Source: ${escape(data.citation)}. Model: <code>${escape(data.formula)}</code>`;
  const held = data.held;
  const last = held ? held.tau.length : 0;
  const pictures = {};
  const kinds = kindsOf(data.groups);
  let kindShown = null;
  let order = null;
  let axis = null;
  let at = last; // the step after the largest tau: the data choose
  const share = shareBox(part("share"), address);
  const scrubber = held && makeScrubber();
  const kindList = kinds.length > 1 && list({ label: "Which groups", value: "0", onChange: (term) => go({ term: term === "0" ? null : term }),
    options: kinds.map((kind, i) => [String(i), kind.words]) });
  if (kindList) part("side").append(kindList.element);
  if (data.lines) part("side").append(html('<p class="hint">Below: a line for every group.</p>'));
  if (!part("side").firstChild) part("top").classList.add("single");

  function makeScrubber() {
    const made = slider({ label: "Spread between groups, τ", min: 0, max: last, value: last,
      words: (i) => (i === last ? "the data choose" : held.tau[i] === null ? "∞ (no pooling)" : tauWords(held.tau[i], held)),
      onInput: (i) => { at = i; draw(); } });
    made.element.querySelector("input").addEventListener("change", () =>
      address.write({ held: at === last ? null : at }, { push: true }));
    part("side").append(made.element, html('<p class="hint">Left: all groups alike (complete pooling). Right end: averaged over every τ that the data allow.</p>'));
    return made;
  }

  function rows() {
    const given = at < last;
    return order.map((j) => {
      const g = data.groups[j];
      const from = given ? held : null;
      return {
        name: String(g.name), n: data.kind === "known_se" ? undefined : g.trials ?? g.n ?? undefined, own: g.own, truth: g.truth,
        partial: from ? from.estimate[at][j] : g.estimate,
        lower: from ? from.lower[at][j] : g.lower, upper: from ? from.upper[at][j] : g.upper,
      };
    });
  }

  function title(groups) {
    const moved = groups.reduce((a, g) => (Math.abs(g.partial - g.own) > Math.abs(a.partial - a.own) ? g : a));
    const digits = digitsFor(axis);
    return `${called(moved.name, data)}: ${format(moved.own, digits)} becomes ${format(moved.partial, digits)}`;
  }

  function draw() {
    const groups = rows();
    const many = groups.length;
    const shown = many > 60 ? spread(groups, 60) : groups;
    const grand = at < last ? held.grand[at] : data.grand;
    const heading = title(shown);
    const given = {
      groups: shown, grand, axis, unit: data.unit, tableName: "The groups as a table", digits: digitsFor(axis), title: heading,
      show: { no: true, partial: true, truth: groups.some((g) => Number.isFinite(g.truth)) },
      rowsName: data.groups.some((g) => g.trials) ? "trials" : "rows",
      rowHeight: shown.length > 24 ? 18 : 26, words: { truth: "what became known later" },
    };
    if (pictures.estimates) pictures.estimates.update(given);
    else pictures.estimates = estimates(figure("picture"), given);
    drawTau();
    drawLines();
    const all60 = many > 60 ? `<p>Shown are 60 of ${format(many)} groups, evenly from the highest to the lowest.</p>` : "";
    const full = at === last ? (data.sentences ?? []).map((text) => `<p>${escape(text)}</p>`).join("") :
      `<p>With τ held at ${tauWords(held.tau[at], held)}, ${escape(called(shown[0].name, data))} goes from ${format(shown[0].own, digitsFor(axis))} to ${format(shown[0].partial, digitsFor(axis))}.</p>`;
    say(part("says"), `${all60}<p>${escape(data.story)}</p>${full}`);
    share.update({ python: pythonOf(name, data), command: null, pictures, name: `partial-pooling-${name}` });
    voice.say(heading);
  }

  function drawTau() {
    const { tau } = data;
    if (!tau?.grid) return;
    const given = {
      lines: [{ name: "posterior of τ", points: tau.grid.map((x, i) => [x, tau.density[i]]), kind: "partial", shade: [tau.lower, tau.upper] }],
      x: [0, tau.grid.at(-1)], y: [0, 1.1 * Math.max(...tau.density)], unit: "spread between groups, τ", height: 240, tableName: "τ as a table",
      title: `The data say: τ between ${tauWords(tau.lower)} and ${tauWords(tau.upper)}, with 95% probability`,
      markers: at < last && held.tau[at] !== null && held.tau[at] <= tau.grid.at(-1)
        ? [{ x: held.tau[at], kind: "partial", label: `held at ${tauWords(held.tau[at], held)}`, name: "held" }] : [],
    };
    if (pictures.tau) pictures.tau.update(given);
    else pictures.tau = curve(figure("tau"), given);
  }

  /** Growth lines: the groups' own, drawn toward that of all. */
  function drawLines() {
    if (!data.lines) return;
    const xs = data.lines.flatMap((line) => line.points.map(([x]) => x));
    const ends = [Math.min(...xs), Math.max(...xs)];
    const at = ([level, slope]) => ends.map((x) => [x, level + slope * x]);
    const pull = (line) => Math.max(...at(line.own).map(([, y], i) => Math.abs(y - at(line.estimate)[i][1])));
    const few = [...data.lines].sort((a, b) => pull(b) - pull(a)).slice(0, LINES);
    const lines = few.flatMap((line) => [
      { name: `${line.name}, own`, kind: "own", points: at(line.own) },
      { name: `${line.name}, pooled`, kind: "partial", points: at(line.estimate) },
    ]);
    if (data.grandLine) lines.push({ name: "all", kind: "grand", points: at(data.grandLine) });
    const ys = lines.flatMap((line) => line.points.map(([, y]) => y));
    const given = {
      lines, x: ends, y: axisAround(ys, 0.05), yTicks: true, unit: data.predictor, yName: data.unit, tableName: "The lines as a table",
      title: `The ${few.length} of ${data.lines.length} lines that are pulled most: own and pooled`,
      keys: [["own", "own line"], ["partial", "pooled line"], ["grand", "line of all"]],
    };
    part("tau").classList.add("thin");
    if (pictures.lines) pictures.lines.update(given);
    else pictures.lines = curve(figure("tau"), given);
  }

  return {
    show(state) {
      const kind = kinds[state.term] ? state.term : 0;
      if (kind !== kindShown) {
        kindShown = kind;
        order = kinds[kind].at.sort((a, b) => data.groups[b].own - data.groups[a].own);
        axis = axisOf(data, order);
        kindList?.set?.(String(kind));
      }
      const index = state.held === null ? last : Number(state.held);
      at = Number.isInteger(index) && index >= 0 && index < last ? index : last;
      scrubber?.set(at);
      draw();
    },
    remove() {
      for (const picture of Object.values(pictures)) picture.remove();
    },
  };
}

/** Groups by what they are groups of, and by what of them is shown: [{words, at: [places]}]. */
function kindsOf(groups) {
  const kinds = new Map();
  groups.forEach((g, j) => {
    const words = [g.factor, g.term === "Intercept" ? "level" : g.term && `slope of ${g.term}`].filter(Boolean).join(": ");
    if (!kinds.has(words)) kinds.set(words, { words, at: [] });
    kinds.get(words).at.push(j);
  });
  return [...kinds.values()];
}

/** Room for every own value and every interval, also at held tau, so that the axis never moves. */
function axisOf(data, order) {
  const shown = order.map((j) => data.groups[j]);
  const values = shown.flatMap((g) => [g.own, g.lower, g.upper, g.truth]);
  for (const name of ["estimate", "lower", "upper"]) values.push(...(data.held?.[name].flat() ?? []));
  const middle = shown.flatMap((g) => [g.own, g.lower, g.upper]).filter(Number.isFinite);
  const [low, high] = [Math.min(...middle), Math.max(...middle)];
  const room = 0.6 * (high - low);
  return axisAround(values.filter((v) => Number.isFinite(v) && v > low - room && v < high + room));
}

/** Lines shown of a model with slopes. */
const LINES = 6;

function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}

/** A group in a sentence: "School A" where its label alone says too little. */
function called(name, { factor }) {
  return factor && name.length <= 3 ? `${capital(factor)} ${name}` : name;
}

function digitsFor([low, high]) {
  return Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(high - low))));
}

function tauWords(tau, held) {
  if (tau === null || tau === Infinity) return "∞";
  const finite = (held?.tau ?? [tau]).filter((v) => v > 0);
  const typical = finite.length ? finite[Math.floor(finite.length / 2)] : tau || 1;
  return format(tau, Math.max(0, Math.min(6, 1 - Math.floor(Math.log10(typical)))));
}

/** Some of many, evenly from first to last. */
function spread(values, size) {
  return Array.from({ length: size }, (_, i) => values[Math.round((i * (values.length - 1)) / (size - 1))]);
}

function pythonOf(name, data) {
  return ["import partialpool as pp", "", `fit = pp.fit(${JSON.stringify(data.formula)}, pp.datasets.${name}()${familyOf(data)})`, "print(fit.groups())"].join("\n");
}

function familyOf({ family, kind }) {
  const name = family ?? kind;
  return ["binomial", "poisson"].includes(name) ? `, family="${name}"` : "";
}
