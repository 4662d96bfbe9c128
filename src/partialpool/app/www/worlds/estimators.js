// Closed-form and plug-in estimators; the same formulas as partialpool/simulate/estimators.py.
//
// data = {n: [...], mean: [...], sigma: number or null, ss: [...] or null, level = 0.95}.
// Standard errors that are known go in as n = (sigma / se)^2, which need not be whole.

import { normalQuantile, tQuantile } from "./special.js";

/** Smallest tau^2 of the method of moments, as in the classic simulator. */
export const FLOOR = 0.01;

export function sum(values) {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i];
  return total;
}

/** Known or pooled sigma. */
export function sigmaUsed(data) {
  if (data.sigma !== null && data.sigma !== undefined) return data.sigma;
  const df = sum(data.n) - data.n.length;
  if (!(df >= 1)) throw new Error("with sigma unknown, some group needs more than one row");
  return Math.sqrt(sum(data.ss) / df);
}

function known(data) {
  return data.sigma !== null && data.sigma !== undefined;
}

/** Each group's own mean. */
export function noPooling(data) {
  const { n, mean, level = 0.95 } = data;
  const sigma = sigmaUsed(data);
  const df = known(data) ? Infinity : sum(n) - n.length;
  const half = tQuantile(0.5 + level / 2, df) * sigma;
  return {
    estimate: mean.slice(),
    lower: mean.map((y, j) => y - half / Math.sqrt(n[j])),
    upper: mean.map((y, j) => y + half / Math.sqrt(n[j])),
    weight: mean.map(() => 1),
    tau: NaN,
    mu: NaN,
  };
}

/** The mean of all rows for every group. */
export function completePooling(data) {
  const { n, mean } = data;
  let total = 0;
  for (let j = 0; j < n.length; j++) total += n[j] * mean[j];
  const mu = total / sum(n);
  return {
    estimate: mean.map(() => mu), lower: null, upper: null, weight: mean.map(() => 0), tau: 0, mu,
  };
}

/** The classic simulator's estimator: tau by moments, floor 0.01, with its naive intervals. */
export function moments(data) {
  const { n, mean, level = 0.95 } = data;
  const sigma = sigmaUsed(data);
  const groups = n.length;
  const mu = sum(mean) / groups;
  let between = 0;
  let noise = 0;
  for (let j = 0; j < groups; j++) {
    between += (mean[j] - mu) ** 2;
    noise += (sigma * sigma) / n[j];
  }
  const excess = between / (groups - 1) - noise / groups;
  const tau2 = Math.max(excess, FLOOR);
  const weight = n.map((k) => tau2 / (tau2 + (sigma * sigma) / k));
  const estimate = mean.map((y, j) => weight[j] * y + (1 - weight[j]) * mu);
  const z = normalQuantile(0.5 + level / 2);
  const half = n.map((k, j) => z * Math.sqrt((weight[j] * sigma * sigma) / k));
  return {
    estimate,
    lower: estimate.map((e, j) => e - half[j]),
    upper: estimate.map((e, j) => e + half[j]),
    weight, tau: Math.sqrt(tau2), mu, excess, floored: excess < FLOOR,
  };
}

/**
 * James and Stein's estimate, positive part: toward the groups' mean, which takes four groups of
 * one size, or toward the fixed point `data.centre`, which takes three.
 */
export function jamesStein(data) {
  const { n, mean, centre = null } = data;
  const groups = n.length;
  const spare = centre === null ? 3 : 2;
  if (groups <= spare || n.some((k) => k !== n[0])) {
    throw new Error(`james_stein needs at least ${spare + 1} groups, all of one size`);
  }
  const mu = centre === null ? sum(mean) / groups : centre;
  let squares = 0;
  for (let j = 0; j < groups; j++) squares += (mean[j] - mu) ** 2;
  const kept = Math.max(0, 1 - ((groups - spare) * sigmaUsed(data) ** 2) / n[0] / squares);
  return {
    estimate: mean.map((y) => mu + kept * (y - mu)),
    lower: null, upper: null, weight: mean.map(() => kept), tau: NaN, mu,
  };
}

