// The laboratory's settings: their ranges, how the address holds them, and the same world in Python
// and on the command line. Names are those of pp.simulate and of `partialpool simulate`.

import { POPULATIONS, sizes } from "../worlds.js";

const range = (low, high, step, fallback, words) => ({ low, high, step, fallback, words });

export const NUMBERS = {
  groups: range(3, 50, 1, 12, "Schools"),
  n: range(2, 200, 1, 15, "Students a school"),
  tau: range(0, 20, 0.5, 5, "Spread between schools, τ"),
  imbalance: range(0, 1, 0.05, 0.7, "How unequal the schools’ sizes are"),
  sigma: range(1, 30, 0.5, 10, "Spread within schools, σ"),
  mu: range(-1e6, 1e6, 0, 70, "Mean of the population, μ"),
  seed: range(0, 999999, 1, 1, "Number of the draw"),
};
export const CHOICES = {
  view: ["world", "classic", "data"],
  population: POPULATIONS,
  estimator: ["posterior", "moments", "reml"],
};
const FALLBACKS = { view: "world", population: "normal", estimator: "posterior" };
export const SHOWN = ["no", "complete", "partial", "truth", "intervals"];
const SHOWN_FIRST = "no,partial,truth";

/** The classic simulator: its three ranges, and what it holds fixed. */
export const CLASSIC = {
  groups: range(5, 30, 1, 12, "Schools"),
  n: range(5, 100, 5, 15, "Students a school"),
  tau: range(1, 15, 1, 5, "Spread between schools, τ"),
};
const FIXED = { imbalance: 0, sigma: 10, mu: 70, population: "normal", estimator: "moments", sigma_known: true };

/** Every name that the laboratory writes into the address. */
export const NAMES = [...Object.keys(NUMBERS), ...Object.keys(CHOICES), "sigma_known", "show", "exercise", "data", "held", "term"];

function number(text, { low, high, step, fallback }) {
  const value = text === undefined || text === "" ? NaN : Number(text);
  if (!Number.isFinite(value)) return fallback;
  const inside = Math.min(high, Math.max(low, value));
  return step ? Number((low + Math.round((inside - low) / step) * step).toFixed(6)) : inside;
}

/** Settings from the address; what is missing or out of range becomes what it is at first. */
export function read(parameters) {
  const state = {};
  for (const [name, allowed] of Object.entries(CHOICES)) {
    state[name] = allowed.includes(parameters[name]) ? parameters[name] : FALLBACKS[name];
  }
  const ranges = state.view === "classic" ? { ...NUMBERS, ...CLASSIC } : NUMBERS;
  for (const [name, allowed] of Object.entries(ranges)) state[name] = number(parameters[name], allowed);
  state.sigma_known = parameters.sigma_known !== "0";
  if (state.view === "classic") Object.assign(state, FIXED);
  let show = (parameters.show ?? SHOWN_FIRST).split(",").filter((name) => SHOWN.includes(name));
  if (!show.length) show = SHOWN_FIRST.split(",");
  state.show = Object.fromEntries(SHOWN.map((name) => [name, show.includes(name)]));
  state.exercise = /^[1-5]$/.test(parameters.exercise ?? "") ? Number(parameters.exercise) : null;
  state.data = parameters.data ?? null;
  state.held = parameters.held ?? null;
  state.term = /^\d$/.test(parameters.term ?? "") ? Number(parameters.term) : 0;
  return state;
}

/** What the address says of some settings: null for those that are as at first. */
export function written(changes, view) {
  const ranges = view === "classic" ? { ...NUMBERS, ...CLASSIC } : NUMBERS;
  const out = {};
  for (const [name, value] of Object.entries(changes)) {
    if (name === "show") {
      const on = SHOWN.filter((key) => value[key]).join(",");
      out.show = on === SHOWN_FIRST ? null : on;
    } else if (name === "sigma_known") out.sigma_known = value ? null : "0";
    else if (name in ranges) out[name] = value === ranges[name].fallback ? null : value;
    else out[name] = value === FALLBACKS[name] ? null : value;
  }
  return out;
}

/** What makes a world, whatever its draw. */
export function worldOf(state) {
  return {
    n: sizes(state.groups, state.n, state.imbalance),
    tau: state.tau, sigma: state.sigma, mu: state.mu, population: state.population,
  };
}

/** Worlds over which errors are averaged, and their seed: the averages do not depend on the draw. */
export const WORLDS = 2000;
export const AVERAGES_SEED = 1;

/** The same world, and the same averages, in Python. */
export function python(state) {
  const names = `["no_pooling", "complete_pooling", "${state.estimator}"]`;
  const known = state.sigma_known ? "True" : "False";
  return [
    "import partialpool as pp",
    "",
    "world = pp.simulate.World.of(",
    `    ${state.groups}, ${state.n}, ${state.tau}, imbalance=${state.imbalance}, sigma=${state.sigma}, mu=${state.mu},`,
    `    population="${state.population}",`,
    ")",
    `estimators = ${names}`,
    `draw = pp.simulate.draw(world, seed=${state.seed}, sigma_known=${known}, estimators=estimators)`,
    "print(draw.table())",
    `print(pp.simulate.risks(world, seed=${AVERAGES_SEED}, replicates=${WORLDS}, sigma_known=${known}, estimators=estimators))`,
  ].join("\n");
}

/** The same draw on the command line. */
export function command(state) {
  return `partialpool simulate --groups ${state.groups} --n ${state.n} --imbalance ${state.imbalance} --tau ${state.tau}` +
    ` --sigma ${state.sigma} --mu ${state.mu} --population ${state.population} --seed ${state.seed}` +
    `${state.sigma_known ? "" : " --sigma-unknown"}`;
}
