import { escape, estimates, format } from "../picture.js";
import { evenly, waitFor } from "./uses.js";

/** The bundled nested data: houses in counties, with a predictor of the county. */
const NESTED = { data: "radon", factor: "county", within: "floor", between: "log(uranium)" };
const DRAWN = 12;
/** A small county has at most this many houses. */
const SMALL = 3;

const ANSWERS = {
  flat: "<b>No groups, no hierarchy.</b> An ordinary regression of all rows is enough.",
  pool: "<b>Pool completely.</b> If rows of a group are no more alike than others, groups may be left out. If you are not sure, a hierarchical model finds out: its τ is then near zero and it pools nearly completely.",
  cluster: "<b>Fixed effects, or clustered standard errors, are enough.</b> They answer one overall question, allow for rows of a group being alike, and say nothing of single groups.",
  levels: "<b>A hierarchical model</b>: an estimate for each group, the spread between them, and predictors of the groups (such as those of a county) beside those of rows.",
  slopes: "<b>A hierarchical model with varying slopes</b>: the effect may differ from group to group (rural and urban, county by county), and each group’s effect is drawn toward the common one.",
};

export const yourData = {
  title: "Is your data hierarchical?",
  sides: ["fixed", "names"],
  mount(stage) {
    stage.lead("<p><span class=\"ask\">Answer three questions about your data.</span> Below, three ways of treating groups are tried on houses in counties; tracts in counties or pupils in schools are the same.</p>");
    const answers = {
      nested: stage.word("nested", null, ["yes", "no"]), alike: stage.word("alike", null, ["yes", "no"]),
      want: stage.word("want", null, ["overall", "differ", "effects"]),
    };
    const YES_NO = [["yes", "Yes"], ["no", "No"]];
    const ask = (key, label, options) => stage.choice({ label, value: answers[key], options,
      onChange(value) { answers[key] = value; stage.keep({ [key]: value }); show(); } }).element;
    stage.controls.classList.add("questions");
    stage.controls.parentElement.classList.add("first");
    const questions = [
      ask("nested", "1. Do rows belong to groups (pupils to schools, tracts to counties)?", YES_NO),
      ask("alike", "2. Are rows of one group more alike than rows of different groups?", [...YES_NO]),
      ask("want", "3. What do you want to know?", [["overall", "One overall effect"], ["differ", "How groups differ"], ["effects", "Whether an effect differs between groups"]]),
    ];
    const verdict = document.createElement("p");
    verdict.className = "verdict";
    stage.add(verdict);
    const end = () => {
      if (answers.nested === "no") return "flat";
      if (answers.nested === null || answers.alike === null) return null;
      if (answers.alike === "no") return "pool";
      return { overall: "cluster", differ: "levels", effects: "slopes" }[answers.want] ?? null;
    };
    const show = () => {
      questions[1].hidden = answers.nested !== "yes";
      questions[2].hidden = answers.nested !== "yes" || answers.alike !== "yes";
      const key = end();
      verdict.hidden = key === null;
      verdict.innerHTML = key ? ANSWERS[key] : "";
      if (key) stage.say(ANSWERS[key]);
    };
    show();
    const host = stage.host();
    waitFor(stage, host, (classics) => {
      const data = classics[NESTED.data];
      if (!data) { host.innerHTML = `<p class="waiting">The data set ${NESTED.data} is not part of this copy of the page.</p>`; return; }
      compare(stage, host, data);
    });
  },
};

function compare(stage, host, data) {
  const counties = data.groups.filter((group) => group.factor === NESTED.factor && (group.term ?? "Intercept") === "Intercept");
  const bySize = [...counties].sort((a, b) => a.n - b.n);
  const groups = evenly(bySize, DRAWN).sort((a, b) => b.own - a.own).map((group) => ({
    name: escapeName(group.name), n: group.n, own: group.own, partial: group.estimate, lower: group.lower, upper: group.upper }));
  const values = groups.flatMap((group) => [group.own, group.lower, group.upper]);
  const moved = groups.reduce((a, b) => (Math.abs(b.own - b.partial) > Math.abs(a.own - a.partial) ? b : a));
  estimates(host, {
    groups, axis: [Math.min(...values) - 0.1, Math.max(...values) + 0.1], unit: "log of radon in a house", rowsName: "houses", digits: 1,
    words: { own: "fixed effects (own level)", band: "hierarchical, 95% interval" },
    title: `${moved.name}, with ${moved.n} ${moved.n === 1 ? "house" : "houses"}, moves most`,
  });
  stage.notice(`<p>${escape(data.story)} (${escape(data.citation)})</p>${approaches(data, counties)}`, { say: false });
}

function escapeName(name) {
  return name.replace(/\w\S*/g, (word) => word[0] + word.slice(1).toLowerCase());
}

function spread(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

/** The three approaches, with their numbers from the data. */
function approaches(data, counties) {
  const coefficient = (name) => data.coefficients.find((row) => row.name === name);
  const within = coefficient(NESTED.within);
  const between = coefficient(NESTED.between);
  const small = counties.filter((group) => group.n <= SMALL);
  const pair = (value, error) => (Number.isFinite(value) ? `${format(value, 2)} ± ${format(error, 2)}` : "not possible");
  const own = spread(small.map((group) => group.own));
  const partial = spread(small.map((group) => group.estimate));
  const rows = [
    ["", "pool all rows", "fixed effects", "hierarchical"],
    ["effect of the floor", pair(within.complete, within.complete_se), pair(within.fixed, within.fixed_se), pair(within.hierarchical, within.hierarchical_sd)],
    ["effect of the county’s uranium", pair(between.complete, between.complete_se), pair(between.fixed, between.fixed_se), pair(between.hierarchical, between.hierarchical_sd)],
    ["parameters spent on counties", "0", format(counties.length - 1), "1 (τ)"],
    [`spread of the ${small.length} counties with ${SMALL} houses or fewer`, "0", format(own, 2), format(partial, 2)],
    ["what it misses", "what houses of a county share", "room for predictors of counties", "nothing of these; it assumes a population"],
  ];
  const [heads, ...body] = rows;
  const table = `<div class="table" tabindex="0" role="region" aria-label="Three approaches"><table class="approaches"><thead><tr>${heads.map((cell) => `<th scope="col">${cell}</th>`).join("")}</tr></thead><tbody>` +
    body.map((row) => "<tr>" + row.map((cell, i) => (i ? `<td data-head="${heads[i]}">${cell}</td>` : `<th scope="row">${cell}</th>`)).join("") + "</tr>").join("") + "</tbody></table></div>";
  const robust = Number.isFinite(between.complete_robust_se) ? ` (clustered standard errors say ${format(between.complete_robust_se, 3)})` : "";
  const shy = between.hierarchical_sd > between.complete_se;
  const alike = shy ? `Pooling all rows misses that houses of a county are alike, and claims an error of ${format(between.complete_se, 3)} for uranium where ${format(between.hierarchical_sd, 3)} is honest${robust}.`
    : "Pooling all rows misses that houses of a county are alike; here its error for uranium is no smaller for that.";
  const noise = own > partial ? `Fixed effects spend ${counties.length - 1} degrees of freedom, leave no room for uranium, and are noisy where counties are small.`
    : `Fixed effects spend ${counties.length - 1} degrees of freedom and leave no room for uranium.`;
  return `${table}<p><b>Notice</b>: ${alike} ${noise} The hierarchical model does both, and small counties are steadied by the others.</p>`;
}
