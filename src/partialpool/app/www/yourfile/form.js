// What is in the file: which column is what, without a formula; the formula for those who know.

import { field, h, later, select } from "./dom.js";

const KINDS = [
  ["measurement", "a measurement, such as a score"],
  ["binary", "yes or no, such as passed"],
  ["proportion", "a number of successes among trials"],
  ["count", "a count, such as accidents"],
  ["estimate", "an estimate with its standard error"],
  ["summary", "the mean of a group, with n and sd"],
];
const HOW = [
  ["as it is", "as it is"],
  ["number", "a number"],
  ["log", "its logarithm"],
  ["category", "a category"],
];
const FAMILIES = [["", "as the formula says"], ["binomial", "binomial"], ["poisson", "Poisson"],
  ["negative_binomial", "negative binomial: counts that vary more"],
  ["beta_binomial", "beta-binomial: proportions that vary more"]];
const FAR_OUT = [["student", "Student t: a few groups may lie far out"],
  ["contaminated", "contaminated: a share of groups is from a wider one"]];
const MEASURED = [["", "normal"], ...FAR_OUT, ["point_normal", "point-normal: most groups are exactly 0"]];
const COUNTED = [["", "normal, on the scale of log-odds or log rates"], ...FAR_OUT];
const BETA = ["beta", "beta, of the probabilities themselves"];
const POPULATIONS = { measurement: MEASURED, estimate: MEASURED, summary: MEASURED,
  binary: [...COUNTED, BETA], proportion: [...COUNTED, BETA],
  count: [...COUNTED, ["gamma", "gamma, of the rates themselves"]] };
const NO_MORE = { summary: true };

/**
 * The form. `told` is what the backend says of the columns; `choices` what was chosen before, if anything.
 * `onChange(choices)` is called after each change, `onReading(reading)` when the file is to be read otherwise.
 */
