// A simulated world: its picture, its controls, what it says; also the classic simulator's.

import { button, choice, slider } from "../lesson/controls.js";
import { bars, curve, estimates, format } from "../picture.js";
import { averager } from "./averages.js";
import * as claims from "./claims.js";
import { boxes, figureIn, html, list, numberField, roundUp, say, toggle } from "./dom.js";
import { EXERCISES, current } from "./exercises.js";
import { drawFacts } from "./facts.js";
import { CLASSIC, NUMBERS, command, python, worldOf, written } from "./settings.js";
import { shareBox } from "./share.js";

const POPULATION_WORDS = [
  ["normal", "normal"], ["heavy_tailed", "heavy tails (t, 3 df)"], ["two_clusters", "two clusters"], ["outlier", "one far away"],
];
const ESTIMATOR_WORDS = [
  ["posterior", "full posterior"], ["moments", "method of moments"], ["reml", "REML"],
];
const BAND_WORDS = {
  posterior: "partial pooling, 95% interval",
  moments: "partial pooling, 95% interval as if τ were known",
  reml: "partial pooling, 95% interval as if τ were known",
};
/** Points of the density of tau beyond its 99% quantile, up to the axis's end. */
const TAIL = 12;
/** On a phone the picture stays on the screen up to this share of its height; the slider, if taller. */
const MOST_STICKY = 0.62;
/** Dots of single draws that pile up at most. */
const MOST_DOTS = 60;

/** The axis of errors ends at so many times the larger error to be expected: dots scatter. */
const ROOM_FOR_DOTS = 2;
/** An axis of which less is used becomes shorter. */
const LEAST_FILL = 0.4;

/** An axis's end at rest: the present one, or a new one with a little room. */
function settle(present, needed) {
  return present >= needed && needed > LEAST_FILL * present ? present : roundUp(1.12 * needed);
}

/** About the larger of the errors of no and of complete pooling, from the settings. */
function likelyError({ n, tau, sigma, population }) {
  const noise = (sigma * sigma * n.reduce((a, k) => a + 1 / k, 0)) / n.length;
  const spread = tau * tau * (population === "outlier" ? 1 + 25 / n.length : 1);
  return Math.max(noise, spread);
}

