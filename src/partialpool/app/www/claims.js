// Sentences that claim something, each built from the numbers that it claims, with the wording for
// when it holds and for when it does not. Pure functions of numbers; no world, no page.

import { escape, format } from "./picture/base.js";

const n = (value, digits = 0) => `<span class="n">${format(value, digits)}</span>`;

const NUMBERS = ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
const counted = (count) => NUMBERS[count] ?? String(count);
const capital = (text) => text[0].toUpperCase() + text.slice(1);

/** A mean over worlds with its Monte Carlo error: "46% ± 1". */
export function percent({ mean, error }) {
  return `<span class="n">${format(100 * mean)}% ± ${format(100 * error, 100 * error < 0.95 ? 1 : 0)}</span>`;
}

export function withError({ mean, error }, digits = 1) {
  return `<span class="n">${format(mean, digits)} ± ${format(error, error < 0.5 * 10 ** -digits ? digits + 1 : digits)}</span>`;
}

/**
 * -1, 0 or 1: whether a is smaller than b, hardly different, or larger. Means over worlds count as
 * different from two standard errors of their difference on, taken as if independent: they are
 * of the same worlds, so that the true error is smaller.
 */
export function compare(a, b) {
  const [first, second] = [a, b].map((value) => (typeof value === "number" ? { mean: value, error: 0 } : value));
  const gap = first.mean - second.mean;
  const error = Math.hypot(first.error || 0, second.error || 0);
  return Math.abs(gap) <= 2 * error ? 0 : Math.sign(gap);
}

/** Step 1: the school that the reader took for the best. */
export function picked({ name, pupils, own, truth, better, bestName, bestPlace }) {
  const rank = better === 0 ? "It is truly the best."
    : `${capital(counted(better))} of the others ${better === 1 ? "is" : "are"} truly better; the best is ${escape(bestName)}` +
      (bestPlace === 1 ? ", at the top of the table." : `, only number ${bestPlace} of the table.`);
  return `${escape(name)} averaged ${n(own)} from ${n(pupils)} pupils. Its true level is ${n(truth)}. ${rank}`;
}

/** Step 1: the top of the table over many worlds. */
export function topOfTable({ worlds, isBest, excess, smallShare, smallSchools, schools, small }) {
  const side = compare(excess, 0);
  const high = side === 0 ? "its average is about right" :
    `its average is ${withError({ ...excess, mean: Math.abs(excess.mean) })} points too ${side > 0 ? "high" : "low"}`;
  const expectedShare = smallSchools / schools;
  const more = compare(smallShare, expectedShare);
  const sized = `In ${percent(smallShare)} of the worlds it is one of the ${counted(smallSchools)} schools with ${counted(small)} pupils or fewer` +
    (more > 0 ? `: more than their share of ${n(100 * expectedShare)}%.` : more < 0 ? `, less than their share of ${n(100 * expectedShare)}%.` : ", which is their share.");
  return `Over ${n(worlds)} such worlds the school at the top of the table is truly the best in ${percent(isBest)}, and ${high}. ${sized}`;
}

/** Step 2: the two easy answers in this world, and over worlds. */
export function twoAnswers({ no, complete, worlds, noMean, completeMean }) {
  const both = `Here the mean squared error is ${n(no, 1)} without pooling and ${n(complete, 1)} with complete pooling.`;
  const order = compare(noMean, completeMean);
  const says = order < 0 ? "believing every average is the lesser evil, but" : order > 0 ? "ignoring the schools is the lesser evil, but" : "neither is better:";
  return `${both} Over ${n(worlds)} such worlds (${withError(noMean)} and ${withError(completeMean)}) ${says} both miss: one by noise, the other by ignoring real differences.`;
}

/** Step 3: the error along the pull. */
export function pulled({ pull, error, best, bestError, atZero, atOne }) {
  const now = `Pulled by ${n(100 * pull)}%, the mean squared error is ${n(error, 1)}.`;
  if (best > 0.005 && best < 0.995) {
    return `${now} The lowest point, ${n(bestError, 1)} at ${n(100 * best)}%, lies at neither end (${n(atZero, 1)} and ${n(atOne, 1)}).`;
  }
  return `${now} In this world the lowest point, ${n(bestError, 1)}, lies at the ${best < 0.5 ? "left" : "right"} end.`;
}

/** Step 4: which of the two spreads is larger, and what that means. */
export function twoSpreads({ tau, sigma }) {
  const share = (tau * tau) / (tau * tau + sigma * sigma);
  const says = tau < sigma ? "most of the differences between pupils lie inside schools"
    : tau > sigma ? "most of the differences between pupils lie between schools" : "half lies between schools, half inside them";
  return `With these spreads, ${n(100 * share)}% of the variance among pupils (spread squared) lies between schools: ${says}.`;
}

