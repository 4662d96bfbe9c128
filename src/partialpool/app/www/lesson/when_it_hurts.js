import * as claims from "../claims.js";
import { estimates } from "../picture.js";
import { completePooling, posterior, world } from "../worlds.js";
import { posteriorOverWorlds } from "../worlds/over_worlds.js";
import { MU, NAMES, SEED, SIGMA, SIZES, rows, seen, squaredError, testedAgain } from "./example.js";

const WORLDS = 600;
const PIECE = 20;
/** `test` numbers the drawn pupils: of three schools, a draw in which pooling loses; how often it does is counted. */
const CASES = {
  outstanding: { words: "One outstanding school", population: "outlier", schools: 12, tau: 4, odd: 0, test: 0,
    says: "One school is truly far above all others.",
    remedy: "What to do: a population with heavier tails lets a lone school stand; better still, a predictor that says why it is different." },
  few: { words: "Three schools", population: "normal", schools: 3, tau: 5, odd: null, test: 10,
    says: "Only three schools were tested.",
    remedy: "What to do: look at the interval of τ, which is wide; take an informative prior for τ, or more schools." },
  kinds: { words: "Two kinds", population: "two_clusters", schools: 12, tau: 5, odd: null, test: 0,
    says: "There are two kinds of schools, and all are pulled to a middle where no school is.",
    remedy: "What to do: put the kind of school into the model as a predictor; each is then pulled toward its own kind." },
};

export const whenItHurts = {
  title: "When it hurts",
  sides: ["names"],
  mount(stage) {
    let name = stage.word("case", "outstanding", Object.keys(CASES));
    let pick = stage.parameters.pick ?? null;
    const averages = {};
    let current = null;
    const setUp = () => {
      const { population, schools, tau, test } = CASES[name];
      const settings = { n: SIZES.slice(0, schools), tau, sigma: SIGMA, mu: MU, seed: SEED, population };
      const drawn = testedAgain(settings, test);
      const post = posterior(seen(drawn));
      const gain = drawn.theta.map((truth, j) => Math.abs(post.estimate[j] - truth) - Math.abs(drawn.mean[j] - truth));
      current = { settings, drawn, post, gain };
      if (!NAMES.slice(0, schools).some((_, j) => String(j + 1) === pick)) pick = null;
    };
    setUp();

    const data = () => {
      const { drawn, post, gain } = current;
      const groups = rows(drawn, post).map((group) => ({ ...group, marked: pick !== null && gain[group.index] > 0.05 }));
      const losers = gain.filter((change) => change > 0.05).length;
      const winners = gain.filter((change) => change < -0.05).length;
      return {
        groups, grand: Number.isFinite(post.muMean) ? post.muMean : completePooling(seen(drawn)).mu, axis: name === "outstanding" ? [56, 104] : [52, 96], unit: "test score", rowsName: "pupils",
        show: { no: true, partial: true, truth: pick !== null }, words: { truth: "true level" },
        picked: pick === null ? null : NAMES[pick - 1], onPick: choose,
        title: pick === null ? "Which school’s estimate does pooling spoil most?" : `Pooling spoils ${losers} of ${groups.length} estimates (bold) and improves ${winners}`,
      };
    };
    const show = () => {
      const { says, remedy } = CASES[name];
      stage.lead(`<p>Pooling is better on the whole, not for everyone. ${says} ` + (pick === null ? "<span class=\"ask\">Tap the school that you think loses most.</span>" : "Try another case, too.") + "</p>");
      picture.update(data());
      if (pick === null) { stage.notice(""); return; }
      const { drawn, post, gain } = current;
      const j = pick - 1;
      const fact = claims.loser({ name: NAMES[j], own: drawn.mean[j], partial: post.estimate[j], truth: drawn.theta[j],
        losers: gain.filter((change) => change > 0.05).length, worst: NAMES[gain.indexOf(Math.max(...gain))], schools: gain.length });
      stage.notice(`<p>${fact}</p>` + (averages[name] ? `<p>${claims.whoLoses(averages[name])}</p>` : "") + `<p>${remedy}</p>` +
        (averages[name] ? `<p><b>Notice</b>: ${claims.onTheWhole(averages[name])}</p>` : ""));
    };
    const choose = (school) => {
      pick = String(NAMES.indexOf(school) + 1);
      stage.keep({ pick });
      show();
    };
    let counting = null;
    const often = () => {
      counting?.stop();
      if (averages[name]) return;
      const mine = name;
      const { settings } = current;
      const { odd } = CASES[mine];
      // With an odd school the true levels stay and pupils change; else whole worlds are drawn.
      const drawnAt = (replicate) => (odd === null ? world({ ...settings, replicate, squares: false }) : testedAgain(settings, replicate));
      const lists = { no: [], partial: [], beats: [], single: [], oddOwn: [], oddPartial: [] };
      counting = stage.inPieces((i) => {
        const drawn = Array.from({ length: PIECE }, (_, r) => drawnAt(i * PIECE + r));
        posteriorOverWorlds(drawn.map(seen)).forEach(({ estimate }, r) => {
          const { theta, mean } = drawn[r];
          const [no, partial] = [squaredError(mean, theta), squaredError(estimate, theta)];
          lists.no.push(no);
          lists.partial.push(partial);
          lists.beats.push(Number(partial < no));
          lists.single.push(share(theta.map((truth, j) => Math.abs(estimate[j] - truth) < Math.abs(mean[j] - truth))));
          lists.oddOwn.push((mean[odd ?? 0] - theta[odd ?? 0]) ** 2);
          lists.oddPartial.push((estimate[odd ?? 0] - theta[odd ?? 0]) ** 2);
        });
        if ((i + 1) * PIECE < WORLDS) return true;
        const means = Object.fromEntries(Object.entries(lists).map(([key, list]) => [key, meanWithError(list)]));
        averages[mine] = { worlds: WORLDS, ...means, oddName: odd === null ? null : NAMES[odd] };
        if (pick !== null) show();
        return false;
      });
    };
    stage.choice({ label: "Which case", hidden: true, value: name, options: Object.entries(CASES).map(([key, { words }]) => [key, words]),
      onChange(value) { name = value; pick = null; stage.keep({ case: name, pick: null }); setUp(); show(); often(); } });
    const picture = estimates(stage.host(), data());
    show();
    often();
  },
};

function share(truths) {
  return truths.filter(Boolean).length / truths.length;
}

export function meanWithError(list) {
  const mean = list.reduce((sum, value) => sum + value, 0) / list.length;
  const squares = list.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, error: Math.sqrt(squares / (list.length - 1) / list.length) };
}