export function form(host, { told, choices, reading, onChange, onReading, formulaOf }) {
  const state = {
    outcome: "", outcomeKind: "measurement", groups: [], nested: false, predictors: [], priors: "", population: "",
    ...told.choices, ...choices,
  };
  const columns = told.columns;
  const byName = new Map(columns.map((column) => [column.name, column]));
  const main = h("div", { class: "fields" });
  const more = h("div", { class: "fields" });
  const predictors = h("div", { class: "predictors" });
  const shownFormula = h("code", { class: "formula" });
  const missing = h("span", { class: "missing" });
  const written = h("input", { type: "text", spellcheck: "false", autocomplete: "off", value: state.formula ?? "",
    oninput: () => { state.formula = written.value; changed(); } });
  const family = select(FAMILIES, state.family ?? "", (value) => { state.family = value; changed(); }, { "data-choice": "family" });
  const priors = h("textarea", { rows: 3, spellcheck: "false",
    oninput: () => { state.priors = priors.value; changed(); } });
  priors.value = state.priors ?? "";

  let asked = 0;
  const ask = later(async () => {
    const turn = ++asked;
    const answer = await formulaOf(current()).catch(() => null);
    if (turn !== asked) return; // the answer to an older question
    shownFormula.parentElement.hidden = true;
    if (!answer) return; // the connection is lost: `refresh` asks again
    shownFormula.textContent = answer.formula;
    shownFormula.parentElement.hidden = !answer.formula;
    missing.textContent = answer.missing ? `To fit: ${answer.missing}.` : "";
  });

  function current() {
    // a family goes with a formula; the choices have their own
    const family = state.formula ? state.family : "";
    const offered = POPULATIONS[state.outcomeKind] ?? [];
    const population = offered.some(([word]) => word === state.population) ? state.population : "";
    return { ...state, groups: state.groups.filter(Boolean), family, population, reading };
  }

  function changed() {
    ask();
    onChange(current());
  }

  function set(name, value) {
    state[name] = value;
    draw();
    changed();
  }

  function column(label, name, note, { none = "choose", numbers = false } = {}) {
    const usable = numbers ? columns.filter((one) => one.kind === "number" || one.name === state[name]) : columns;
    const options = [["", none], ...usable.map((one) => [one.name, named(one)])];
    const input = select(options, state[name] ?? "", (value) => set(name, value), { "data-choice": name });
    return field(label, input, note ?? why(state[name]));
  }

  function why(name) {
    const one = byName.get(name);
    if (!one) return "";
    const guess = one.why && one.role !== "id" ? `${one.why}; ` : "";
    return `${guess}for example ${one.examples.map((text) => shortened(text, 24)).join(", ")}`;
  }

  function draw() {
    const kind = state.outcomeKind;
    const kindSelect = select(KINDS, kind, (value) => set("outcomeKind", value), { "data-choice": "outcomeKind" });
    const [inner = "", outer = ""] = state.groups;
    const parts = [
      column("What is compared", "outcome", undefined, { none: "choose a column" }),
      field("It is", kindSelect, ""),
    ];
    if (kind === "estimate") parts.push(column("Its standard error", "se", undefined, { numbers: true }));
    if (kind === "summary") {
      parts.push(column("Rows behind each mean (n)", "n", undefined, { numbers: true }));
      parts.push(column("Their standard deviation", "sd", undefined, { numbers: true }));
    }
    if (kind === "proportion") parts.push(column("Out of how many trials", "trials", undefined, { numbers: true }));
    if (kind === "count") {
      parts.push(column("Exposure", "exposure", "hours, area, person-years; none if all rows are alike", { none: "none", numbers: true }));
    }
    if (kind === "binary") parts.push(...eventField());
    parts.push(groupField("Between which groups", 0, inner));
    main.replaceChildren(...parts);
    const second = kind === "summary" ? [] : [groupField("A second grouping", 1, outer)];
    if (outer) {
      const relation = select([["nested", `each ${inner} lies in one ${outer}`], ["crossed", `${inner} and ${outer} cross`]],
        state.nested ? "nested" : "crossed", (value) => set("nested", value === "nested"), { "data-choice": "nested" });
      second.push(field("How they lie", relation, ""));
    }
    if (kind === "measurement") second.push(column("Weights", "weights", "precision of each row; none if all are alike", { none: "none", numbers: true }));
    const population = select(POPULATIONS[kind], current().population, (value) => set("population", value),
      { "data-choice": "population" });
    second.push(field("Groups come from a population that is", population,
      current().population ? "of one grouping without predictors" : ""));
    more.replaceChildren(...second);
    drawPredictors();
  }

  function eventField() {
    const one = byName.get(state.outcome);
    if (!one || one.kind !== "text" || !one.two_valued) return [];
    const options = [["", "the word that says yes"], ...one.examples.map((text) => [text, text])];
    return [field("The event is", select(options, state.event ?? "", (value) => set("event", value), { "data-choice": "event" }), "")];
  }

  function groupField(label, place, value) {
    const none = place ? "none" : "choose a column";
    const options = [["", none], ...columns.map((one) => [one.name, named(one)])];
    const change = (name) => {
      const groups = [...state.groups];
      groups[place] = name;
      set("groups", groups);
    };
    const input = select(options, value, change, { "data-choice": place ? "second" : "group" });
    return field(label, input, value ? why(value) : place ? "counties of schools, or years that cross them" : "");
  }

  function drawPredictors() {
    const used = new Set([state.outcome, state.se, state.trials, state.exposure, state.weights, ...state.groups]);
    const free = columns.filter((one) => !used.has(one.name) && one.role !== "id" && one.distinct > 1);
    predictors.closest("details").hidden = Boolean(NO_MORE[state.outcomeKind]) || !free.length;
    predictors.replaceChildren(...free.map(predictorRow));
  }

  function predictorRow(one) {
    const at = state.predictors.findIndex((item) => item.column === one.name);
    const chosen = state.predictors[at];
    const update = (item) => {
      const rest = state.predictors.filter((other) => other.column !== one.name);
      state.predictors = item ? [...rest, item] : rest;
      drawPredictors();
      changed();
    };
    const box = h("input", { type: "checkbox", checked: Boolean(chosen),
      onchange: () => update(box.checked ? { column: one.name, how: "as it is", varies_by: "" } : null) });
    const details = chosen ? [
      select(one.kind === "number" ? HOW : [["as it is", "a category"]], chosen.how, (how) => update({ ...chosen, how }),
        { "aria-label": `How ${one.name} is taken` }),
      select([["", "the same effect everywhere"], ...state.groups.filter(Boolean).map((group) => [group, `its effect differs by ${group}`])],
        chosen.varies_by, (group) => update({ ...chosen, varies_by: group }), { "aria-label": `Whether the effect of ${one.name} differs` }),
    ] : [];
    return h("div", { class: "predictor" }, h("label", {}, box, h("bdi", {}, one.name)), details);
  }

  const readingFields = readingForm(reading, onReading);
  const unclear = told.notices.some((notice) => notice.level === "warning");
  host.replaceChildren(
    main,
    h("details", {}, h("summary", {}, "A second grouping, weights and more"), more),
    h("details", {}, h("summary", {}, "Predictors"), h("p", { class: "help" },
      "What else explains it, for each row or for each group."), predictors),
    h("details", {}, h("summary", {}, "Priors, and the formula"),
      h("div", { class: "fields" },
        field("Priors, one a line", priors, "such as “tau ~ half_normal(5)” or “Intercept ~ normal(0, 10)”; empty for the defaults"),
        field("A formula in place of the choices", written, "such as “score ~ ses + (1 + ses | school)”"),
        field("Its family", family, "of an outcome of 0 and 1, of two words, or of counts"))),
    h("details", { open: unclear }, h("summary", {}, "How the file is read"), readingFields),
    h("p", { class: "asked", "aria-live": "polite" }, h("span", { hidden: true }, "This fits ", shownFormula), missing),
  );
  host.querySelectorAll("details")[0].open = state.groups.length > 1;
  draw();
  ask();
  return { current, columns, refresh: ask };
}

