// The running example: twelve schools, one test, the same twelve in every step.

import * as worlds from "../worlds.js";

/** Pupils tested in School 1, 2, ..., 12. */
export const SIZES = [12, 3, 30, 6, 4, 40, 9, 3, 20, 5, 15, 4];
export const TAU = 5;
export const SIGMA = 10;
export const MU = 70;
/**
 * Of the first 40,000 seeds this one shows every step's point at once: the top school has three
 * pupils and is truly fourth, own averages and the grand mean err alike, every interval holds
 * its truth. How typical that is, the lesson says from averages over worlds.
 */
export const SEED = 24978;
export const NAMES = SIZES.map((_, j) => `School ${j + 1}`);
export const AXIS = [56, 92];
export const SETTINGS = { n: SIZES, tau: TAU, sigma: SIGMA, mu: MU, seed: SEED };

/** The world on the screen. */
export const EXAMPLE = worlds.world({ ...SETTINGS, squares: true });

/** What the reader of the test sees of a world: sizes, averages, and the pupils' spread. */
export function seen(world) {
  return { n: world.n, mean: world.mean, sigma: SIGMA, ss: null };
}

/** The same schools tested again: new pupils (replicate), the true levels of replicate 0. */
export function testedAgain(settings, replicate) {
  const first = worlds.world({ ...settings, replicate: 0, squares: false });
  const other = worlds.world({ ...settings, replicate, squares: false });
  return { ...other, theta: first.theta, mean: other.mean.map((y, j) => y - other.theta[j] + first.theta[j]) };
}

/** Rows for the picture of estimates, highest own average first; estimates may be null. */
export function rows(world, pooled = null, names = NAMES) {
  const groups = world.mean.map((own, j) => ({
    name: names[j], index: j, n: world.n[j], own, truth: world.theta?.[j],
    partial: pooled?.estimate[j], lower: pooled?.lower?.[j], upper: pooled?.upper?.[j],
  }));
  return groups.sort((a, b) => b.own - a.own);
}

/** Mean squared error of estimates. */
export function squaredError(estimate, truth) {
  return estimate.reduce((sum, value, j) => sum + (value - truth[j]) ** 2, 0) / truth.length;
}
