// Expected errors over many worlds, in chunks that can be added: the page stays responsive.

import * as closed from "./estimators.js";
import { world } from "./noise.js";
import { posteriorOverWorlds } from "./over_worlds.js";

const ONE_BY_ONE = {
  no_pooling: closed.noPooling,
  complete_pooling: closed.completePooling,
  moments: closed.moments,
  reml: closed.reml,
  james_stein: closed.jamesStein,
};
export const ESTIMATORS = [...Object.keys(ONE_BY_ONE), "posterior"];

/** Errors closer than this, in proportion, are equal, as in the library. */
const TIE = 1e-9;

/** Running mean and sum of squares about it (Welford). */
function tally() {
  return { count: 0, mean: 0, squares: 0 };
}

function add(t, value) {
  t.count += 1;
  const gap = value - t.mean;
  t.mean += gap / t.count;
  t.squares += gap * (value - t.mean);
}

/** Mean and Monte Carlo error; the error of one replicate is not known. */
function read(t) {
  if (!t.count) return { mean: NaN, error: NaN };
  const error = t.count > 1 ? Math.sqrt(t.squares / (t.count - 1) / t.count) : NaN;
  return { mean: t.mean, error };
}

/**
 * Add replicates from, ..., from + replicates - 1 to the sums (or start them).
 *
 * settings: {n, tau, sigma, mu, population, sigmaKnown, seed, replicates, from, fixedPopulation,
 * level}; names: of no_pooling, complete_pooling, moments, reml, james_stein, posterior. Returns
 * {replicates, mse, coverage, beatsNo, beatsComplete, best, overNo, overComplete (how far its error
 * lies above theirs, world by world), bias2, variance} by estimator, and
 * topIsBest and topExcess: whether the highest own mean belongs to the truly highest group, and
 * how far that mean lies above its truth. Give it back as `sums` with the next `from`.
 */
export function expected(settings, names, sums = null) {
  const { sigmaKnown = true, replicates, from = 0, fixedPopulation = false } = settings;
  const asked = [...new Set(["no_pooling", "complete_pooling", ...names])];
  const state = sums ? sums.state : begin(asked, settings.n.length);
  const first = fixedPopulation ? drawn({ ...settings, replicate: 0 }) : null;
  const worlds = [];
  for (let r = from; r < from + replicates; r++) {
    const one = drawn({ ...settings, replicate: r, squares: !sigmaKnown });
    if (first) {
      one.mean = one.mean.map((y, j) => y - one.theta[j] + first.theta[j]);
      one.theta = first.theta;
    }
    worlds.push(one);
  }
  const seen = worlds.map(({ n, mean, ss }) => ({
    n, mean, ss, sigma: sigmaKnown ? settings.sigma ?? 10 : null, level: settings.level,
  }));
  const made = {};
  for (const name of asked) {
    made[name] = name === "posterior" ? posteriorOverWorlds(seen) : seen.map(ONE_BY_ONE[name]);
  }
  worlds.forEach((one, r) => score(state, one, (name) => made[name][r], asked));
  return summary(state, asked, fixedPopulation ? first : null);
}

function drawn(settings) {
  return world({ squares: false, ...settings });
}

function begin(names, groups) {
  const state = { top: tally(), excess: tally() };
  for (const name of names) {
    state[name] = {
      mse: tally(), coverage: tally(), width: tally(), no: tally(), complete: tally(), best: tally(),
      overNo: tally(), overComplete: tally(),
      each: Array.from({ length: groups }, tally),
    };
  }
  return state;
}

function score(state, { theta, mean }, made, names) {
  const groups = theta.length;
  const error = {};
  for (const name of names) {
    const { estimate, lower, upper } = made(name);
    const to = state[name];
    let squares = 0;
    let covered = 0;
    let width = 0;
    for (let j = 0; j < groups; j++) {
      squares += (estimate[j] - theta[j]) ** 2;
      add(to.each[j], estimate[j]);
      if (!lower) continue;
      if (lower[j] <= theta[j] && theta[j] <= upper[j]) covered += 1;
      width += upper[j] - lower[j];
    }
    error[name] = squares / groups;
    add(to.mse, error[name]);
    if (lower) {
      add(to.coverage, covered / groups);
      add(to.width, width / groups);
    }
  }
  const [no, complete] = [error.no_pooling, error.complete_pooling];
  for (const name of names) {
    add(state[name].overNo, error[name] - no);
    add(state[name].overComplete, error[name] - complete);
    add(state[name].no, Number(error[name] < no * (1 - TIE)));
    add(state[name].complete, Number(error[name] < complete * (1 - TIE)));
    add(state[name].best, Number(error[name] <= Math.min(no, complete) * (1 + TIE)));
  }
  const top = mean.indexOf(Math.max(...mean));
  add(state.top, Number(theta[top] === Math.max(...theta)));
  add(state.excess, mean[top] - theta[top]);
}

function summary(state, names, fixed) {
  const by = (f) => Object.fromEntries(names.map((name) => [name, f(state[name])]));
  const out = {
    replicates: state.top.count,
    mse: by((s) => read(s.mse)),
    coverage: by((s) => ({ ...read(s.coverage), width: read(s.width).mean })),
    beatsNo: by((s) => read(s.no)),
    beatsComplete: by((s) => read(s.complete)),
    best: by((s) => read(s.best)),
    overNo: by((s) => read(s.overNo)),
    overComplete: by((s) => read(s.overComplete)),
    topIsBest: read(state.top),
    topExcess: read(state.excess),
    state,
  };
  if (fixed) {
    const average = (values) => closed.sum(values) / values.length;
    out.bias2 = by((s) => average(s.each.map((t, j) => (t.mean - fixed.theta[j]) ** 2)));
    out.variance = by((s) => average(s.each.map((t) => t.squares / t.count)));
  }
  return out;
}