/** REML plug-in, with intervals that allow for mu but not for tau. */
export function reml(data) {
  const { n, mean, level = 0.95 } = data;
  const lam = remlRatio(data);
  const at = sumsAt(data, weightsAt(n, lam));
  let sigma2 = known(data) ? data.sigma ** 2 : 0;
  if (!known(data)) sigma2 = (sum(data.ss) + at.q) / (sum(n) - 1);
  const z = normalQuantile(0.5 + level / 2);
  const out = { estimate: [], lower: [], upper: [], weight: [] };
  for (let j = 0; j < n.length; j++) {
    const b = 1 / (1 + n[j] * lam);
    const estimate = mean[j] + b * (at.mu - mean[j]);
    const half = z * Math.sqrt(sigma2 * (lam * b + (b * b) / at.total));
    out.estimate.push(estimate);
    out.lower.push(estimate - half);
    out.upper.push(estimate + half);
    out.weight.push((n[j] * lam) / (1 + n[j] * lam));
  }
  return { ...out, tau: Math.sqrt(lam * sigma2), mu: at.mu };
}

/** Weights at lambda = tau^2 / sigma^2 and their sum. */
function weightsAt(n, lam) {
  const w = new Float64Array(n.length);
  let total = 0;
  for (let j = 0; j < n.length; j++) total += w[j] = n[j] / (1 + n[j] * lam);
  return { w, total };
}

/** The weighted mean, and sums of squares about it with the weights and with their squares. */
function sumsAt({ mean }, { w, total }) {
  let moment = 0;
  for (let j = 0; j < w.length; j++) moment += w[j] * mean[j];
  const mu = moment / total;
  let q = 0;
  let fall = 0;
  let total2 = 0;
  for (let j = 0; j < w.length; j++) {
    const square = w[j] * (mean[j] - mu) * (mean[j] - mu);
    q += square;
    fall += w[j] * square;
    total2 += w[j] * w[j];
  }
  return { total, total2, mu, q, fall };
}

const grids = new WeakMap();

/** The grid of lambda on which the likelihood is looked through; depends on the sizes only. */
function gridOf(n) {
  if (!grids.has(n)) {
    const typical = sum(n) / n.length;
    const lams = [0];
    for (let i = 0; i < 28; i++) lams.push(10 ** (-5 + (9 * i) / 27) / typical);
    const at = lams.map((lam) => {
      const weights = weightsAt(n, lam);
      let fixed = Math.log(weights.total);
      for (let j = 0; j < n.length; j++) fixed += Math.log1p(n[j] * lam);
      return { ...weights, fixed };
    });
    grids.set(n, { lams, at });
  }
  return grids.get(n);
}

/** The lambda that maximises the restricted likelihood: best of a grid, then the slope's root. */
function remlRatio(data) {
  const df = sum(data.n) - 1;
  const ssw = known(data) ? 0 : sum(data.ss);
  const slope = (p) => {
    const fall = known(data) ? p.fall / data.sigma ** 2 : (p.fall * df) / (ssw + p.q);
    return 0.5 * (fall - p.total + p.total2 / p.total);
  };
  const { lams, at } = gridOf(data.n);
  let best = 0;
  let least = Infinity;
  at.forEach((weights, i) => {
    const { q } = sumsAt(data, weights);
    const value = weights.fixed + (known(data) ? q / data.sigma ** 2 : df * Math.log(ssw + q));
    if (value < least) [best, least] = [i, value];
  });
  if (best === 0 && slope(sumsAt(data, at[0])) <= 0) return 0;
  const f = (lam) => slope(sumsAt(data, weightsAt(data.n, lam)));
  return rootOfFalling(f, lams[Math.max(best - 1, 0)], lams[Math.min(best + 1, lams.length - 1)]);
}

/** Root of a function that falls through zero between two points: Illinois, with bisection. */
function rootOfFalling(f, low, high) {
  let [above, below] = [f(low), f(high)];
  if (!(above > 0)) return low;
  if (!(below < 0)) return high;
  let last = NaN;
  for (let round = 0; round < 100; round++) {
    let x = low + ((high - low) * above) / (above - below);
    if (round % 4 === 3 || !(x > low && x < high)) x = 0.5 * (low + high);
    const value = f(x);
    if (value === 0 || Math.abs(x - last) <= 1e-14 * x) return x;
    last = x;
    if (value > 0) {
      [low, above] = [x, value];
      below *= 0.5;
    } else {
      [high, below] = [x, value];
      above *= 0.5;
    }
  }
  return 0.5 * (low + high);
}
