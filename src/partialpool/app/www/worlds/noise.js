// Worlds: the noise of (seed, replicate, group, role) never changes, here and in the library
// (partialpool/simulate/noise.py and world.py), to the last digits of the special functions.

import { gammaQuantile, normalQuantile } from "./special.js";

export const ROLES = { population: 1, mean: 2, spread: 3, pupil: 4 };
/** How many tau the outlying group lies above mu. */
const OUTLIER = 5;

/** Philox 4x32-10 of Salmon, Moraes, Dror and Shaw (2011), doi:10.1145/2063384.2063405. */
export function philox(counter, key, out = new Uint32Array(4)) {
  let [a, b, c, d] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const low0 = Math.imul(a, 0xd2511f53);
    const low1 = Math.imul(c, 0xcd9e8d57);
    const high0 = highWord(a, 0xd251, 0x1f53);
    const high1 = highWord(c, 0xcd9e, 0x8d57);
    a = high1 ^ b ^ k0;
    b = low1;
    c = high0 ^ d ^ k1;
    d = low0;
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  out[0] = a;
  out[1] = b;
  out[2] = c;
  out[3] = d;
  return out;
}

/** The upper 32 bits of x times a constant given by its halves. */
function highWord(x, high, low) {
  const x0 = x & 0xffff;
  const x1 = x >>> 16;
  const middle = x1 * low + ((x0 * low) >>> 16);
  const other = x0 * high + (middle & 0xffff);
  return (x1 * high + Math.floor(middle / 65536) + Math.floor(other / 65536)) | 0;
}

const words = new Uint32Array(4);
const counter = new Uint32Array(4);
const key = new Uint32Array(2);

/** Fill `words` with the block that holds roles 2 block + 1 and 2 block + 2. */
function fill(seed, replicate, group, block, index) {
  counter[0] = replicate;
  counter[1] = group;
  counter[2] = block;
  counter[3] = index;
  key[0] = seed % 4294967296;
  key[1] = Math.floor(seed / 4294967296);
  philox(counter, key, words);
}

/** The first (0) or second (1) number of the block: 52 bits, never 0 or 1. */
function fraction(which) {
  const high = words[2 * which];
  const low = words[2 * which + 1];
  return (high * 1048576 + (low >>> 12) + 0.5) / 4503599627370496;
}

/** A uniform number in (0, 1); `index` counts the pupils of a group. */
export function uniform(seed, replicate, group, role, index = 0) {
  fill(seed, replicate, group, (role - 1) >> 1, index);
  return fraction((role - 1) & 1);
}

/** A draw with mean 0 and sd 1 from a uniform number. */
const STANDARD = {
  normal: (u) => normalQuantile(u),
  heavy_tailed: (u) => t3Quantile(u) / Math.sqrt(3),
  two_clusters: (u) => (u < 0.5 ? -1 : 1),
  outlier: (u, group) => (group === 0 ? OUTLIER : normalQuantile(u)),
};
export const POPULATIONS = Object.keys(STANDARD);

/** Quantile of t with 3 degrees of freedom: sqrt(3) cot(x / 2) with x - sin x = 2 pi tail. */
function t3Quantile(u) {
  const target = 2 * Math.PI * Math.min(u, 1 - u);
  let x = Math.min(Math.PI, Math.cbrt(6 * target));
  for (let round = 0; round < 30; round++) {
    const step = (less(x) - target) / (2 * Math.sin(x / 2) ** 2);
    x -= step;
    if (Math.abs(step) < 1e-16 * x) break;
  }
  return (Math.sign(u - 0.5) * Math.sqrt(3)) / Math.tan(x / 2);
}

/** x - sin x, by its series where digits would be lost. */
function less(x) {
  if (x > 0.5) return x - Math.sin(x);
  const s = x * x;
  return ((x * s) / 6) * (1 - (s / 20) * (1 - (s / 42) * (1 - (s / 72) * (1 - (s / 110) * (1 - s / 156)))));
}

/**
 * One replicate of a world: theta, group means, and sums of squares within groups.
 *
 * settings: {n: [...], tau, sigma, mu, population, seed, replicate, squares}; `squares: false`
 * leaves out the sums of squares, which take longest.
 */
export function world(settings) {
  const { n, tau, sigma = 10, mu = 70, population = "normal" } = settings;
  const { seed = 1, replicate = 0, squares = true } = settings;
  const standard = STANDARD[population];
  if (!standard) {
    throw new Error(`population is one of ${POPULATIONS.join(", ")}; received ${population}`);
  }
  const groups = n.length;
  const theta = new Array(groups);
  const mean = new Array(groups);
  const ss = squares ? new Array(groups) : null;
  for (let j = 0; j < groups; j++) {
    fill(seed, replicate, j, 0, 0);
    theta[j] = mu + tau * standard(fraction(0), j);
    mean[j] = theta[j] + (sigma / Math.sqrt(n[j])) * normalQuantile(fraction(1));
    if (squares) {
      const df = n[j] - 1;
      const p = uniform(seed, replicate, j, ROLES.spread);
      ss[j] = df > 0 ? sigma * sigma * 2 * gammaQuantile(df / 2, p) : 0;
    }
  }
  return { n, sigma, theta, mean, ss, seed, replicate };
}

/** Rows of each group: `n` for all, or spread geometrically around it; as the library's World.of. */
export function sizes(groups, n, imbalance = 0) {
  return Array.from({ length: groups }, (_, j) => {
    if (!imbalance) return n;
    const at = groups > 1 ? -1 + (2 * j) / (groups - 1) : -1;
    return Math.max(1, even(n * Math.exp(imbalance * at)));
  });
}

/** Round half to even. */
function even(x) {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 ? low + 1 : low;
}

/**
 * Single scores of a group, `most` at most, whose mean and spread are the group's own: normal
 * noise moved and scaled to them, which is how scores are distributed given mean and spread.
 */
export function pupils(drawn, group, most = 100) {
  const rows = drawn.n[group];
  const size = Math.min(rows, most);
  const mean = drawn.mean[group];
  if (size === 1) return [mean];
  const z = Array.from({ length: size }, (_, i) =>
    normalQuantile(uniform(drawn.seed, drawn.replicate, group, ROLES.pupil, i)),
  );
  const middle = z.reduce((a, b) => a + b, 0) / size;
  const squares = z.reduce((a, b) => a + (b - middle) ** 2, 0);
  const scale = Math.sqrt((drawn.ss[group] * (size - 1)) / ((rows - 1) * squares));
  return z.map((v) => mean + scale * (v - middle));
}
