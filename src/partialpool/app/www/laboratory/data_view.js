// Classic data: results that the library computed, the same picture, tau under the reader's hand.

import { slider } from "../lesson/controls.js";
import { axisAround, curve, escape, estimates, format } from "../picture.js";
import { html, list, say } from "./dom.js";
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
  host.innerHTML = '<div class="lab-choose"></div><h2></h2><div class="lab-top"><div class="lab-picture"></div><div class="lab-side"></div></div>' +
    '<div class="lab-says"></div><div class="lab-pair"><div class="lab-tau"></div></div><p class="cite"></p><div class="lab-share"></div>';
  const part = (key) => host.querySelector(`.lab-${key}`);
  const go = (changes) => address.write({ held: null, ...changes }, { push: true });
  part("choose").append(list({ label: "Data", value: name, onChange: (data) => go({ data }),
    options: names.map((key) => [key, all[key].title]) }).element);
  host.querySelector("h2").textContent = data.title;
  host.querySelector(".cite").innerHTML = `Source: ${escape(data.citation)}. Model: <code>${escape(data.formula)}</code>`;
  const held = data.held;
  const last = held ? held.tau.length : 0;
  const pictures = {};
  const order = data.groups.map((_, j) => j).sort((a, b) => data.groups[b].own - data.groups[a].own);
  const axis = axisOf(data);
  let at = last; // the step after the largest tau: the data choose
  const share = shareBox(part("share"), address);
  const scrubber = held && makeScrubber();

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
        name: String(g.name), n: g.n ?? undefined, own: g.own, truth: g.truth,
        partial: from ? from.estimate[at][j] : g.estimate,
        lower: from ? from.lower[at][j] : g.lower, upper: from ? from.upper[at][j] : g.upper,
      };
    });
  }

  function title(groups) {
    const moved = groups.reduce((a, g) => (Math.abs(g.partial - g.own) > Math.abs(a.partial - a.own) ? g : a));
    const digits = digitsFor(axis);
    return `${moved.name}: ${format(moved.own, digits)} becomes ${format(moved.partial, digits)}`;
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
      rowHeight: shown.length > 24 ? 18 : 26, words: { truth: "what became known later" },
    };
    if (pictures.estimates) pictures.estimates.update(given);
    else pictures.estimates = estimates(figure("picture"), given);
    drawTau();
    const all60 = many > 60 ? `<p>Shown are 60 of ${format(many)} groups, evenly from the highest to the lowest.</p>` : "";
    const full = at === last ? (data.sentences ?? []).map((text) => `<p>${escape(text)}</p>`).join("") :
      `<p>With τ held at ${tauWords(held.tau[at], held)}, ${escape(shown[0].name)} goes from ${format(shown[0].own, digitsFor(axis))} to ${format(shown[0].partial, digitsFor(axis))}.</p>`;
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
      title: `The data say: τ between ${tauWords(tau.lower, held)} and ${tauWords(tau.upper, held)}, with 95% probability`,
      markers: at < last && held.tau[at] !== null && held.tau[at] <= tau.grid.at(-1)
        ? [{ x: held.tau[at], kind: "partial", label: `held at ${tauWords(held.tau[at], held)}`, name: "held" }] : [],
    };
    if (pictures.tau) pictures.tau.update(given);
    else pictures.tau = curve(figure("tau"), given);
  }

  function figure(key) {
    const element = document.createElement("figure");
    part(key).append(element);
    return element;
  }

  return {
    show(state) {
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

/** Room for every own value and every interval, also at held tau, so that the axis never moves. */
function axisOf(data) {
  const values = data.groups.flatMap((g) => [g.own, g.lower, g.upper, g.truth]);
  for (const name of ["estimate", "lower", "upper"]) values.push(...(data.held?.[name].flat() ?? []));
  const middle = data.groups.flatMap((g) => [g.own, g.lower, g.upper]).filter(Number.isFinite);
  const [low, high] = [Math.min(...middle), Math.max(...middle)];
  const room = 0.6 * (high - low);
  return axisAround(values.filter((v) => Number.isFinite(v) && v > low - room && v < high + room));
}

function digitsFor([low, high]) {
  return Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(high - low))));
}

function tauWords(tau, held) {
  if (tau === null || tau === Infinity) return "∞";
  const finite = (held?.tau ?? [tau]).filter((v) => v > 0);
  const typical = finite.length ? finite[Math.floor(finite.length / 2)] : tau || 1;
  return format(tau, Math.max(0, 1 - Math.floor(Math.log10(typical))));
}

/** Some of many, evenly from first to last. */
function spread(values, size) {
  return Array.from({ length: size }, (_, i) => values[Math.round((i * (values.length - 1)) / (size - 1))]);
}

function pythonOf(name, data) {
  return ["import partialpool as pp", "", `fit = pp.fit(${JSON.stringify(data.formula)}, pp.datasets.${name}()${familyOf(data)})`, "print(fit.groups())"].join("\n");
}

function familyOf({ kind }) {
  return ["binomial", "poisson"].includes(kind) ? `, family="${kind}"` : "";
}
