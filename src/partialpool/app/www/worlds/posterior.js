// The exact posterior of the one-way normal model under the library's default priors: flat on mu
// and tau, 1/sigma on sigma. Given r = tau / sigma everything is normal, or t, in closed form;
// u = log r is integrated by quadrature. METHODS: partialpool/models/oneway.py.

import { sigmaUsed, sum } from "./estimators.js";
import { mixtureQuantiles, quadrature, solve } from "./quadrature.js";
import { gammaCdf, logGamma } from "./special.js";

/** Components of a smaller share are left out for groups. */
const NEGLIGIBLE = 1e-15;

/** Groups gathered by size: groups of one size enter only through their means' mean and spread. */
function sizeClasses(n, y) {
  const classes = new Map();
  n.forEach((size, j) => {
    const c = classes.get(size) ?? { size, count: 0, mean: 0, spread: 0 };
    const gap = y[j] - c.mean;
    c.count += 1;
    c.mean += gap / c.count;
    c.spread += gap * (y[j] - c.mean);
    classes.set(size, c);
  });
  return [...classes.values()];
}

/** The likelihood's pieces at r = exp(u), and the derivative of `between` by log r. */
function profile(classes, u) {
  const lam = Math.exp(2 * u);
  let total = 0;
  let moment = 0;
  for (let k = 0; k < classes.length; k++) {
    const c = classes[k];
    const w = (c.count * c.size) / (1 + c.size * lam);
    total += w;
    moment += w * c.mean;
  }
  const mu = moment / total;
  let between = 0;
  let slope = 0;
  for (let k = 0; k < classes.length; k++) {
    const c = classes[k];
    const w = c.size / (1 + c.size * lam);
    const gap = c.mean - mu;
    const squares = w * (c.count * gap * gap + c.spread);
    between += squares;
    slope -= 2 * lam * w * squares;
  }
  return { lam, total, mu, between, slope };
}

/** Sum of log(1 + n lambda) over groups. */
function logDeterminant(classes, lam) {
  let sum = 0;
  for (let k = 0; k < classes.length; k++) {
    sum += classes[k].count * Math.log1p(classes[k].size * lam);
  }
  return sum;
}

/**
 * The posterior of tau, mu and every group.
 *
 * data: as in estimators.js. Returns estimate, lower, upper, sds and weight (the posterior mean of
 * the weight on the own mean) of every group; tau (median), tauMean, tauMedian, tauLower, tauUpper
 * (NaN or Infinity where a moment does not exist), tauGrid and tauDensity to draw; mu, muMean and
 * muSd; sigma (its median where it is not known); and atTau(tau), all of it were tau known.
 */
export function posterior(data) {
  const { n, level = 0.95 } = data;
  const groups = n.length;
  if (groups < 3) throw new Error("the posterior under flat priors needs at least 3 groups");
  const model = setUp(data);
  const rule = quadrature(model.logDensity, -0.5 * Math.log(sum(n) / groups), model.order);
  const mixture = components(model, rule);
  const each = readGroups(data, model, mixture, level);
  const mu = readMu(model, mixture);
  const tau = readTau(model, rule, level);
  const sigma = model.known ? data.sigma : medianSigma(model, mixture);
  const atTau = (value) => {
    const given = components(model, { u: [Math.log(value / sigma)], weight: [1] });
    const { estimate, lower, upper, weight, sds } = readGroups(data, model, given, level);
    return { estimate, lower, upper, weight, sds, grand: model.center + given.mu[0] };
  };
  return { ...each, ...tau, tau: tau.tauMedian, ...mu, mu: mu.muMean, sigma, atTau };
}

/** Likelihood and prior of u = log(tau / sigma), and what is known of sigma. */
function setUp(data) {
  const { n, mean, sigma } = data;
  const groups = n.length;
  const rows = sum(n);
  let center = 0;
  for (let j = 0; j < groups; j++) center += (n[j] * mean[j]) / rows;
  const classes = sizeClasses(n, mean.map((y) => y - center));
  const known = sigma !== null && sigma !== undefined;
  if (!known) sigmaUsed(data); // refuses data that cannot tell sigma
  const ssw = known ? 0 : sum(data.ss);
  const df = known ? Infinity : rows - 2;
  const logDensity = (u) => {
    const p = profile(classes, u);
    const fit = known ? p.between / sigma ** 2 : df * Math.log1p(p.between / ssw);
    return u - 0.5 * (logDeterminant(classes, p.lam) + Math.log(p.total) + fit);
  };
  const tauMoments = Math.min(groups - 2, df);
  const order = tauMoments > 2 ? 2 : tauMoments > 1 ? 1 : 0;
  const scaleAt = (p) => (known ? sigma : Math.sqrt((ssw + p.between) / df));
  return { classes, center, known, sigma, ssw, df, logDensity, tauMoments, order, scaleAt };
}