/** Step 5: which of two schools with the same average goes farther. */
export function seesaws({ first, second, own, grand }) {
  const move = (school) => `${escape(school.name)} keeps ${n(100 * school.weight)}% of its distance and goes from ${n(own)} to ${n(own + (1 - school.weight) * (grand - own), 1)}`;
  const order = Math.sign(first.weight - second.weight);
  const end = order === 0 ? "as many pupils, as much pull" : `the smaller school goes farther, by no decree but by what it knows`;
  return `${move(first)}; ${move(second)}: ${end}.`;
}

/** Step 6: spread of the averages, less noise. */
export function subtraction({ observed, noise, left, pupils }) {
  const says = left > 0 ? `leaves ${n(left, 1)} for real differences, a τ of ${n(Math.sqrt(left), 1)}`
    : `leaves ${n(left, 1)}: less than nothing, and no τ has a negative square`;
  return `The averages have a variance of ${n(observed, 1)}. Noise alone explains ${n(noise, 1)} (${n(pupils)} pupils a school). Subtracting ${says}.`;
}

/** Step 6: how often the subtraction fails. */
export function belowZero({ share, worlds }) {
  return compare(share, 0) > 0
    ? `In ${percent(share)} of ${n(worlds)} such worlds the subtraction comes out below zero.`
    : `In none of ${n(worlds)} such worlds, or hardly any, does the subtraction come out below zero.`;
}

/** Step 6: what the data say of tau. */
export function tauKnown({ lower, upper, median, truth }) {
  const holds = lower <= truth && truth <= upper;
  return `The data say: τ is probably about ${n(median, 1)}, and with 95% probability between ${n(lower, 1)} and ${n(upper, 1)}; ` +
    `the truth, ${n(truth, truth % 1 ? 1 : 0)}, is ${holds ? "among these values" : "not among these values this time"}.`;
}

/** Step 7: which intervals keep their word. */
export function coverage({ plug, full, worlds, tau }) {
  const word = (share) => {
    const side = compare(share, 0.95);
    return side < 0 ? "fewer than they claim" : side > 0 ? "more than they claim" : "as they claim";
  };
  return `Over ${n(worlds)} worlds with τ = ${n(tau, tau % 1 ? 1 : 0)}, intervals that plug in one τ hold the truth in ${percent(plug)}, ${word(plug)}; ` +
    `those that average over all plausible τ in ${percent(full)}, ${word(full)}.`;
}

/** Step 8: bias and variance of one school's estimates. */
export function biasVariance({ name, own, partial, grand }) {
  const total = (part) => part.bias2 + part.variance;
  const best = Math.min(total(own), total(partial), total(grand));
  const middle = `For ${escape(name)} the pooled estimate has ${n(partial.bias2, 1)} of squared bias and ${n(partial.variance, 1)} of variance, its own average ${n(own.bias2, 1)} and ${n(own.variance, 1)}.`;
  if (best === total(partial)) return `${middle} A little bias buys a lot of variance: the sum is the smallest of the three.`;
  if (best === total(own)) return `${middle} Here the bias costs more than the variance saved: this school's own average is better.`;
  return `${middle} Here the average of all is better still: this school happens to be near it.`;
}

/** Step 9: the error with few and many groups, against knowing tau and mu. */
export function moreGroups({ groups, error, known, own }) {
  const extra = (error.mean - known) / known;
  const less = compare(error, own);
  const beats = less < 0 ? `below the ${n(own, 1)} of own averages` : less > 0 ? `above the ${n(own, 1)} of own averages` : `about the ${n(own, 1)} of own averages`;
  return `With ${n(groups)} schools the mean squared error is ${withError(error)}, ${beats}, and ${n(100 * extra)}% above what would be reached if τ and μ were known.`;
}

/** Step 10: the school that the reader took for the loser. */
export function loser({ name, own, partial, truth, losers, worst, schools }) {
  const miss = (value) => Math.abs(value - truth);
  const change = miss(partial) - miss(own);
  const mine = change > 0.05 ? `loses: its own average misses by ${n(miss(own), 1)}, the pooled estimate by ${n(miss(partial), 1)}`
    : change < -0.05 ? `gains: its own average misses by ${n(miss(own), 1)}, the pooled estimate only by ${n(miss(partial), 1)}`
    : "neither loses nor gains";
  const most = losers === 0 ? "No school loses in this draw." : worst === name ? `No school loses more. In all, ${n(losers)} of ${n(schools)} lose in this draw.`
    : `${n(losers)} of ${n(schools)} lose in this draw, ${escape(worst)} most.`;
  return `${escape(name)} ${mine}. ${most}`;
}

