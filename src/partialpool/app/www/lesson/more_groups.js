import * as claims from "../claims.js";
import { bars, curve } from "../picture.js";
import { expected, posterior, world } from "../worlds.js";
import { MU, SEED, SIGMA, TAU, seen } from "./example.js";

const PUPILS = 5;
/** Numbers of schools, worlds to average over, and worlds in one piece: about 30 ms. */
const CASES = { 4: { worlds: 2000, piece: 40 }, 12: { worlds: 1000, piece: 20 }, 50: { worlds: 400, piece: 8 } };
const COUNTS = Object.keys(CASES).map(Number);

export const moreGroups = {
  title: "More groups, better judgement",
  sides: ["posterior"],
  mount(stage) {
    stage.lead(`<p>What a school can learn from others is where they lie (μ) and how much they differ (τ). Here every school has ${PUPILS} pupils. <span class="ask">Choose how many schools.</span></p>`);
    let groups = stage.number("schools", 4, 1, 50);
    if (!COUNTS.includes(groups)) groups = 4;
    const settings = (count) => ({ n: Array(count).fill(PUPILS), tau: TAU, sigma: SIGMA, mu: MU, seed: SEED });
    const posts = Object.fromEntries(COUNTS.map((count) => [count, posterior(seen(world({ ...settings(count), squares: false })))]));
    const sums = {};
    const own = SIGMA ** 2 / PUPILS;
    const known = 1 / (PUPILS / SIGMA ** 2 + 1 / TAU ** 2);

    const line = () => {
      const post = posts[groups];
      const text = Number.isFinite(post.tauUpper) ? (post.tauUpper < 100 ? post.tauUpper.toFixed(0) : "over 100") : "∞";
      return {
        lines: [...COUNTS].sort((a, b) => (a === groups) - (b === groups)).map((count) => ({
          name: `${count} schools`, kind: "partial", faded: count !== groups, area: count === groups, label: `${count} schools`,
          points: Array.from({ length: 121 }, (_, i) => [i / 6, posts[count].tauDensityAt(i / 6)]),
        })),
        x: [0, 20], y: [0, 0.5], unit: "τ, spread between schools", height: 260,
        markers: [{ x: TAU, kind: "truth", name: "true" }], keys: [["curve", "how plausible each τ is, given the data"], ["truth", "true τ"]],
        title: `${groups} schools leave τ between ${post.tauLower.toFixed(1)} and ${text} (95%)`,
      };
    };
    const errors = () => ({
      bars: [
        { label: "own averages", value: own, kind: "own" },
        ...COUNTS.map((count) => ({ label: `pooled, ${count} schools`, kind: "partial", faded: count !== groups,
          value: sums[count]?.mse.posterior.mean ?? NaN, error: sums[count]?.mse.posterior.error })),
        { label: "if τ and μ were known", value: known, kind: "truth" },
      ],
      max: 24, unit: "mean squared error", tableName: "The errors as a table",
      title: sums[groups] ? `The error is ${Math.round(100 * (sums[groups].mse.posterior.mean / known - 1))}% above the least possible` : "Being counted …",
    });
    const show = () => {
      above.update(line());
      under.update(errors());
      if (!done(groups)) return;
      stage.notice(`<p>${claims.moreGroups({ groups, error: sums[groups].mse.posterior, known, own })}</p>` +
        "<p><b>Notice</b>: what is learned from others is μ and τ, and nothing else.</p>");
    };
    const done = (count) => sums[count]?.replicates >= CASES[count].worlds;
    stage.choice({ label: "Schools", value: groups, options: COUNTS.map((count) => [count, String(count)]),
      onChange(value) { groups = Number(value); stage.keep({ schools: groups }); show(); } });
    const above = curve(stage.host(), line());
    const under = bars(stage.host(), errors());
    show();
    stage.inPieces((i) => {
      const count = done(groups) ? COUNTS.find((other) => !done(other)) : groups;
      if (!count) return false;
      const from = sums[count]?.replicates ?? 0;
      sums[count] = expected({ ...settings(count), replicates: CASES[count].piece, from }, ["posterior"], sums[count]);
      if (i % 6 === 5 || done(count)) show();
      return true;
    });
  },
};
