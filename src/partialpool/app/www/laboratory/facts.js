// What is true of one draw: numbers only, from which sentences and pictures are made.

import { completePooling, moments, noPooling, posterior, reml, world } from "../worlds.js";
import { worldOf } from "./settings.js";

/** Everything that the laboratory shows of the draw with these settings. */
export function drawFacts(state) {
  const drawn = world({ ...worldOf(state), seed: state.seed, replicate: 0, squares: !state.sigma_known });
  const data = { n: drawn.n, mean: drawn.mean, ss: drawn.ss, sigma: state.sigma_known ? state.sigma : null };
  const full = posterior(data);
  const made = {
    no: noPooling(data),
    complete: completePooling(data),
    partial: { posterior: () => full, moments: () => moments(data), reml: () => reml(data) }[state.estimator](),
  };
  // with three groups the posterior mean of mu does not exist: then the mean at the median of tau
  const middle = Number.isFinite(made.partial.mu) ? made.partial.mu : full.atTau(full.tauMedian).grand;
  const error = {};
  for (const [name, { estimate }] of Object.entries(made)) error[name] = squaredError(estimate, drawn.theta);
  const groups = drawn.theta.map((truth, j) => ({
    name: `School ${j + 1}`,
    n: drawn.n[j],
    truth,
    own: drawn.mean[j],
    ownLower: made.no.lower[j],
    ownUpper: made.no.upper[j],
    partial: made.partial.estimate[j],
    lower: made.partial.lower[j],
    upper: made.partial.upper[j],
    weight: made.partial.weight[j],
    moved: made.partial.estimate[j] - drawn.mean[j],
    away: drawn.mean[j] - middle,
  }));
  return { groups, error, full, tau: made.partial.tau, grand: made.complete.mu, middle, nearer: nearer(groups) };
}

function squaredError(estimate, truth) {
  return estimate.reduce((total, value, j) => total + (value - truth[j]) ** 2, 0) / truth.length;
}

/** How many groups partial pooling brings nearer to their truth. */
function nearer(groups) {
  return groups.filter((g) => Math.abs(g.partial - g.truth) < Math.abs(g.own - g.truth)).length;
}
