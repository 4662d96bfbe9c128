import * as claims from "../claims.js";
import { estimates } from "../picture.js";
import { expected, world } from "../worlds.js";
import { AXIS, EXAMPLE, NAMES, SETTINGS, SIZES, rows } from "./example.js";

const WORLDS = 2000;
const PIECE = 100;
/** A small school has at most this many pupils. */
const SMALL = 5;

export const bestSchool = {
  title: "Which school is best?",
  sides: ["names", "error"],
  mount(stage) {
    stage.lead("<p>Twelve schools sat the same test. Each ring is the average of the pupils tested: the larger the ring, the more pupils.</p>" +
      "<p class=\"ask\">Tap the school that you think is the best.</p>");
    const groups = rows(EXAMPLE);
    let averages = null;
    let pick = stage.word("pick", null, NAMES.map((_, j) => String(j + 1)));

    const data = () => ({
      groups, axis: AXIS, unit: "test score", rowsName: "pupils", digits: 0,
      show: { no: true, partial: false, arrows: false, truth: pick !== null },
      misses: pick === null ? null : "no", words: { truth: "true level" },
      picked: pick === null ? null : NAMES[pick - 1], title: title(groups, pick), onPick: choose,
    });
    const choose = (name) => {
      pick = String(NAMES.indexOf(name) + 1);
      stage.keep({ pick });
      show();
    };
    const show = () => {
      picture.update(data());
      if (pick === null) return;
      stage.lead(`<p>${claims.picked(facts(groups, Number(pick) - 1))} (This world is simulated, so the truth is known: the crosses.)</p>`);
      stage.notice((averages ? `<p>${claims.topOfTable(averages)}</p>` : "") +
        "<p><b>Notice</b>: the top of a league table is mostly the lucky and the small.</p>");
    };
    const picture = estimates(stage.host(), data());
    overWorlds(stage, (result) => {
      averages = result;
      if (pick !== null) show();
    });
    if (pick !== null) show();
  },
};

function title(groups, pick) {
  if (pick === null) return `${groups[0].name} is at the top, ${groups.at(-1).name} at the bottom`;
  const { name, own, truth } = groups.find((group) => group.index === pick - 1);
  const gap = Math.round(own) - Math.round(truth);
  if (gap === 0) return `${name}’s average is about right`;
  return `${name}’s average is ${Math.abs(gap)} ${Math.abs(gap) === 1 ? "point" : "points"} too ${gap > 0 ? "high" : "low"}`;
}

function facts(groups, index) {
  const mine = groups.find((group) => group.index === index);
  const best = groups.reduce((a, b) => (b.truth > a.truth ? b : a));
  return {
    name: mine.name, pupils: mine.n, own: mine.own, truth: mine.truth,
    better: groups.filter((group) => group.truth > mine.truth).length,
    bestName: best.name, bestPlace: groups.indexOf(best) + 1,
  };
}

function overWorlds(stage, ready) {
  let sums = null;
  let small = 0;
  stage.inPieces((i) => {
    sums = expected({ ...SETTINGS, replicates: PIECE, from: i * PIECE }, [], sums);
    for (let replicate = i * PIECE; replicate < (i + 1) * PIECE; replicate++) {
      const { mean } = world({ ...SETTINGS, replicate, squares: false });
      if (SIZES[mean.indexOf(Math.max(...mean))] <= SMALL) small += 1;
    }
    if (sums.replicates < WORLDS) return true;
    const share = small / WORLDS;
    ready({
      worlds: WORLDS, isBest: sums.topIsBest, excess: sums.topExcess, small: SMALL, schools: SIZES.length,
      smallShare: { mean: share, error: Math.sqrt((share * (1 - share)) / WORLDS) },
      smallSchools: SIZES.filter((size) => size <= SMALL).length,
    });
    return false;
  });
}
