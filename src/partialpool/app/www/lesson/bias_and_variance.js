import * as claims from "../claims.js";
import { clouds, stacked } from "../picture.js";
import { completePooling, noPooling } from "../worlds.js";
import { posteriorOverWorlds } from "../worlds/over_worlds.js";
import { EXAMPLE, NAMES, SETTINGS, SIZES, seen, testedAgain } from "./example.js";

const DRAWS = 200;
const PIECE = 20;
/** Schools to choose from: small and large, near the average of all and far from it. */
const SCHOOLS = [10, 2, 3, 9];
const FIRST = 10;
const KINDS = [["own", "own average"], ["partial", "partial pooling"], ["grand", "average of all"]];

export const biasAndVariance = {
  title: "Why pulling helps",
  sides: ["error"],
  mount(stage) {
    stage.lead(`<p>Test the same schools ${DRAWS} times, each time with other pupils; every dot is one test. How far the middle of a cloud lies from the truth is its <b>bias</b>; its width, squared, is its <b>variance</b>. <span class="ask">Choose a school.</span></p>`);
    let school = stage.number("school", FIRST, 1, 12);
    if (!SCHOOLS.includes(school)) school = FIRST;
    const values = Object.fromEntries(KINDS.map(([kind]) => [kind, SIZES.map(() => [])]));
    const of = (kind) => values[kind][school - 1];
    const total = ({ bias2, variance }) => (bias2 + variance).toFixed(1);
    const parts = (kind) => {
      const list = of(kind);
      const mean = list.reduce((sum, value) => sum + value, 0) / list.length;
      return { bias2: (mean - EXAMPLE.theta[school - 1]) ** 2, variance: list.reduce((sum, value) => sum + (value - mean) ** 2, 0) / list.length };
    };
    let above = null;
    let under = null;
    const show = () => {
      const truth = EXAMPLE.theta[school - 1];
      const each = Object.fromEntries(KINDS.map(([kind]) => [kind, parts(kind)]));
      const wide = Math.sqrt(each.own.variance);
      const narrow = Math.sqrt(each.partial.variance);
      const picture = {
        rows: KINDS.map(([kind, label]) => ({ kind, label, values: of(kind) })), truth, truthName: "true level",
        axis: [50, 92], unit: `estimates of ${NAMES[school - 1]}’s level`,
        title: `${NAMES[school - 1]} (${SIZES[school - 1]} pupils): own averages spread by ${wide.toFixed(1)}, the pooled ones by ${narrow.toFixed(1)}`,
      };
      const sums = {
        bars: KINDS.map(([kind, label]) => ({ label, total: total(each[kind]), parts: [
          { name: "bias²", value: each[kind].bias2, kind: "bias" }, { name: "variance", value: each[kind].variance, kind: "noise" }] })),
        axis: [0, 46], unit: "mean squared error", digits: 1, tableName: "Bias and variance as a table",
        title: `Bias² + variance: ${total(each.own)} alone, ${total(each.partial)} pooled`,
        parts: [["bias", "bias²"], ["noise", "variance"]],
      };
      above ? above.update(picture) : (above = clouds(stage.host(), picture));
      under ? under.update(sums) : (under = stacked(stage.host(), sums));
      if (of("own").length < DRAWS) return;
      stage.notice(`<p><b>Notice</b>: ${claims.biasVariance({ name: NAMES[school - 1], ...each })}</p>`);
    };
    stage.choice({ label: "Which school", hidden: true, value: school, options: SCHOOLS.map((number) => [number, NAMES[number - 1]]),
      onChange(value) { school = Number(value); stage.keep({ school }); show(); } });
    const draw = (i) => {
      const data = Array.from({ length: PIECE }, (_, j) => seen(testedAgain(SETTINGS, i * PIECE + j)));
      const pooled = posteriorOverWorlds(data);
      data.forEach((one, r) => {
        const made = { own: noPooling(one), partial: pooled[r], grand: completePooling(one) };
        for (const [kind] of KINDS) made[kind].estimate.forEach((value, j) => values[kind][j].push(value));
      });
      show();
      return (i + 1) * PIECE < DRAWS;
    };
    draw(0);
    stage.inPieces((i) => draw(i + 1));
  },
};
