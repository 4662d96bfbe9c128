// The laboratory's sentences. Each is made of the numbers that it claims, and says the opposite when
// they do; no sentence is fixed but the questions.

import { format } from "../picture/base.js";

const n = (value, digits = 0) => `<span class="n">${format(value, digits)}</span>`;

/** Two figures at least, so that small errors are not said to be 0.0. */
function digitsOf(value) {
  const size = Math.abs(value);
  if (!(size > 0)) return 1;
  return Math.max(0, Math.min(6, size >= 100 ? 0 : size >= 1 ? 1 : 1 - Math.floor(Math.log10(size))));
}

const figure = (value) => n(value, digitsOf(value));

/** "39.2% lower", "108% higher" or "the same", as printed. */
export function lower(value, other, most = 1) {
  const percent = 100 * (value / other - 1);
  const digits = Math.abs(percent) >= 99.95 ? 0 : Math.abs(percent) >= 0.95 ? most : 1;
  if (Number(Math.abs(percent).toFixed(digits)) === 0) return "the same";
  return `${n(Math.abs(percent), digits)}% ${percent < 0 ? "lower" : "higher"}`;
}

/** The same in a sentence: "39% lower than", "the same as". */
function change(value, other, digits = 0) {
  const said = lower(value, other, digits);
  return `${said} ${said === "the same" ? "as" : "than"}`;
}

/** The three errors of this draw, and what partial pooling did to its schools. */
export function inThisDraw({ error, groups, nearer }) {
  return `In this draw the mean squared error is ${figure(error.no)} without pooling, ${figure(error.complete)} with complete pooling and ` +
    `${figure(error.partial)} with partial pooling: ${change(error.partial, error.no)} without pooling, ${change(error.partial, error.complete)} with complete pooling. ` +
    `Partial pooling brings ${n(nearer)} of ${n(groups.length)} schools nearer to their truth.`;
}

/** How far one error lies below or above another over worlds: "19% ± 0.4 lower than". */
function overWorlds(gap, other) {
  const [percent, error] = [(100 * gap.mean) / other.mean, (100 * gap.error) / other.mean];
  if (!(Math.abs(gap.mean) > 2 * gap.error)) return "hardly different from";
  const digits = error < 0.95 ? 1 : 0;
  return `${n(Math.abs(percent), digits)}% ± ${n(error, error < 0.095 ? 2 : digits)} ${percent < 0 ? "lower" : "higher"} than`;
}

function plusMinus({ mean, error }) {
  const digits = Math.max(digitsOf(mean), error > 0 ? Math.min(6, Math.max(0, -Math.floor(Math.log10(error)))) : 0);
  return `<span class="n">${format(mean, digits)} ± ${format(error, digits)}</span>`;
}

function percent({ mean, error }) {
  const digits = 100 * error < 0.95 ? 1 : 0;
  return `<span class="n">${format(100 * mean, digits)}% ± ${format(100 * error, digits)}</span>`;
}

/** The errors to be expected, over many worlds. */
export function expectedErrors({ replicates, no, complete, partial, overNo, overComplete, best }) {
  return `Over ${n(replicates)} such worlds its mean squared error is ${plusMinus(partial)}: ` +
    `${overWorlds(overNo, no)} without pooling (${plusMinus(no)}) and ${overWorlds(overComplete, complete)} with complete pooling (${plusMinus(complete)}). ` +
    `It is the best of the three in ${percent(best)} of these worlds.`;
}

/** Which of the three errs least on average, where that can be told. */
export function least({ no, complete, partial, overNo, overComplete }) {
  const side = (gap) => (Math.abs(gap.mean) <= 2 * gap.error ? 0 : Math.sign(gap.mean));
  const [first, second] = [side(overNo), side(overComplete)];
  if (first < 0 && second < 0) return "Partial pooling errs least, on average";
  const both = Math.abs(no.mean - complete.mean) <= 2 * Math.hypot(no.error, complete.error);
  if (first > 0 && second > 0 && both) return "No and complete pooling err less here, on average";
  if (first > 0 || second > 0) return `${no.mean < complete.mean ? "No" : "Complete"} pooling errs least here, on average`;
  const equal = [first === 0 ? "no pooling" : "", second === 0 ? "complete pooling" : ""].filter(Boolean);
  return `Partial pooling errs about as much as ${equal.join(" and ")}, on average`;
}

