import * as claims from "../claims.js";
import { population } from "../picture.js";
import { pupils, world } from "../worlds.js";
import { MU, NAMES, SEED, SIZES } from "./example.js";

/** The schools that are drawn with their pupils. */
const DRAWN = [8, 1, 0, 11];
const MOST_PUPILS = 15;
const AXIS = [30, 110];

export const model = {
  title: "How the data came about",
  sides: ["names"],
  mount(stage) {
    stage.lead("<p>Schools come from a population of schools, pupils from their school: two spreads. (A <b>spread</b> is a standard deviation: about two thirds of values lie within one spread of the middle.) <span class=\"ask\">Change both.</span></p>");
    let tau = stage.number("between", 5, 1, 15);
    let sigma = stage.number("within", 10, 2, 20);
    const data = () => {
      const drawn = world({ n: SIZES, tau, sigma, mu: MU, seed: SEED });
      return {
        mu: MU, tau, sigma, least: 3, axis: AXIS, unit: "test score", table: true,
        schools: DRAWN.map((j) => ({ name: NAMES[j], theta: drawn.theta[j], pupils: pupils(drawn, j, MOST_PUPILS) })),
        title: `Schools lie about ${tau} from ${MU}, pupils about ${sigma} from their school`,
      };
    };
    const show = () => {
      picture.update(data());
      stage.notice(`<p><b>Notice</b>: τ (tau) says how different schools really are, σ (sigma) how noisy one pupil is. ${claims.twoSpreads({ tau, sigma })}</p>` +
        "<p>In two lines, with μ (mu) for the middle of the population:<br><span class=\"lines\">level of a school ~ Normal(μ, τ)<br>score of a pupil ~ Normal(level of its school, σ)</span></p>" +
        "<p>Pupils are <b>nested</b> in schools, the model has levels: it is called <b>hierarchical</b> or <b>multilevel</b>.</p>");
    };
    stage.controls.classList.add("two");
    stage.slider({ label: "Between schools, τ", min: 1, max: 15, value: tau,
      onInput(value) { tau = value; stage.keep({ between: value }); show(); } });
    stage.slider({ label: "Inside a school, σ", min: 2, max: 20, value: sigma,
      onInput(value) { sigma = value; stage.keep({ within: value }); show(); } });
    const picture = population(stage.host(), data());
    show();
  },
};