/** The components of the mixture at the nodes of a rule. */
function components(model, { u, weight }) {
  const out = { weight: [], lam: [], scale: [], mu: [], muScale: [] };
  for (let k = 0; k < u.length; k++) {
    const p = profile(model.classes, u[k]);
    const scale = model.scaleAt(p);
    out.weight.push(weight[k]);
    out.lam.push(p.lam);
    out.scale.push(scale);
    out.mu.push(p.mu);
    out.muScale.push(scale / Math.sqrt(p.total));
  }
  return out;
}

/** Variance of t over its squared scale. */
function varianceFactor(df) {
  if (df === Infinity) return 1;
  return df > 2 ? df / (df - 2) : Infinity;
}

/** The components that matter for groups; mu, whose tail is heavier, needs all of them. */
function weighty(mixture) {
  const kept = [...mixture.weight.keys()].filter((c) => mixture.weight[c] > NEGLIGIBLE);
  const pick = (values) => Float64Array.from(kept, (c) => values[c]);
  return Object.fromEntries(Object.entries(mixture).map(([name, v]) => [name, pick(v)]));
}

function readGroups({ n, mean }, model, all, level) {
  const mixture = weighty(all);
  const out = { estimate: [], lower: [], upper: [], sds: [], weight: [] };
  const size = mixture.weight.length;
  const loc = new Float64Array(size);
  const scale = new Float64Array(size);
  const factor = varianceFactor(model.df);
  for (let j = 0; j < n.length; j++) {
    const y = mean[j] - model.center;
    let kept = 0;
    let middle = 0;
    let within = 0;
    for (let c = 0; c < size; c++) {
      const b = 1 / (1 + n[j] * mixture.lam[c]);
      const k = n[j] * mixture.lam[c] * b;
      loc[c] = mixture.mu[c] + k * (y - mixture.mu[c]);
      const variance = mixture.scale[c] ** 2 * mixture.lam[c] * b + (b * mixture.muScale[c]) ** 2;
      scale[c] = Math.sqrt(variance);
      kept += mixture.weight[c] * k;
      middle += mixture.weight[c] * loc[c];
      within += mixture.weight[c] * variance;
    }
    let between = 0;
    for (let c = 0; c < size; c++) between += mixture.weight[c] * (loc[c] - middle) ** 2;
    const tail = 0.5 - level / 2;
    const ends = mixtureQuantiles([tail, 1 - tail], loc, scale, mixture.weight, model.df);
    out.estimate.push(middle + model.center);
    out.sds.push(Math.sqrt(factor * within + between));
    out.lower.push(ends[0] + model.center);
    out.upper.push(ends[1] + model.center);
    out.weight.push(kept);
  }
  return out;
}

function readMu(model, mixture) {
  const order = model.tauMoments;
  let mean = 0;
  for (let c = 0; c < mixture.mu.length; c++) mean += mixture.weight[c] * mixture.mu[c];
  let square = 0;
  const factor = varianceFactor(model.df);
  for (let c = 0; c < mixture.mu.length; c++) {
    square += mixture.weight[c] * (factor * mixture.muScale[c] ** 2 + (mixture.mu[c] - mean) ** 2);
  }
  return {
    muMean: order > 1 ? mean + model.center : NaN,
    muSd: order > 2 ? Math.sqrt(square) : Infinity,
  };
}

/** The posterior median of sigma: a mixture of scale sqrt(df / chi2_df). */
function medianSigma({ df }, { weight, scale }) {
  const half = df / 2;
  const constant = Math.log(2) - logGamma(half);
  const cdf = (x) => {
    let total = 0;
    for (let c = 0; c < weight.length; c++) {
      total += weight[c] * gammaCdf(half, half * (scale[c] / x) ** 2)[1];
    }
    return total;
  };
  const density = (x) => {
    let total = 0;
    for (let c = 0; c < weight.length; c++) {
      const z = half * (scale[c] / x) ** 2;
      total += weight[c] * Math.exp(constant + half * Math.log(z) - z - Math.log(x));
    }
    return total;
  };
  const start = weight.reduce((a, w, c) => a + w * scale[c], 0);
  return solve(cdf, density, 0.5, start, Math.min(...scale) / 10, 10 * Math.max(...scale));
}

/** Points at which the density of tau is drawn. */
const DRAWN = 101;