/** How often the intervals hold the truth. */
export function coverage({ share, kind, width }) {
  const short = share.mean + 2 * share.error < 0.95;
  const long = share.mean - 2 * share.error > 0.95;
  const says = short ? "less often than they claim" : long ? "more often than they claim" : "as often as they claim";
  return `Its 95% intervals (${kind}, ${n(width, 1)} wide on average) hold the truth in ${percent(share)}, ${says}.`;
}

/** The weight on the own average: one number, or from the smallest to the largest. */
export function weights(groups) {
  const kept = groups.map((g) => g.weight);
  const [low, high] = [Math.min(...kept), Math.max(...kept)];
  const one = format(100 * low, 1) === format(100 * high, 1);
  const [first, last] = [format(100 * low, one ? 1 : 0), format(100 * high, one ? 1 : 0)];
  if (one || first === last) return { own: `${first}%`, grand: `${format(100 - 100 * low, one ? 1 : 0)}%` };
  return { own: `${first} to ${last}%`, grand: `${format(100 - 100 * high)} to ${format(100 - 100 * low)}%` };
}

/** Which of two numbers is larger, in words, a factor of 1.25 being about the same. */
function against(a, b) {
  if (a > 1.25 * b) return "more than";
  if (a < b / 1.25) return "less than";
  return "about as much as";
}

/** Noise of an own average against the real differences. */
export function noiseAgainstSpread({ sigma, tau, n: rows }) {
  const noise = sigma / Math.sqrt(rows);
  return `With ${n(rows)} students an average typically strays from its school’s truth by ${n(noise, 1)} (σ / √n), ${against(noise, tau)} schools really differ (τ = ${n(tau)}).`;
}

/** What this draw's pooling does: the share kept and the average move. */
export function keeps({ groups }) {
  const mean = groups.reduce((a, g) => a + g.weight, 0) / groups.length;
  const move = groups.reduce((a, g) => a + Math.abs(g.moved), 0) / groups.length;
  return `Here partial pooling keeps ${n(100 * mean)}% of a school’s distance from the average and moves schools by ${n(move, 1)} points on average.`;
}

/** Complete pooling's error against partial pooling's. */
export function timesAsLarge({ complete, partial }) {
  const ratio = complete.mean / partial.mean;
  return ratio >= 1.5 ? `Complete pooling’s error is ${n(ratio, ratio < 10 ? 1 : 0)} times as large.` : "";
}

/** The arrows: who moves most and who least, and whether it is those far from and near the middle. */
export function arrows({ groups, middle }) {
  const by = (f) => groups.reduce((a, g) => (f(g) > f(a) ? g : a));
  const least = (f) => groups.reduce((a, g) => (f(g) < f(a) ? g : a));
  const [far, near] = [by((g) => Math.abs(g.away)), least((g) => Math.abs(g.away))];
  const [most, little] = [by((g) => Math.abs(g.moved)), least((g) => Math.abs(g.moved))];
  const told = (g) => `${g.name}, ${n(Math.abs(g.away), 1)} points from the average of ${n(middle, 1)}, moves by ${n(Math.abs(g.moved), 1)}`;
  if (most === far && little === near) return `Those far from the average move most, those near it hardly: ${told(far)}; ${told(near)}.`;
  return `${told(most)}, which is the most; ${told(little)}, the least. The farthest, ${far.name}, ` +
    `keeps ${n(100 * far.weight)}% of its distance, with ${n(far.n)} students: it is not distance alone that counts, but what a school’s students tell.`;
}

/** The heading of the picture: what it shows. */
export function title({ groups, error }, show) {
  if (show.no && show.partial) {
    const most = groups.reduce((a, g) => (Math.abs(g.moved) > Math.abs(a.moved) ? g : a));
    const move = format(Math.abs(most.moved), 1);
    return Number(move) === 0 ? "No school is moved by as much as 0.1 points"
      : `${most.name} is pulled ${move} points ${most.moved < 0 ? "down" : "up"}, toward the others`;
  }
  const named = { partial: "Partial pooling", no: "Every school’s own average", complete: "One average for all schools" };
  const one = ["partial", "no", "complete"].find((name) => show[name]);
  if (!one) return "The truth, which only a simulation knows";
  return `${named[one]} misses the truth by ${format(Math.sqrt(error[one]), 1)} points (root mean square)`;
}

/** The caption under the classic simulator's bars, with the right sign. */
export function caption({ error }) {
  return `In this draw the mean squared error of partial pooling is ${change(error.partial, error.no, 1)} without pooling.`;
}

/** What the data say of tau. */
export function tauTitle({ full }) {
  return `The data say: τ between ${format(full.tauLower, 1)} and ${format(full.tauUpper, 1)}, with 95% probability`;
}
