import * as claims from "../claims.js";
import { curve } from "../picture.js";
import { jamesStein } from "../worlds.js";
import { SEED, squaredError, testedAgain } from "./example.js";
import { meanWithError } from "./when_it_hurts.js";

const COUNTS = [1, 2, 3, 4, 10];
const WORLDS = 2000;
const PIECE = 250;
const SPREADS = [0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5];
const GUESSES = [["2", "2"], ["3", "3"], ["10", "10"], ["never", "It cannot be done"]];

export const stein = {
  title: "Stein’s surprise",
  sides: ["who", "stein"],
  mount(stage) {
    let guess = stage.word("guess", null, GUESSES.map(([key]) => key));
    let means = stage.number("means", 3, 1, 10);
    if (!COUNTS.includes(means)) means = 3;
    let toward = stage.word("toward", "point", ["point", "mean"]);
    let picture = null;
    if (guess === null) ask();
    else answer();

    function ask() {
      stage.lead("<p>Now anything at all: a school’s score, the price of tea, the weight of a planet, each measured once with noise of the same size. Is there an estimate with less total squared error than the measurements themselves, <b>whatever the truths are</b>?</p><p class=\"ask\">How many unrelated means does it take?</p>");
      const question = stage.choice({ label: "How many means", hidden: true, value: null, options: GUESSES,
        onChange(value) { guess = value; stage.keep({ guess }); question.element.remove(); answer(); } });
      picture = curve(stage.host(), { ...data([]), title: "Can a curve stay below this line, wherever the truths lie?" });
    }

    function answer() {
      stage.lead(`<p>You said: ${guess === "never" ? "it cannot be done" : guess}. The answer is <b>three</b>, if all are pulled toward any fixed point, and <b>four</b>, if toward their own mean. Charles Stein found it in 1956, and met with disbelief. <span class="ask">Change the number of means</span>: does the curve stay below the line, whatever the truths?</p>`);
      stage.choice({ label: "Means", value: means, options: COUNTS.map((count) => [count, String(count)]),
        onChange(value) { means = Number(value); stage.keep({ means }); run(); } });
      stage.choice({ label: "Pull toward", value: toward, options: [["point", "a fixed point"], ["mean", "their own mean"]],
        onChange(value) { toward = value; stage.keep({ toward }); run(); } });
      picture ??= curve(stage.host(), data([]));
      let task = null;
      run();

      function run() {
        task?.stop();
        const lists = SPREADS.map(() => ({ own: [], shrunk: [] }));
        const possible = means > (toward === "point" ? 2 : 3);
        const result = () => SPREADS.map((spread, k) => [spread, meanWithError(lists[k].own), meanWithError(lists[k].shrunk),
          meanWithError(lists[k].shrunk.map((value, r) => value - lists[k].own[r]))]);
        if (!possible) {
          picture.update(data([]));
          stage.notice(`<p>${claims.stein({ means, fixed: toward === "point", own: null, shrunk: null, worlds: 0 })} For so few, own means cannot be beaten everywhere.</p>`);
          return;
        }
        task = stage.inPieces((i) => {
          SPREADS.forEach((spread, k) => {
            const settings = { n: Array(means).fill(1), tau: spread, sigma: 1, mu: 0, seed: SEED };
            for (let replicate = i * PIECE; replicate < (i + 1) * PIECE; replicate++) {
              const { n, mean, theta } = testedAgain(settings, replicate + 1);
              const { estimate } = jamesStein({ n, mean, sigma: 1, centre: toward === "point" ? 0 : null });
              lists[k].own.push(means * squaredError(mean, theta));
              lists[k].shrunk.push(means * squaredError(estimate, theta));
            }
          });
          const results = result();
          picture.update(data(results));
          if ((i + 1) * PIECE < WORLDS) return true;
          // The truths that lie as far apart as their noise: neither the best case nor the worst.
          const [, own, shrunk] = results[SPREADS.indexOf(1)];
          stage.notice(`<p>Where truths spread as much as noise: ${claims.stein({ means, fixed: toward === "point", own, shrunk, worlds: WORLDS })}</p>` +
            "<p><b>Notice</b>: own means are <i>inadmissible</i>. The hierarchical model uses the same fact; it learns from the data how far to pull. Better in total, not for each.</p>");
          return false;
        });
      }
    }

    function data(results) {
      const lines = [{ name: "own means", kind: "own", points: SPREADS.map((spread) => [spread, means]), label: "own means", labelAt: [4.2, means] }];
      if (results.length) {
        lines.push({ name: "James and Stein", kind: "partial", points: results.map(([spread, , { mean }]) => [spread, mean]),
          label: "James and Stein’s estimate", labelAt: [results[6][0], results[6][2].mean], labelBelow: true });
      }
      const gain = results.length ? 1 - Math.min(...results.map(([, , { mean }]) => mean)) / means : null;
      const nowhere = results.every(([, , , gap]) => gap.mean <= 2 * gap.error);
      return {
        lines, x: [0, 5], y: [0, 1.25 * means], unit: "spread of the truths, in units of the noise", yName: "total squared error", yTicks: true, height: 320,
        title: gain === null ? `${means === 1 ? "One mean" : `${means} means`}: no estimate is better everywhere`
          : `${means} means: up to ${Math.round(100 * gain)}% less error${nowhere ? ", and nowhere more" : ""}`,
      };
    }
  },
};