/** Step 10: all schools and the odd one, over worlds. */
export function whoLoses({ worlds, no, partial, beats, single, oddName, oddOwn, oddPartial }) {
  const all = compare(partial, no);
  const total = `Over ${n(worlds)} such worlds pooling ${all < 0 ? "lowers" : all > 0 ? "raises" : "hardly changes"} the mean squared error (${withError(no)} own, ${withError(partial)} pooled): better in ${percent(beats)} of them, and for ${percent(single)} of single schools`;
  if (!oddName) return `${total}.`;
  const odd = compare(oddPartial, oddOwn);
  return `${total}; for ${escape(oddName)} it ${odd > 0 ? "raises" : odd < 0 ? "lowers" : "hardly changes"} it (${withError(oddOwn)} own, ${withError(oddPartial)} pooled).`;
}

/** Step 10: the sentence to take along. */
export function onTheWhole({ no, partial, single }) {
  const total = compare(partial, no);
  if (total >= 0) return "here pooling does not even help on the whole.";
  return compare(single, 0.5) > 0 ? "better in total and for most, not for everyone." : "better in total, yet not for most.";
}

/** Step 13: how far small and large groups are pulled. */
export function borrowed({ small, large, equal }) {
  const average = (small + large) / 2;
  if (equal && average < 0.1) return `here the groups differ by so much more than noise that they are hardly pulled (${n(100 * average)}%): the data decide.`;
  if (equal) return `every group borrows strength from the others; here all have the same number of rows and are pulled by ${n(100 * average)}%.`;
  const says = small > large + 0.005 ? "small ones most" : small < large - 0.005 ? "here the large ones most" : "all about alike";
  return `every group borrows strength from the others, ${says}: the smaller half is pulled by ${n(100 * small)}% on average, the larger by ${n(100 * large)}%.`;
}

/** Step 13: estimates against what became known later. */
export function judged({ own, partial, judge }) {
  const gain = 1 - partial / own;
  const size = n(100 * Math.abs(gain));
  return gain > 0 ? `Judged by ${judge}, partial pooling has ${size}% less mean squared error than the groups’ own values.`
    : `Judged by ${judge}, partial pooling has ${size}% more mean squared error than the groups’ own values.`;
}

/** Step 11: Stein's estimate against own means. */
export function stein({ means, fixed, own, shrunk, worlds }) {
  const toward = fixed ? "a fixed point" : "their own mean";
  if (!shrunk) return `With ${n(means)} ${means === 1 ? "mean" : "means"}, pulling toward ${toward} has no such rule: it needs ${fixed ? "three" : "four"}.`;
  const side = compare(shrunk, own);
  const says = side < 0 ? "less than" : side > 0 ? "more than" : "hardly different from";
  return `with ${n(means)} means the total squared error is ${withError(shrunk, 2)} when pulled toward ${toward}, ${says} the ${n(own.mean, 2)} of own means (${n(worlds)} worlds).`;
}

/** Step 12: the best coaching result, at a tau or averaged over tau. */
export function bestResult({ own, estimate, lower, upper, chosen, tau }) {
  const start = chosen ? "Averaged over all τ that the data allow" : tau === Infinity ? "With τ = ∞ (no pooling)" : tau === 0 ? "With τ = 0 (complete pooling)" : `With τ = ${n(tau, tau < 10 ? 1 : 0)}`;
  const zero = lower <= 0 ? "no effect at all is not ruled out" : "some effect is likely";
  return `${start}, School A’s +${n(own)} becomes <b>${n(estimate, 1)}</b>, with 95% probability between ${n(lower)} and ${n(upper)}: ${zero}.`;
}

/** Step 12: how much of the best result is put down to noise, and how alike the estimates are. */
export function whyModest({ own, estimates, effects }) {
  const range = (values) => Math.max(...values) - Math.min(...values);
  const noise = own - estimates[0];
  const much = noise > own / 2 ? "most of it" : "some of it";
  const alike = range(estimates) < range(effects) / 2 ? "modest and much alike" : "still quite different";
  return `the interval says why. Of +${n(own)}, ${n(noise)} points are put down to noise, ${much}; the effects believed, from ${n(Math.min(...estimates))} to ${n(Math.max(...estimates))}, are ${alike}. No single τ had to be believed.`;
}
