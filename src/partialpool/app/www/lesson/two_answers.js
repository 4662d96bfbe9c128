import * as claims from "../claims.js";
import { estimates, format, stacked } from "../picture.js";
import { completePooling, expected, noPooling } from "../worlds.js";
import { AXIS, EXAMPLE, SETTINGS, rows, seen, squaredError } from "./example.js";

const WORLDS = 2000;
const PIECE = 200;

export const twoAnswers = {
  title: "Two easy answers",
  sides: ["error"],
  mount(stage) {
    stage.lead("<p>Believe every average: <span class=\"own-word\">no pooling</span>. Or believe that schools do not differ: <span class=\"grand-word\">complete pooling</span>. " +
      "Green lines are the misses; the bar is the mean of their squares, the <b>mean squared error</b>. <span class=\"ask\">Switch between the two.</span></p>");
    const no = noPooling(seen(EXAMPLE)).estimate;
    const { mu, estimate } = completePooling(seen(EXAMPLE));
    const errors = { no: squaredError(no, EXAMPLE.theta), complete: squaredError(estimate, EXAMPLE.theta) };
    const groups = rows(EXAMPLE);
    const looked = new Set();
    let pooling = stage.word("pooling", "no", ["no", "complete"]);
    let averages = null;

    const data = () => ({
      groups, grand: mu, axis: AXIS, unit: "test score", rowsName: "pupils",
      show: { no: pooling === "no", complete: pooling === "complete", partial: false, truth: true },
      misses: pooling, words: { own: "own average", complete: "the average of all (grand mean), for every school", truth: "true level" },
      title: pooling === "no" ? ownTitle(groups) : oneTitle(groups, mu),
    });
    const most = 5 * Math.ceil(1.15 * Math.max(errors.no, errors.complete) / 5);
    const bars = () => ({
      bars: [bar("no pooling", "no", "own"), bar("complete pooling", "complete", "grand")],
      axis: [0, most], unit: "mean squared error", digits: 1, title: "Each slice is one school’s squared miss", table: false,
    });
    const bar = (label, key, kind) => ({
      label, total: looked.has(key) ? format(errors[key], 1) : "?",
      parts: looked.has(key) ? groups.map((group) => ({
        name: group.name, kind, plain: true, value: (group.truth - (key === "no" ? group.own : mu)) ** 2 / groups.length,
      })) : [],
    });
    const show = () => {
      looked.add(pooling);
      picture.update(data());
      below.update(bars());
      const both = looked.size === 2;
      stage.notice(both && averages
        ? `<p>${claims.twoAnswers({ ...errors, ...averages })}</p>`
        : `<p>The mean squared error is <span class="n">${format(errors[pooling], 1)}</span>. Now switch to the other answer.</p>`);
    };
    stage.choice({ label: "Which answer", hidden: true, value: pooling, options: [["no", "No pooling"], ["complete", "Complete pooling"]],
      onChange(value) { pooling = value; stage.keep({ pooling }); show(); } });
    const picture = estimates(stage.host(), data());
    const below = stacked(stage.host(), bars());
    show();
    let sums = null;
    stage.inPieces((i) => {
      sums = expected({ ...SETTINGS, replicates: PIECE, from: i * PIECE }, [], sums);
      if (sums.replicates < WORLDS) return true;
      averages = { worlds: WORLDS, noMean: sums.mse.no_pooling, completeMean: sums.mse.complete_pooling };
      if (looked.size === 2) show();
      return false;
    });
  },
};

/** A small school has at most this many pupils. */
const SMALL = 5;

function ownTitle(groups) {
  const miss = (some) => some.reduce((sum, { own, truth }) => sum + Math.abs(own - truth), 0) / some.length;
  const [small, large] = [groups.filter(({ n }) => n <= SMALL), groups.filter(({ n }) => n > SMALL)].map(miss);
  return `Averages of ${SMALL} pupils or fewer miss by ${format(small, 1)}, others by ${format(large, 1)}`;
}

function oneTitle(groups, mu) {
  const miss = ({ truth }) => Math.abs(truth - mu);
  const most = groups.reduce((a, b) => (miss(b) > miss(a) ? b : a));
  const least = groups.reduce((a, b) => (miss(b) < miss(a) ? b : a));
  return `One number misses ${most.name} by ${format(miss(most), 1)}, ${least.name} by ${format(miss(least), 1)}`;
}
