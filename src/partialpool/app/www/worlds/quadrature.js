// One-dimensional integrals of a density known up to a constant, and mixtures of normals or t.

import { gaussLegendre, normalDensity, normalQuantile, tBoth, tQuantile } from "./special.js";

/** Nodes a panel: with panels one posterior sd wide the rule is exact to rounding. */
const RULE = gaussLegendre(16);
/** Logarithm of what is negligible against the peak. */
const NEGLIGIBLE = 40;
/** How far from the start, in either direction, a peak and its tails are looked for. */
const SEARCH = 60;
/** Summaries of two rules, one with twice the panels, that agree to this are exact. */
const AGREE = 1e-11;
const MOST_PANELS = 320;
/** Distance on the normal scale from which one more step, which squares it, is the last. */
const CLOSE = 1e-7;

/**
 * Integrate exp(logDensity(u)) over the real line.
 *
 * The line is u = center + scale sinh(t), which reaches far tails with few panels; panels of t
 * are halved until total, mean and sd stay. `order` keeps the tail that the moment of exp(u) of
 * that order needs. Returns nodes `u` and their `weight` (which sum to one), `density(u)`, and
 * `cdf(u)`, exact between the nodes too.
 */
export function quadrature(logDensity, start, order = 0) {
  const line = locate(logDensity, start, order);
  let panels = Math.max(6, Math.ceil(line.to - line.from));
  let rule = tabulate(logDensity, line, panels);
  for (; panels < MOST_PANELS; panels *= 2) {
    const finer = tabulate(logDensity, line, 2 * panels);
    if (finer.summary.every((v, i) => Math.abs(v - rule.summary[i]) <= AGREE)) break;
    rule = finer;
  }
  return rule;
}

/** Peak, width and reach of a density: the line on which it is integrated. */
function locate(f, start, order) {
  const step = 0.5;
  const at = [];
  for (let u = start - SEARCH; u <= start + SEARCH; u += step) at.push(u);
  const values = at.map(f);
  const top = Math.max(...values);
  let center = golden(f, at[values.indexOf(top)], step);
  const d = 1e-3;
  const curvature = (2 * f(center) - f(center - d) - f(center + d)) / (d * d);
  const width = curvature > 0 ? 1 / Math.sqrt(curvature) : step;
  const tilted = values.map((v, i) => v + order * at[i]);
  const high = Math.max(...tilted);
  const kept = at.filter((_, i) => values[i] > top - NEGLIGIBLE || tilted[i] > high - NEGLIGIBLE);
  const [low, up] = [kept[0] - step, kept[kept.length - 1] + step];
  const reach = Math.max(center - low, up - center);
  const scale = Math.max(Math.min(width, Math.PI / 2), reach / Math.sinh(4.5));
  const t = (u) => Math.asinh((u - center) / scale);
  return { center, scale, from: t(low), to: t(up) };
}

/** The mode within `step` of `u`, to a few digits: it only places the nodes. */
function golden(f, u, step) {
  const ratio = (Math.sqrt(5) - 1) / 2;
  let [a, b] = [u - step, u + step];
  for (let round = 0; round < 14; round++) {
    const [c, d] = [b - ratio * (b - a), a + ratio * (b - a)];
    if (f(c) < f(d)) a = c;
    else b = d;
  }
  return 0.5 * (a + b);
}

function tabulate(logDensity, { center, scale, from, to }, panels) {
  const size = RULE.node.length;
  const u = new Float64Array(panels * size);
  const weight = new Float64Array(panels * size);
  const half = (to - from) / (2 * panels);
  let top = -Infinity;
  for (let k = 0; k < u.length; k++) {
    const t = from + half * (2 * Math.floor(k / size) + 1 + RULE.node[k % size]);
    u[k] = center + scale * Math.sinh(t);
    weight[k] = logDensity(u[k]);
    if (weight[k] > top) top = weight[k];
  }
  let total = 0;
  const below = [0];
  for (let k = 0; k < u.length; k++) {
    const slope = Math.hypot(scale, u[k] - center); // du/dt
    weight[k] = Math.exp(weight[k] - top) * slope * half * RULE.weight[k % size];
    total += weight[k];
    if (k % size === size - 1) below.push(total);
  }
  let mean = 0;
  for (let k = 0; k < u.length; k++) mean += (weight[k] /= total) * (u[k] - center);
  let square = 0;
  for (let k = 0; k < u.length; k++) square += weight[k] * (u[k] - center - mean) ** 2;
  for (let i = 0; i < below.length; i++) below[i] /= total;
  const sd = Math.sqrt(square);
  const logTotal = top + Math.log(total);
  const density = (v) => Math.exp(logDensity(v) - logTotal);
  const cdf = (v) => {
    const t = Math.asinh((v - center) / scale);
    if (t <= from) return 0;
    if (t >= to) return 1;
    const panel = Math.min(panels - 1, Math.floor((t - from) / (2 * half)));
    const edge = from + 2 * half * panel;
    const part = 0.5 * (t - edge);
    let sum = 0;
    for (let i = 0; i < size; i++) {
      const x = scale * Math.sinh(edge + part * (1 + RULE.node[i]));
      sum += RULE.weight[i] * density(center + x) * Math.hypot(scale, x);
    }
    return below[panel] + part * sum;
  };
  return { u, weight, density, cdf, summary: [logTotal, mean / sd, Math.log(sd)] };
}

