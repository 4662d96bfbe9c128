// The posterior of many worlds of the same sizes at once: nodes, weights and pulls are shared.
// The rule is the library's (partialpool/simulate/estimators.py, full_posterior).

import { sum } from "./estimators.js";
import { mixtureQuantiles } from "./quadrature.js";

/** Nodes of no larger probability are left out. */
const NEGLIGIBLE = 1e-14;

/** Nodes of u = log(tau / sigma), the same for all worlds, and what depends on sizes only. */
function shared(n) {
  const groups = n.length;
  const step = Math.min(0.0625, 0.6 / Math.sqrt(2 * groups));
  const reach = Math.ceil(4.6 / step);
  const middle = -0.5 * Math.log(sum(n) / groups);
  const nodes = [];
  for (let k = -reach; k <= reach; k++) {
    const u = middle + Math.sinh(step * k);
    const lam = Math.exp(2 * u);
    let logDet = 0;
    for (const size of n) logDet += Math.log1p(size * lam);
    const w = Float64Array.from(n, (size) => size / (1 + size * lam));
    const b = Float64Array.from(n, (size) => 1 / (1 + size * lam));
    const total = sum(w);
    const fixed = Math.log(Math.cosh(step * k)) + u - 0.5 * (logDet + Math.log(total));
    nodes.push({ lam, w, b, total, fixed });
  }
  return nodes;
}

/** Estimates and interval ends of every world; data as in estimators.js, all of the same n. */
export function posteriorOverWorlds(data) {
  if (!data.length) return [];
  const { n } = data[0];
  if (n.length < 3) throw new Error("the posterior under flat priors needs at least 3 groups");
  const nodes = shared(n);
  return data.map((one) => read(one, nodes));
}

function read({ n, mean, ss, sigma, level = 0.95 }, nodes) {
  const rows = sum(n);
  let center = 0;
  for (let j = 0; j < n.length; j++) center += (n[j] * mean[j]) / rows;
  const y = mean.map((v) => v - center);
  const known = sigma !== null && sigma !== undefined;
  const ssw = known ? 0 : sum(ss);
  const df = known ? Infinity : rows - 2;
  const logP = new Float64Array(nodes.length);
  const mu = new Float64Array(nodes.length);
  const scale2 = new Float64Array(nodes.length);
  nodes.forEach(({ w, total, fixed }, g) => {
    let moment = 0;
    let squares = 0;
    for (let j = 0; j < y.length; j++) {
      moment += w[j] * y[j];
      squares += w[j] * y[j] * y[j];
    }
    mu[g] = moment / total;
    const between = Math.max(squares - moment * mu[g], 0);
    scale2[g] = known ? sigma * sigma : (ssw + between) / df;
    const fit = known ? between / (sigma * sigma) : df * Math.log(ssw + between);
    logP[g] = fixed - 0.5 * fit;
  });
  const top = Math.max(...logP);
  const p = logP.map((v) => Math.exp(v - top));
  const total = sum(p);
  const used = Array.from(p.keys()).filter((g) => p[g] / total > NEGLIGIBLE);
  const weight = Float64Array.from(used, (g) => p[g] / total);
  const loc = new Float64Array(used.length);
  const scale = new Float64Array(used.length);
  const tail = 0.5 - level / 2;
  const out = { estimate: [], lower: [], upper: [] };
  for (let j = 0; j < y.length; j++) {
    let middle = 0;
    used.forEach((g, c) => {
      const { lam, b, total: precision } = nodes[g];
      loc[c] = y[j] + b[j] * (mu[g] - y[j]);
      scale[c] = Math.sqrt(scale2[g] * (lam * b[j] + (b[j] * b[j]) / precision));
      middle += weight[c] * loc[c];
    });
    const ends = mixtureQuantiles([tail, 1 - tail], loc, scale, weight, df);
    out.estimate.push(middle + center);
    out.lower.push(ends[0] + center);
    out.upper.push(ends[1] + center);
  }
  return out;
}