function readingForm(reading, onReading) {
  const value = { decimal: "", encoding: "", sheet: "", header: "", na: [], ...reading };
  const change = later(() => {
    const chosen = Object.fromEntries(Object.entries(value).filter(([, item]) => item && item.length !== 0));
    onReading(Object.keys(chosen).length ? chosen : null);
  }, 500);
  const text = (name, attributes = {}) => {
    const input = h("input", { type: "text", value: String(value[name] ?? ""), ...attributes,
      oninput: () => { value[name] = input.value.trim(); change(); } });
    return input;
  };
  const mark = select([["", "as the file shows"], [".", "a point: 69.8"], [",", "a comma: 69,8"]], value.decimal,
    (chosen) => { value.decimal = chosen; change(); });
  const words = h("input", { type: "text", value: value.na.join(", "),
    oninput: () => { value.na = words.value.split(",").map((word) => word.trim()).filter(Boolean); change(); } });
  return h("div", { class: "fields" },
    field("Decimal mark", mark, ""),
    field("Words for missing values", words, "beside NA and empty cells; with commas between them"),
    field("Line that names the columns", text("header", { inputmode: "numeric" }), "from 1; empty to find it"),
    field("Encoding", text("encoding"), "such as latin-1; empty to find it"),
    field("Sheet of a workbook", text("sheet"), "empty for the first"));
}

function named(column) {
  const kind = { number: "numbers", text: "words", "yes/no": "yes or no", date: "dates", empty: "empty" }[column.kind];
  return `${shortened(column.name, 60)} – ${kind}${column.role === "id" ? ", one for each row" : ""}`;
}

export function shortened(text, longest) {
  const signs = [...new Intl.Segmenter().segment(text)].map((part) => part.segment);
  return signs.length <= longest ? text : `${signs.slice(0, longest - 1).join("")}…`;
}
