import * as claims from "../claims.js";
import { curve, stacked } from "../picture.js";
import { moments, posterior, world } from "../worlds.js";
import { MU, SEED, SIGMA, SIZES, TAU, seen, testedAgain } from "./example.js";

const WORLDS = 1000;
const PIECE = 200;

export const whichTau = {
  title: "But nobody tells us τ",
  sides: ["posterior"],
  mount(stage) {
    stage.lead("<p>Only the averages are seen, and their variance (spread squared) is two in one: real differences and noise, <b>τ² + σ²/n</b>. Take away what noise explains; real differences are left. <span class=\"ask\">Test fewer pupils, or others.</span></p>");
    let pupils = stage.number("pupils", 4, 2, 50);
    let test = stage.number("test", 0, 0, 9999);
    let below = null;
    let count = null;
    const settings = () => ({ n: SIZES.map(() => pupils), tau: TAU, sigma: SIGMA, mu: MU, seed: SEED });
    const compute = () => {
      const data = seen(testedAgain(settings(), test));
      const noise = SIGMA ** 2 / pupils;
      const left = moments(data).excess;
      return { observed: left + noise, noise, left, post: posterior(data) };
    };
    let now = compute();

    const bars = () => ({
      bars: [
        { label: "variance of the averages", parts: [{ name: "variance", value: now.observed, kind: "own" }] },
        { label: "explained by noise, σ²/n", start: now.left, parts: [{ name: "variance", value: now.noise, kind: "noise" }] },
        { label: "left for real differences", parts: [{ name: "variance", value: now.left, kind: now.left < 0 ? "bias" : "truth" }] },
      ],
      axis: [-20, 100], unit: "variance (spread squared)",
      title: now.left < 0 ? "Noise explains more than there is" : `Noise explains ${Math.round(100 * now.noise / now.observed)}% of how the averages vary`,
    });
    const line = () => ({
      lines: [{ name: "posterior of τ", kind: "partial", points: now.post.tauGrid.map((tau, i) => [tau, now.post.tauDensity[i]]),
        shade: [now.post.tauLower, now.post.tauUpper] }],
      x: [0, 20], y: [0, 0.42], unit: "τ, spread between schools", height: 200,
      title: `The data leave τ between ${now.post.tauLower.toFixed(1)} and ${now.post.tauUpper.toFixed(1)} (95%)`,
      keys: [["curve", "how plausible each τ is, given the data"], ["truth", "true τ"]], tableName: "The curve of τ as a table",
      markers: [{ x: TAU, kind: "truth", rule: true, name: "true" }],
    });
    const show = () => {
      above.update(bars());
      under.update(line());
      const { post } = now;
      stage.notice(`<p>${claims.subtraction({ ...now, pupils })}` + (below ? ` ${claims.belowZero(below)}` : "") + "</p>" +
        `<p><b>Notice</b>: one number for τ says too much. ${claims.tauKnown({ lower: post.tauLower, upper: post.tauUpper, median: post.tauMedian, truth: TAU })}</p>`);
    };
    const again = () => {
      now = compute();
      show();
    };
    const often = () => {
      count?.stop();
      below = null;
      let negative = 0;
      const at = settings();
      count = stage.inPieces((i) => {
        for (let replicate = i * PIECE; replicate < (i + 1) * PIECE; replicate++) {
          if (moments(seen(world({ ...at, replicate, squares: false }))).excess < 0) negative += 1;
        }
        if ((i + 1) * PIECE < WORLDS) return true;
        const share = negative / WORLDS;
        below = { share: { mean: share, error: Math.sqrt((share * (1 - share)) / WORLDS) }, worlds: WORLDS };
        show();
        return false;
      });
    };
    stage.controls.classList.add("side");
    stage.slider({ label: "Pupils tested in each school", min: 2, max: 50, value: pupils,
      onInput(value) { pupils = value; stage.keep({ pupils }); again(); often(); } });
    stage.button("Test other pupils", () => { test += 1; stage.keep({ test }); again(); });
    const above = stacked(stage.host(), bars());
    const under = curve(stage.host(), line());
    show();
    often();
  },
};