/** The x at which a distribution function reaches p: Newton's method kept inside a bracket. */
export function solve(cdf, density, p, start, low, high) {
  let x = start;
  for (let round = 0; round < 100; round++) {
    const excess = cdf(x) - p;
    if (excess > 0) high = x;
    else low = x;
    let next = x - excess / density(x);
    const inside = next >= low && next <= high;
    if (!inside) next = 0.5 * (low + high);
    const close = inside && Math.abs(excess) <= 1e-7 * Math.min(p, 1 - p);
    const stuck = high - low <= 1e-15 * Math.abs(x);
    x = next;
    if (close || stuck) break;
  }
  return x;
}

/**
 * Quantiles of mixtures of normals or t: ndtri(F(x)) = ndtri(p), on which scale F is nearly a
 * straight line, by Newton's method from the Cornish-Fisher expansion, kept inside a bracket.
 *
 * loc, scale, weight: arrays of C components; `p` an array of probabilities.
 */
export function mixtureQuantiles(p, loc, scale, weight, df) {
  const [mean, sd, skew] = threeMoments(loc, scale, weight);
  const mixture = { loc, scale, weight, both: tBoth(df) };
  return p.map((probability) => {
    const unit = quantileOfT(probability, df);
    let [low, high] = [Infinity, -Infinity];
    for (let c = 0; c < loc.length; c++) {
      const end = loc[c] + scale[c] * unit;
      if (end < low) low = end;
      if (end > high) high = end;
    }
    const bend = Math.max(-1, Math.min(1, skew)) / 6;
    const guess = mean + sd * (unit + bend * (unit * unit - 1));
    const start = Number.isFinite(guess) ? Math.max(low, Math.min(high, guess)) : 0.5 * (low + high);
    return mixtureQuantile(probability, mixture, start, low, high);
  });
}

const last = { p: NaN, df: NaN, value: NaN };

/** The quantile of t, which takes a solution, kept for the next call with the same. */
function quantileOfT(p, df) {
  if (df === Infinity) return normalQuantile(p);
  if (p === 1 - last.p && df === last.df) return -last.value;
  if (p !== last.p || df !== last.df) Object.assign(last, { p, df, value: tQuantile(p, df) });
  return last.value;
}

const both = new Float64Array(2);

function mixtureQuantile(p, mixture, x, low, high) {
  const { loc, scale, weight } = mixture;
  const goal = normalQuantile(p);
  for (let round = 0; round < 200; round++) {
    let value = 0;
    let slope = 0;
    for (let c = 0; c < loc.length; c++) {
      mixture.both((x - loc[c]) / scale[c], both);
      value += weight[c] * both[0];
      slope += (weight[c] * both[1]) / scale[c];
    }
    const normal = normalQuantile(Math.min(value, 1 - 1e-16));
    const excess = normal - goal;
    if (excess > 0) high = x;
    else low = x;
    let next = x - (excess * normalDensity(normal)) / slope;
    const inside = next >= low && next <= high;
    if (!inside) next = 0.5 * (low + high);
    const done = (inside && Math.abs(excess) <= CLOSE) || high - low <= 1e-14 * Math.abs(x);
    x = next;
    if (done) break;
  }
  return x;
}

/** Mean, sd and skewness of a mixture of normals (of t: near enough to start from). */
function threeMoments(loc, scale, weight) {
  let mean = 0;
  for (let c = 0; c < loc.length; c++) mean += weight[c] * loc[c];
  let variance = 0;
  let third = 0;
  for (let c = 0; c < loc.length; c++) {
    const gap = loc[c] - mean;
    const square = scale[c] * scale[c];
    variance += weight[c] * (square + gap * gap);
    third += weight[c] * gap * (3 * square + gap * gap);
  }
  return [mean, Math.sqrt(variance), third / variance ** 1.5];
}