function readTau(model, rule, level) {
  const tau = model.known ? tauKnown(model, rule) : tauUnknown(model, rule);
  const tail = 0.5 - level / 2;
  const quantile = (p) => Math.exp(solve(tau.cdf, tau.density, p, tau.start(p), tau.low, tau.high));
  const [tauLower, tauMedian, tauUpper, end] = [tail, 0.5, 1 - tail, 0.99].map(quantile);
  const tauGrid = Array.from({ length: DRAWN }, (_, i) => (end * i) / (DRAWN - 1));
  const least = tauGrid[1] * 1e-9; // the density at 0 is finite, and flat there
  const tauDensity = tauGrid.map((x) => {
    const at = Math.max(x, least);
    return tau.density(Math.log(at)) / at;
  });
  return {
    tauGrid, tauDensity, tauMedian, tauLower, tauUpper,
    tauMean: model.tauMoments > 1 ? tau.mean : Infinity,
    tauDensityAt: (x) => tau.density(Math.log(Math.max(x, least))) / Math.max(x, least),
  };
}

/** Starting points for quantiles: the nodes with their cumulated weights. */
function startFrom(at, weight) {
  return (p) => {
    let below = 0;
    for (let k = 0; k < at.length; k++) {
      if (below + weight[k] >= p) return at[k];
      below += weight[k];
    }
    return at[at.length - 1];
  };
}

/** The distribution of log tau where sigma is known: the rule's, moved by log sigma. */
function tauKnown({ sigma }, rule) {
  const shift = Math.log(sigma);
  let mean = 0;
  for (let k = 0; k < rule.u.length; k++) mean += rule.weight[k] * Math.exp(rule.u[k] + shift);
  const start = startFrom(rule.u, rule.weight);
  return {
    cdf: (v) => rule.cdf(v - shift),
    density: (v) => rule.density(v - shift),
    start: (p) => start(p) + shift,
    low: rule.u[0] + shift,
    high: rule.u[rule.u.length - 1] + shift,
    mean,
  };
}

/**
 * The distribution of log tau where sigma is not known: tau = rho(r) z with rho = r scale(r) and
 * z = sqrt(df / chi2_df) independent of r, so its distribution function is a mean over z.
 */
function tauUnknown(model, rule) {
  const { df, classes, scaleAt } = model;
  const z = rootInverseChi2(df);
  const logRho = Float64Array.from(rule.u, (u) => u + Math.log(scaleAt(profile(classes, u))));
  /** u at which log rho(u) = target, and the slope of log rho there. */
  const inverse = (target) => {
    let u = interpolate(logRho, rule.u, target);
    let slope = 1;
    for (let round = 0; round < 8; round++) {
      const p = profile(classes, u);
      slope = 1 + (0.5 * p.slope) / (model.ssw + p.between);
      const step = (u + Math.log(scaleAt(p)) - target) / slope;
      u -= step;
      if (Math.abs(step) < 1e-8) break; // the next would be its square
    }
    return [u, slope];
  };
  const over = (f) => (v) => {
    let total = 0;
    for (let k = 0; k < z.u.length; k++) total += z.weight[k] * f(...inverse(v - z.u[k]));
    return total;
  };
  let [mean, meanZ] = [0, 0];
  for (let k = 0; k < rule.u.length; k++) mean += rule.weight[k] * Math.exp(logRho[k]);
  for (let k = 0; k < z.u.length; k++) meanZ += z.weight[k] * Math.exp(z.u[k]);
  return {
    cdf: over((u) => rule.cdf(u)),
    density: over((u, slope) => rule.density(u) / slope),
    start: startFrom(logRho, rule.weight),
    low: logRho[0] + z.u[0],
    high: logRho[logRho.length - 1] + z.u[z.u.length - 1],
    mean: mean * meanZ,
  };
}

/**
 * Nodes and weights of v = log sqrt(df / chi2_df), whose density is exp(-df v - df / 2 exp(-2 v)) up
 * to a constant: the trapezoid rule with a step of 0.6 sd, exact to rounding for what is as smooth
 * as this density; with few degrees of freedom, and so long a tail, the rule for any density.
 */
function rootInverseChi2(df) {
  const logDensity = (v) => -df * (v + 0.5 * Math.expm1(-2 * v));
  if (df < 20) return quadrature(logDensity, 0, 1);
  const sd = 1 / Math.sqrt(2 * df);
  const u = Array.from({ length: 31 }, (_, k) => 0.6 * sd * (k - 15));
  const density = u.map((v) => Math.exp(logDensity(v)));
  const total = sum(density);
  return { u, weight: density.map((d) => d / total) };
}

/** y at x on the broken line through rising points; slope 1 beyond its ends. */
function interpolate(xs, ys, x) {
  const last = xs.length - 1;
  if (x <= xs[0]) return ys[0] + (x - xs[0]);
  if (x >= xs[last]) return ys[last] + (x - xs[last]);
  let [low, high] = [0, last];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle;
    else high = middle;
  }
  return ys[low] + ((ys[high] - ys[low]) * (x - xs[low])) / (xs[high] - xs[low]);
}
