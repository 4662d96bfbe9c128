import * as claims from "../claims.js";
import { curve, estimates } from "../picture.js";
import { completePooling, noPooling, posterior } from "../worlds.js";

/** Rubin (1981), doi:10.3102/10769986006004377: effects of coaching and their standard errors. */
const EFFECTS = [28, 8, -3, 7, -1, 1, 18, 12];
const ERRORS = [15, 10, 16, 11, 9, 11, 10, 18];
const NAMES = "ABCDEFGH".split("").map((letter) => `School ${letter}`);
/** Known standard errors are as many pupils as make them, with sigma 1. */
const DATA = { n: ERRORS.map((error) => 1 / error ** 2), mean: EFFECTS, sigma: 1, ss: null };

/** The slider's places: tau from infinity at the left (0) to zero at the right (100). */
const HALF = 8;
function tauAt(place) {
  if (place === 0) return Infinity;
  if (place === 100) return 0;
  return (HALF * (100 - place)) / place;
}

export const eightSchools = {
  title: "Eight schools",
  sides: ["who", "posterior"],
  mount(stage) {
    stage.lead("<p>Real data of 1981: coaching for a test was tried in eight schools. School A gained 28 points, with a standard error of 15. <span class=\"ask\">Drag τ from infinity (believe each school) to zero (all alike), then let the data choose.</span></p>");
    const all = posterior(DATA);
    const own = noPooling(DATA);
    const one = completePooling(DATA);
    const width = 1.96 / Math.sqrt(DATA.n.reduce((sum, precision) => sum + precision, 0));
    let place = stage.number("place", 0, 0, 100);
    let chosen = stage.word("choose", "no", ["yes", "no"]) === "yes";
    const result = () => {
      if (chosen) return { ...all, grand: all.muMean };
      const tau = tauAt(place);
      if (tau === Infinity) return { ...own, grand: one.mu };
      if (tau === 0) return { estimate: one.estimate, lower: one.estimate.map((mu) => mu - width), upper: one.estimate.map((mu) => mu + width), grand: one.mu };
      return all.atTau(tau);
    };
    const order = EFFECTS.map((_, j) => j).sort((a, b) => EFFECTS[b] - EFFECTS[a]);
    const data = () => {
      const { estimate, lower, upper, grand } = result();
      return {
        groups: order.map((j) => ({ name: NAMES[j], own: EFFECTS[j], partial: estimate[j], lower: lower[j], upper: upper[j] })),
        grand, axis: [-36, 66], unit: "effect of coaching, points", show: { no: true, partial: true }, words: { own: "effect found in the school", band: "estimate, 95% interval" },
        title: `School A: +28 found, ${estimate[0] >= 0 ? "+" : "−"}${Math.abs(estimate[0]).toFixed(0)} believed`,
      };
    };
    const tauLine = () => {
      const tau = tauAt(place);
      return {
        lines: [{ name: "posterior of τ", kind: "partial", area: chosen, points: Array.from({ length: 121 }, (_, i) => [i / 4, all.tauDensityAt(i / 4)]) }],
        x: [0, 30], y: [0, 0.15], unit: "τ, spread of the true effects", keys: [["curve", "how plausible each τ is, given the data"]], height: 200, tableName: "The curve of τ as a table",
        title: `Plausible τ: ${all.tauLower.toFixed(1)} to ${all.tauUpper.toFixed(0)} (95%)`,
        markers: chosen ? [] : [{ x: Math.min(tau, 30), kind: "partial", name: "now", label: tau > 30 ? `τ = ${tau === Infinity ? "∞" : Math.round(tau)} →` : `τ = ${tau.toFixed(1)}` }],
      };
    };
    const show = () => {
      if (chosen) control.say("averaged over all plausible τ");
      picture.update(data());
      below.update(tauLine());
      const { estimate, lower, upper } = result();
      stage.notice(`<p>${claims.bestResult({ own: EFFECTS[0], estimate: estimate[0], lower: lower[0], upper: upper[0], chosen, tau: tauAt(place) })}</p>` +
        (chosen ? `<p><b>Notice</b>: ${claims.whyModest({ own: EFFECTS[0], estimates: estimate, effects: EFFECTS })}</p>` : ""));
    };
    const words = (value) => {
      const tau = tauAt(value);
      return tau === Infinity ? "∞ (no pooling)" : tau === 0 ? "0 (complete pooling)" : tau.toFixed(tau < 10 ? 1 : 0);
    };
    stage.controls.classList.add("side");
    const control = stage.slider({ label: "τ, from infinity to zero", min: 0, max: 100, value: place, words,
      onInput(value) { place = value; chosen = false; stage.keep({ place, choose: null }); show(); } });
    stage.button("Let the data choose", () => { chosen = true; stage.keep({ choose: "yes" }); show(); });
    const picture = estimates(stage.host(), data());
    const below = curve(stage.host(), tauLine());
    show();
  },
};
