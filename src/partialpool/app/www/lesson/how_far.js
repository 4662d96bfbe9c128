import * as claims from "../claims.js";
import { format, seesaw } from "../picture.js";
import { MU, SIGMA, TAU } from "./example.js";

/** The average of both schools. */
const OWN = 85;

export const howFar = {
  title: "How far to pull?",
  sides: ["weight"],
  mount(stage) {
    const worth = (SIGMA / TAU) ** 2;
    stage.lead(`<p>Two schools, both with an average of ${OWN}. A school’s pupils are its weight; what the population knows is worth <b>${format(worth)} pupils</b> here. Hang both on a beam: it balances at the best estimate. <span class="ask">Change the numbers of pupils.</span></p>`);
    let first = stage.number("first", 3, 1, 50);
    let second = stage.number("second", 30, 1, 50);
    // In pupils' worth: n / sigma^2 and 1 / tau^2, both times sigma^2.
    const beam = (name, pupils) => {
      const weight = pupils / (pupils + worth);
      return { name, pupils, weight, own: OWN, grand: MU, school: pupils, population: worth, estimate: MU + weight * (OWN - MU) };
    };
    const both = () => [beam("School A", first), beam("School B", second)];
    const data = () => {
      const [a, b] = both();
      return { beams: [a, b], axis: [68, 88], most: 50, unit: "test score (weights: in pupils’ worth)",
        title: a.pupils === b.pupils ? "Equal schools are pulled alike" : `School ${a.weight < b.weight ? "A" : "B"} has fewer pupils and is pulled farther` };
    };
    const show = () => {
      const [a, b] = both();
      picture.update(data());
      stage.notice(`<p><b>Notice</b>: ${claims.seesaws({ first: a, second: b, own: OWN, grand: MU })}</p>` +
        "<p class=\"formula\">weight on the own average = <span class=\"fraction\"><span>n/σ²</span><span>n/σ² + 1/τ²</span></span></p>" +
        `<p>In words: what the school knows, n pupils of noise σ, as a share of all that is known. 1/τ² is worth σ²/τ² = ${format(worth)} pupils.</p>`);
    };
    stage.controls.classList.add("two");
    const words = (value) => `${value} ${value === 1 ? "pupil" : "pupils"}`;
    stage.slider({ label: "School A", min: 1, max: 50, value: first, words,
      onInput(value) { first = value; stage.keep({ first }); show(); } });
    stage.slider({ label: "School B", min: 1, max: 50, value: second, words,
      onInput(value) { second = value; stage.keep({ second }); show(); } });
    const picture = seesaw(stage.host(), data());
    show();
  },
};
