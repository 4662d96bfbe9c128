import * as claims from "../claims.js";
import { escape, estimates, format } from "../picture.js";

/** At most this many groups are drawn, evenly from the highest to the lowest own value. */
const DRAWN = 18;

const CARDS = {
  schools: { words: "Schools", data: "high_school", factor: "school", unit: "mathematics score", name: (name) => `School ${name}`,
    says: "Groups are schools, or districts; what is pulled are mean scores. Here: mathematics in 160 American schools.", rowsName: "pupils", digits: 1 },
  players: { words: "Players", data: "batting", unit: "hits per 100 at bats", times: 100,
    judge: "the rest of the season",
    says: "Groups are players, or teams; what is pulled are averages and win rates. Here: batting after 45 at bats in 1970.", rowsName: "at bats", digits: 0 },
  sites: { words: "Hospitals", data: "surgical_deaths", unit: "deaths per 100 operations", times: 100, name: (name) => `Hospital ${name}`,
    says: "Groups are sites of a trial, or subgroups of patients; what is pulled are effects and risks. Here: deaths after heart surgery on infants. No death among few operations does not mean no risk.", rowsName: "operations", digits: 0 },
  segments: { words: "Customers", data: "mailing", unit: "answers per 100 letters", times: 100,
    judge: "the other nine tenths of the households",
    says: "Groups are segments of customers, or regions; what is pulled are response rates. Here: answers to a charity’s letters, in one tenth of the households.", rowsName: "letters", digits: 0 },
  species: { words: "Species", data: "salamanders", factor: "species", unit: "salamanders found per survey",
    says: "Groups are species and habitats; what is pulled are the parameters of their populations, here how many salamanders of each species are found in 23 streams.", rowsName: "streams", digits: 1 },
};

export const uses = {
  title: "Where it is used",
  sides: ["names", "who"],
  mount(stage) {
    stage.lead("<p>The same picture, from five fields, each with real data. <span class=\"ask\">Open one after the other</span>: what is a group here, and what gets pulled?</p>");
    let card = stage.word("card", "players", Object.keys(CARDS));
    stage.choice({ label: "Which field", hidden: true, value: card, options: Object.entries(CARDS).map(([key, { words }]) => [key, words]),
      onChange(value) { card = value; stage.keep({ card }); show(); } });
    const host = stage.host();
    let picture = null;
    let all = null;
    const show = () => {
      if (!all) return;
      const chosen = CARDS[card];
      const data = all[chosen.data];
      if (!data) { stage.notice(`<p>The data set ${escape(chosen.data)} is not part of this copy of the page.</p>`); return; }
      const drawn = drawing(chosen, data);
      picture ? picture.update(drawn) : (picture = estimates(host, drawn));
      stage.notice(`<p>${chosen.says} (${escape(data.citation)})${drawn.some}</p>` +
        (drawn.judged ? `<p>${drawn.judged}</p>` : "") + `<p><b>Notice</b>: ${drawn.borrowed}</p>`);
    };
    waitFor(stage, host, (classics) => { all = classics; show(); });
  },
};

/** The bundled data: "loading" is said, and so is that they could not be had. */
export function waitFor(stage, host, ready) {
  let left = false;
  stage.onLeave(() => { left = true; });
  host.innerHTML = '<p class="waiting">The data are loading …</p>';
  stage.classics().then((classics) => {
    if (left) return;
    host.innerHTML = "";
    ready(classics);
  }, () => {
    if (!left) host.innerHTML = '<p class="waiting">The data could not be loaded (they are in the file classics.json beside this page). All other steps work without them.</p>';
  });
}

export function evenly(groups, most) {
  if (groups.length <= most) return groups;
  return Array.from({ length: most }, (_, i) => groups[Math.round((i * (groups.length - 1)) / (most - 1))]);
}

function missOf(groups, name) {
  const judged = groups.filter((group) => Number.isFinite(group.truth));
  return judged.reduce((sum, group) => sum + (group[name] - group.truth) ** 2, 0) / judged.length;
}

function size(group) {
  return group.trials ?? group.n;
}

function averageShrinkage(groups) {
  return groups.reduce((sum, group) => sum + group.shrinkage, 0) / groups.length;
}

function drawing(card, data) {
  const times = card.times ?? 1;
  const wanted = data.groups.filter((group) => !card.factor || (group.factor === card.factor && (group.term ?? "Intercept") === "Intercept"));
  const sorted = [...wanted].sort((a, b) => b.own - a.own);
  const groups = evenly(sorted, DRAWN).map((group) => ({
    name: card.name ? card.name(group.name) : group.name, key: group.name, n: size(group),
    own: times * group.own, partial: times * group.estimate, lower: times * group.lower, upper: times * group.upper,
    truth: Number.isFinite(group.truth) ? times * group.truth : undefined,
  }));
  const values = groups.flatMap((group) => [group.own, group.lower, group.upper, group.truth]).filter(Number.isFinite);
  const shares = [...wanted].sort((a, b) => size(a) - size(b));
  const half = Math.floor(shares.length / 2);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = 0.05 * (high - low);
  const moved = groups.reduce((a, b) => (Math.abs(b.own - b.partial) > Math.abs(a.own - a.partial) ? b : a));
  return {
    groups, axis: [low >= 0 ? Math.max(0, low - room) : low - room, high + room], unit: card.unit, rowsName: card.rowsName, digits: card.digits,
    grand: Number.isFinite(data.grand) ? times * data.grand : undefined,
    show: { no: true, partial: true, truth: groups.some((group) => group.truth !== undefined) },
    words: { own: "own value", truth: card.judge ?? "truth" },
    title: `${moved.name[0].toUpperCase() + moved.name.slice(1)}: ${format(moved.own, card.digits)} found, ${format(moved.partial, card.digits)} believed`,
    some: wanted.length > groups.length ? ` Drawn: ${groups.length} of ${wanted.length} groups, evenly from the top to the bottom.` : "",
    borrowed: claims.borrowed({ small: averageShrinkage(shares.slice(0, half)), large: averageShrinkage(shares.slice(-half)),
      equal: size(shares[0]) === size(shares.at(-1)) }),
    judged: card.judge ? claims.judged({ judge: card.judge, own: missOf(wanted, "own"), partial: missOf(wanted, "estimate") }) : "",
  };
}
