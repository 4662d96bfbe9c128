import * as claims from "../claims.js";
import { bars, estimates } from "../picture.js";
import { expected, posterior, reml, world } from "../worlds.js";
import { MU, SEED, SIGMA, SIZES, rows, seen } from "./example.js";

const WORLDS = 1000;
const PIECE = 10;

export const howSure = {
  title: "Say how sure you are",
  sides: ["posterior", "names"],
  mount(stage) {
    stage.lead("<p>The quick way to an interval puts in one τ, the likeliest, as if it were known: <b>black lines</b>. The full way averages over all plausible τ: <b class=\"partial-word\">blue bands</b>. Both claim 95%. <span class=\"ask\">Count how often they hold the truth.</span></p>");
    let tau = stage.number("tau", 2, 0.5, 6);
    let test = stage.number("test", 0, 0, 9999);
    let counter = null;
    let counted = null;
    const settings = () => ({ n: SIZES, tau, sigma: SIGMA, mu: MU, seed: SEED });
    const compute = () => {
      const drawn = world({ ...settings(), replicate: test, squares: false });
      return { drawn, plug: reml(seen(drawn)), full: posterior(seen(drawn)) };
    };
    let now = compute();
    const missed = ({ lower, upper }) => now.drawn.theta.filter((truth, j) => truth < lower[j] || upper[j] < truth).length;

    const data = () => ({
      groups: rows(now.drawn, now.full).map((group) => ({ ...group,
        plugLower: now.plug.lower[group.index], plugUpper: now.plug.upper[group.index] })),
      grand: now.full.muMean, axis: [52, 92], unit: "test score", rowsName: "pupils",
      show: { no: false, partial: true, truth: true }, words: { truth: "true level", band: "over all plausible τ", plug: "one τ plugged in" },
      title: `Here one τ plugged in misses ${missed(now.plug)} of 12 truths, all plausible τ ${missed(now.full)}`,
    });
    const count = () => ({
      bars: [
        { label: "one τ plugged in", kind: "grand", ...share("reml") },
        { label: "all plausible τ", kind: "partial", ...share("posterior") },
      ],
      max: 100, unit: "intervals that hold the truth, %", goal: 95, inside: true, table: false,
      title: counted ? `${counted.replicates.toLocaleString("en")} worlds counted, 95% promised` : "Not yet counted",
    });
    const share = (name) => {
      if (!counted) return { value: 0, text: "?" };
      const { mean, error } = counted.coverage[name];
      return { value: 100 * mean, error: 100 * error, text: `${(100 * mean).toFixed(1)}%` };
    };
    const show = () => {
      picture.update(data());
      below.update(count());
      const enough = counted && counted.replicates >= 100;
      stage.notice(enough ? `<p><b>Notice</b>: ${claims.coverage({ plug: counted.coverage.reml, full: counted.coverage.posterior, worlds: counted.replicates, tau })}</p>` +
        "<p>In the words of others: a random effects model gives one point for each group, the BLUP; a Bayesian model gives a whole distribution.</p>" : "",
      { say: counted?.replicates === WORLDS });
    };
    const run = () => {
      counter?.stop();
      counted = null;
      const at = settings();
      counter = stage.inPieces((i) => {
        counted = expected({ ...at, replicates: PIECE, from: i * PIECE }, ["reml", "posterior"], counted);
        if (i % 5 === 4) show();
        return counted.replicates < WORLDS;
      });
    };
    const words = (value) => String(value);
    stage.controls.classList.add("side");
    stage.slider({ label: "Spread between schools, τ", min: 0.5, max: 6, step: 0.5, value: tau, words,
      onInput(value) { tau = value; counter?.stop(); counted = null; stage.keep({ tau }); now = compute(); show(); } });
    const row = document.createElement("div");
    row.className = "row";
    stage.add(row);
    row.append(
      stage.button("Count 1,000 worlds", run).element,
      stage.button("Another world", () => { test += 1; stage.keep({ test }); now = compute(); show(); }).element,
    );
    const picture = estimates(stage.host(), data());
    const below = bars(stage.host(), count());
    show();
  },
};