/** Build the view into `host`; classic: with the classic simulator's controls and panel only. */
export function worldView(host, { classic, address, voice }) {
  const ranges = classic ? CLASSIC : NUMBERS;
  host.innerHTML = '<div class="lab-top"><div class="lab-picture"></div><div class="lab-side"></div></div><div class="lab-exercises"></div>' +
    '<div class="lab-says"></div><div class="lab-pair"><div class="lab-bars"></div><div class="lab-tau"></div></div>' +
    '<div class="lab-tables"></div><div class="lab-share"></div>';
  const part = (name) => host.querySelector(`.lab-${name}`);
  const figure = (name) => figureIn(part(name), part("tables"));
  let state = null;
  let facts = null;
  let averages = null;
  let dragging = false;
  let axes = null;
  let order = null;
  let pile = { key: null, dots: [] };
  const pictures = {};

  const averaging = averager((next) => {
    averages = next;
    drawBars();
    words();
  });
  const go = (changes) => address.write({ exercise: null, ...written(changes, state.view) }, { push: true });
  const controls = makeControls();

  function makeControls() {
    const made = {};
    const side = part("side");
    for (const name of ["tau", "n", "groups"]) addSlider(side, name);
    side.append(button("New draw", () => go({ seed: (state.seed + 1) % 1_000_000 })).element);
    made.show = boxes({
      label: "What to show", value: {}, onChange: (on) => go({ show: { ...state.show, ...on } }),
      options: [["no", "No pooling"], ["complete", "Complete"], ["partial", "Partial"], ["truth", "Truth"]],
    });
    side.append(made.show.element);
    if (classic) {
      side.append(html('<div class="lab-panel"></div>'));
      return made;
    }
    const more = html('<details class="side"><summary>More settings</summary><div class="controls"></div></details>');
    const inside = more.querySelector(".controls");
    for (const name of ["imbalance", "sigma"]) addSlider(inside, name);
    made.estimator = choice({ label: "Partial pooling by", options: ESTIMATOR_WORDS, value: "posterior",
      onChange: (estimator) => go({ estimator }) });
    made.population = list({ label: "Shape of the population", options: POPULATION_WORDS, value: "normal",
      onChange: (population) => go({ population }) });
    made.known = toggle({ label: "σ is known to the estimates", value: true, onChange: (on) => go({ sigma_known: on }) });
    made.intervals = toggle({ label: "Intervals of own averages", value: false,
      onChange: (on) => go({ show: { ...state.show, intervals: on } }) });
    made.draw = numberField({ label: NUMBERS.seed.words, low: NUMBERS.seed.low, high: NUMBERS.seed.high, onChange: (seed) => go({ seed }) });
    for (const key of ["estimator", "population", "known", "intervals", "draw"]) inside.append(made[key].element);
    side.append(more);
    return made;

    function addSlider(place, name) {
      const { low, high, step, fallback, words: label } = ranges[name] ?? NUMBERS[name];
      const digits = step < 0.1 ? 2 : step < 1 ? 1 : 0;
      made[name] = slider({ label, min: low, max: high, step, value: fallback, words: (v) => format(v, digits), onInput: (value) => {
        dragging = true;
        Object.assign(state, { [name]: value, exercise: null });
        draw();
      } });
      const input = made[name].element.querySelector("input");
      input.addEventListener("change", () => {
        dragging = false;
        go({ [name]: state[name] });
      });
      place.append(made[name].element);
    }
  }

  function sync() {
    for (const [name, control] of Object.entries(controls)) {
      if (name in NUMBERS) control.set(state[name]);
    }
    controls.show.set(state.show);
    controls.estimator?.set(state.estimator);
    controls.draw?.set(state.seed);
    controls.population?.set(state.population);
    controls.known?.set(state.sigma_known);
    controls.intervals?.set(state.show.intervals);
  }

  function draw() {
    facts = drawFacts(state);
    if (order?.length !== facts.groups.length) order = facts.groups.map((_, j) => j);
    averages = averaging.start(state);
    remember();
    setAxes();
    drawEstimates();
    drawBars();
    drawTau();
    words();
  }

  /** The errors of the draws seen with these settings: New draw adds to them, a slider begins anew. */
  function remember() {
    const key = JSON.stringify([worldOf(state), state.sigma_known, state.estimator]);
    if (pile.key !== key) pile = { key, dots: [] };
    if (!pile.dots.some((dot) => dot.seed === state.seed)) pile.dots.push({ seed: state.seed, ...facts.error });
    pile.dots = pile.dots.slice(-MOST_DOTS);
  }

  /**
   * Axes and rows hold while a control is dragged, so that growing looks like growing; at rest they
   * change only where something lies outside or less than LEAST_FILL of them is used. That of errors
   * follows from the settings alone, for the bars must not move with the draw.
   */
  function setAxes() {
    const far = Math.max(...facts.groups.flatMap((g) => [g.own, g.truth, g.partial, g.lower, g.upper])
      .filter(Number.isFinite).map((v) => Math.abs(v - state.mu)));
    const long = Math.max(0.85 * facts.full.tauGrid.at(-1), 1.05 * state.tau);
    const error = roundUp(ROOM_FOR_DOTS * likelyError(worldOf(state)));
    if (dragging && axes) {
      axes.error = Math.max(axes.error, error);
      return;
    }
    axes = { reach: settle(axes?.reach, far), tau: settle(axes?.tau, long), error };
    order = facts.groups.map((_, j) => j).sort((a, b) => facts.groups[b].own - facts.groups[a].own);
  }

  function drawEstimates() {
    const { show } = state;
    const count = facts.groups.length;
    const data = {
      groups: order.map((j) => shownGroup(facts.groups[j])),
      grand: facts.grand, axis: [state.mu - axes.reach, state.mu + axes.reach], unit: "test score", rowsName: "students",
      show: { ...show, ownIntervals: show.intervals }, words: { band: BAND_WORDS[state.estimator] },
      title: claims.title(facts, show), tableName: "The schools as a table", digits: 1, rowHeight: count > 24 ? 17 : count > 16 || innerHeight < 600 ? 20 : innerWidth < 700 ? 23 : 27,
    };
    if (pictures.estimates) pictures.estimates.update(data);
    else pictures.estimates = estimates(figure("picture"), data);
    const tall = count * data.rowHeight + 130;
    part("picture").classList.toggle("sticky", tall < MOST_STICKY * innerHeight);
    part("top").classList.toggle("tall", tall >= MOST_STICKY * innerHeight);
  }

  /** What leaves the axis during a drag waits at its end; the classic simulator draws no intervals. */
  function shownGroup(group) {
    const inside = (value) => Math.max(state.mu - axes.reach, Math.min(state.mu + axes.reach, value));
    const places = ["own", "ownLower", "ownUpper", "partial", "lower", "upper", "truth"];
    const same = facts.groups.every((g) => g.n === group.n); // then it need not be said in every row
    const shown = { ...group, n: same ? undefined : group.n, ...Object.fromEntries(places.map((name) => [name, inside(group[name])])) };
    return classic ? { ...shown, lower: undefined, upper: undefined } : shown;
  }

  function drawBars() {
    const row = (label, key, kind) => ({
      label, kind, value: averages?.[key].mean ?? NaN, error: averages?.[key].error, dots: pile.dots.map((dot) => dot[key]),
    });
    const drawn = pile.dots.length === 1 ? "this draw" : `your ${pile.dots.length} draws`;
    const worlds = averages ? format(averages.replicates) : "…";
    const data = {
      bars: [row("No pooling", "no", "own"), row("Complete pooling", "complete", "grand"), row("Partial pooling", "partial", "partial")],
      max: axes.error, unit: "mean squared error", tableName: "The errors as a table", digits: 1,
      title: averages ? claims.least(averages) : "Averaging over worlds …",
    };
    if (pictures.bars) pictures.bars.update(data);
    else pictures.bars = bars(figure("bars"), data);
    if (!part("bars").querySelector(".caption")) part("bars").append(html('<p class="caption"></p>'));
    say(part("bars").querySelector(".caption"),
      `Bars: average over ${worlds} worlds. Dots: ${drawn}${beyond()}. ${classic ? claims.caption(facts) : ""}`);
  }

  function beyond() {
    const count = pile.dots.flatMap((dot) => [dot.no, dot.complete, dot.partial]).filter((v) => v > axes.error).length;
    return count ? ` (${count} ${count === 1 ? "lies" : "lie"} beyond the axis, at its end)` : "";
  }

  function drawTau() {
    const { tauGrid, tauDensity, tauLower, tauUpper, tauDensityAt } = facts.full;
    const points = tauGrid.map((x, i) => [x, tauDensity[i]]);
    for (let i = 1, end = tauGrid.at(-1); i <= TAIL && end < axes.tau; i++) {
      const x = end + ((axes.tau - end) * i) / TAIL;
      points.push([x, tauDensityAt(x)]);
    }
    const marker = (x, kind, label) => ({ x, kind, label, name: kind });
    const markers = [marker(state.tau, "truth", `truth ${format(state.tau, 1)}`)];
    if (state.estimator !== "posterior") markers.push({ ...marker(facts.tau, "partial", ""), rule: false });
    const data = {
      lines: [{ name: "posterior of τ", points, kind: "partial", shade: [tauLower, tauUpper] }],
      x: [0, axes.tau], y: [0, 1.1 * Math.max(...tauDensity)], unit: "spread between schools, τ",
      markers: markers.filter((m) => m.x <= axes.tau),
      title: claims.tauTitle(facts), tableName: "τ as a table", height: innerWidth < 700 ? 210 : 250,
    };
    if (pictures.tau) pictures.tau.update(data);
    else pictures.tau = curve(figure("tau"), data);
  }

  function words() {
    const here = claims.inThisDraw(facts);
    const over = averages ? claims.expectedErrors(averages) : "";
    const weight = claims.weights(facts.groups);
    const kind = state.estimator === "posterior" ? "from the full posterior" : "as if τ were known";
    const covered = averages && !classic ? ` ${claims.coverage({ share: averages.coverage, kind, width: averages.coverage.width })}` : "";
    if (classic) {
      say(part("panel"), panel(weight));
      say(part("says"), current(state)?.averaged ? "" : `<p>${over}</p>`);
    } else {
      say(part("says"), `<p>${here}</p><p>${over}${covered}</p>` +
        `<p>Weight on the own average: <b>${weight.own}</b>; on the average of all: ${weight.grand}.</p>`);
    }
    exercises();
    share.update({ state, python: python(state), command: command(state), pictures, name: `partial-pooling-${state.seed}` });
    voice.say(`${claims.title(facts, state.show)}. ${here}`);
  }

  /** The classic simulator's results, always with the right sign. */
  function panel(weight) {
    const { error } = facts;
    const row = (name, value, kind = "") => `<div><dt>${name}</dt><dd class="${kind}">${value}</dd></div>`;
    return '<dl class="panel">' +
      row("Weight on own average", weight.own) + row("on the average of all", weight.grand) +
      row("Mean squared error, no pooling", format(error.no, 1), "own-word") +
      row("complete pooling", format(error.complete, 1), "grand-word") +
      row("partial pooling", format(error.partial, 1), "partial-word") +
      row("Partial against no pooling", claims.lower(error.partial, error.no)) +
      row("against complete pooling", claims.lower(error.partial, error.complete)) + "</dl>";
  }

  function exercises() {
    if (!classic) return;
    const place = part("exercises");
    if (!place.firstChild) {
      place.innerHTML = '<h2>Five things to try</h2><div class="row"></div><div class="answer"></div>';
      EXERCISES.forEach((exercise, i) => place.children[1].append(
        button(`${i + 1}. ${exercise.title}`, () => go({ ...exercise.set, exercise: i + 1 })).element));
    }
    const exercise = current(state);
    [...place.children[1].children].forEach((element, i) =>
      element.setAttribute("aria-pressed", String(exercise === EXERCISES[i])));
    say(place.children[2], exercise
      ? `<p class="ask">${exercise.ask}</p><p>${exercise.answer(state, facts, averages).filter(Boolean).join(" ")}</p>` : "");
  }

  const share = shareBox(part("share"), address);
  return {
    show(next) {
      state = next;
      dragging = false;
      sync();
      draw();
    },
    hide: () => averaging.stop(),
    remove() {
      averaging.stop();
      for (const picture of Object.values(pictures)) picture.remove();
    },
  };
}
