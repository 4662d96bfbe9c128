// The result of a fit: the answer first, then the picture with its table in pages, and what can be asked.

import { axisAround, curve, estimates } from "../picture.js";
import { button, field, h, later, select } from "./dom.js";
import { shortened } from "./form.js";

const DOWNLOADS = {
  html: "Report", csv: "Groups as CSV", xlsx: "Groups as Excel", parquet: "Groups as Parquet", json: "Everything as JSON",
};

/** Show a result. `ask(verb, request)` and `download(kind)` belong to it and to no other. */
export function results(host, result, { ask, download, say }) {
  const answer = h("div", { class: "answer" });
  const groups = h("div");
  const compare = h("div");
  const context = { result, ask, download, say, effect: result.effects[0], pick: () => {} };
  host.replaceChildren(
    answer, groups, notices(result.notices),
    h("h2", {}, "Compare two groups"), compare,
    h("h2", {}, "What to expect"), prediction(context),
    h("h2", {}, "How different the groups are"), spread(result),
    rest(context),
  );
  context.answer = (sentences) => answer.replaceChildren(
    h("h2", { tabindex: "-1" }, h("bdi", {}, sentences[0])), ...sentences.slice(1).map((text) => h("p", {}, text)));
  context.answer(result.sentences);
  table(groups, context);
  comparison(compare, context);
  return { focus: () => answer.querySelector("h2").focus({ preventScroll: true }) };
}

function notices(list) {
  if (!list.length) return "";
  return h("div", { class: "notices" }, h("h2", {}, "What to know"),
    h("ul", {}, list.map((notice) => h("li", { class: notice.level }, notice.text))));
}

// The table of groups, in pages, with the picture of the same page above it.

function table(host, context) {
  const { result } = context;
  const request = { sort: "estimate", descending: true, page: 0, search: "", size: 20 };
  const picture = h("div", { class: "wide" });
  const heading = h("p", { class: "picture-note" });
  const body = h("div", { class: "table", tabindex: "0", role: "region", "aria-label": "The groups" });
  const where = h("span", { class: "where", role: "status" });
  const back = button("Earlier", () => turn(-1), { "data-turn": "earlier" });
  const next = button("Later", () => turn(1), { "data-turn": "later" });
  const search = h("input", { type: "search", autocomplete: "off", "data-search": true,
    oninput: later(() => load({ search: search.value, page: 0 })) });
  const ranks = button("Rank the groups", rank, { "data-rank": true });
  let drawn = null;
  let page = result.groups;
  let turnOf = 0;

  async function load(changes, verb = "groups") {
    Object.assign(request, changes);
    const mine = ++turnOf;
    host.setAttribute("aria-busy", "true");
    try {
      const answer = await ask(verb);
      if (mine === turnOf) show(answer);
    } catch (error) {
      if (mine === turnOf) context.say(error);
    } finally {
      if (mine === turnOf) host.removeAttribute("aria-busy");
    }
  }

  function ask(verb) {
    return context.ask(verb, { ...request, ...context.effect });
  }

  function turn(step) {
    return load({ page: page.page + step });
  }

  async function rank() {
    ranks.disabled = true;
    ranks.textContent = "Ranking …";
    await load({ sort: "expected_rank", descending: false, page: 0 }, "rank");
    ranks.disabled = false;
    ranks.textContent = "Rank the groups";
  }

  /** Until the groups of another effect are there, none are shown. */
  function blank() {
    picture.hidden = true;
    body.replaceChildren(h("p", { class: "help" }, "Looking …"));
  }

  function sortBy(key) {
    const descending = request.sort === key ? !request.descending : !["group", "expected_rank", "rank_lower"].includes(key);
    load({ sort: key, descending, page: 0 });
  }

  function show(answer) {
    page = answer;
    if (answer.sentences?.length) context.answer(answer.sentences);
    ranks.hidden = answer.ranked;
    const first = answer.page * request.size + 1;
    const last = first + answer.rows.length - 1;
    where.textContent = answer.matched
      ? `${number(first)} to ${number(last)} of ${number(answer.matched)}${answer.matched < answer.total ? ` found among ${number(answer.total)}` : ""}`
      : `No name among ${number(answer.total)} holds “${shortened(request.search, 40)}”.`;
    back.disabled = answer.page === 0;
    next.disabled = answer.page >= answer.pages - 1;
    body.replaceChildren(sheet(answer));
    heading.textContent = answer.total > answer.rows.length ? "The groups of this page of the table, in its order." : "";
    heading.hidden = !heading.textContent;
    picture.hidden = !answer.rows.length;
    if (answer.rows.length) draw(answer);
  }

  function draw(answer) {
    const seen = new Map();
    const rows = answer.rows.map((row) => {
      const times = (seen.get(row.name) ?? 0) + 1;
      seen.set(row.name, times);
      return { name: row.name, key: `${row.id}`, n: row.n ?? undefined, own: row.own ?? undefined, partial: row.estimate,
        lower: row.lower, upper: row.upper };
    });
    const spread = answer.axis[1] - answer.axis[0];
    const data = {
      groups: rows, grand: answer.grand, axis: answer.axis, digits: Math.max(0, 1 - Math.floor(Math.log10(spread || 1))),
      rowsName: answer.head[1]?.key === "n" ? "rows" : answer.head.filter((head) => ["trials", "exposure", "events"].includes(head.key)).at(-1)?.text,
      show: { no: true, partial: true, arrows: true, complete: false },
      label: `Own and partially pooled estimates of ${rows.length} groups`, table: false,
      onPick: (name) => context.pick(answer.rows.find((row) => row.name === name)),
    };
    if (drawn) drawn.update(data);
    else drawn = estimates(picture, data);
  }

  function sheet(answer) {
    const heads = answer.head.map((head) => {
      const key = head.key === "lower" ? "lower" : head.key;
      const sorted = request.sort === key ? (request.descending ? "descending" : "ascending") : "none";
      return h("th", { scope: "col", "aria-sort": sorted },
        h("button", { type: "button", class: "sort", "data-sort": key, onclick: () => sortBy(key) }, head.text));
    });
    const rows = answer.rows.map((row) => h("tr", { "data-group": row.name }, row.cells.map((cell, i) =>
      i ? h("td", {}, cell) : h("th", { scope: "row" }, h("bdi", {}, cell)))));
    return h("table", {}, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, rows));
  }

  const effects = context.result.effects;
  const chooser = effects.length < 2 ? null : field("Show", select(
    effects.map((effect, i) => [String(i), effect.term === "Intercept" ? effect.factor : `the effect of ${effect.term} by ${effect.factor}`]),
    "0", (i) => { context.effect = effects[Number(i)]; request.sort = "estimate"; request.descending = true; blank(); load({ page: 0 }); context.changed?.(); },
    { "data-choice": "effect" }), "");
  const finder = field("Find a group", search, "");
  host.replaceChildren(h("div", { class: "finder" }, chooser, result.groups.total > 20 ? finder : null), heading, picture,
    body, h("div", { class: "pages row" }, back, where, next, ranks));
  if (result.groups.total <= 20) { back.hidden = true; next.hidden = true; where.hidden = true; }
  show(page);
}

function number(value) {
  return value.toLocaleString("en-US");
}

// Two groups, by their names.

function comparison(host, context) {
  const chosen = [null, null];
  const said = h("p", { class: "said", role: "status" });
  const picture = h("div", { class: "wide small" });
  let drawn = null;
  let turn = 0;

  function chooser(place) {
    const list = h("datalist", { id: `groups-${place}` });
    const input = h("input", { type: "text", list: list.id, autocomplete: "off", "data-compare": place });
    let known = [];
    const find = later(async () => {
      const answer = await context.ask("groups", { ...context.effect, search: input.value, sort: "group", descending: false, size: 50 })
        .catch((error) => { context.say(error); return null; });
      if (!answer) return;
      known = answer.rows;
      list.replaceChildren(...known.map((row) => h("option", { value: row.name })));
      const exact = known.filter((row) => row.name === input.value);
      if (exact.length === 1 || (known.length === 1 && input.value)) set(place, exact[0] ?? known[0]);
    });
    input.addEventListener("input", find);
    input.addEventListener("focus", () => known.length || find());
    input.addEventListener("change", find);
    return { input, list };
  }

  const choosers = [chooser(0), chooser(1)];

  function set(place, row) {
    if (chosen[place]?.id === row.id) return;
    chosen[place] = row;
    if (document.activeElement !== choosers[place].input) choosers[place].input.value = row.name;
    show();
  }

  async function show() {
    const [first, second] = chosen;
    if (!first || !second || first.id === second.id) return;
    const mine = ++turn;
    try {
      const answer = await context.ask("contrast", { ...context.effect, first: first.id, second: second.id });
      if (mine !== turn) return;
      said.textContent = answer.sentence;
      const points = answer.grid.map((at, i) => [at, answer.density[i] ?? 0]);
      const data = {
        lines: [{ name: "difference", points, kind: "partial", shade: [Math.max(0, answer.grid[0]), answer.grid.at(-1)] }],
        x: axisAround([0, ...answer.grid], 0.02), y: [0, 1.15 * Math.max(...answer.density.map((height) => height ?? 0))],
        markers: [{ x: 0, kind: "grand", label: "no difference", name: "zero" }], height: 190, table: false,
        unit: `${shortened(first.name, 24)} minus ${shortened(second.name, 24)}`, label: answer.sentence,
      };
      if (drawn) drawn.update(data);
      else drawn = curve(picture, data);
    } catch (error) {
      if (mine === turn) context.say(error);
    }
  }

  context.pick = (row) => {
    const place = !chosen[0] ? 0 : 1;
    set(place, row);
    choosers[place].input.value = row.name;
  };
  context.changed = () => {
    chosen.fill(null);
    for (const { input } of choosers) input.value = "";
    said.textContent = "";
    picture.replaceChildren();
    drawn = null;
    start();
  };

  /** To begin with, the first and the last group of the page that is shown. */
  function start() {
    const rows = context.result.groups.rows;
    if (context.effect !== context.result.effects[0] || rows.length < 2) return;
    choosers[0].input.value = rows[0].name;
    choosers[1].input.value = rows[1].name;
    chosen[0] = rows[0];
    chosen[1] = rows[1];
    show();
  }

  host.replaceChildren(h("div", { class: "fields two" },
    field("One group", choosers[0].input, "type a part of its name, or tap groups in the picture"), field("Another group", choosers[1].input, "")),
  choosers[0].list, choosers[1].list, said, picture);
  start();
}

// A new row.

function prediction(context) {
  const { fields } = context.result;
  const values = {};
  let target = "group";
  let observation = false;
  const said = h("p", { class: "said", role: "status" });
  const place = h("div", { class: "fields two" });

  function inputFor(one) {
    values[one.column] ??= one.kind === "label" ? one.levels[0] ?? "" : "";
    const set = (value) => { values[one.column] = value; said.textContent = ""; };
    if (one.kind === "label" && !one.more) {
      return select(one.levels.map((level) => [level, shortened(level, 60)]), values[one.column], set, { "data-value": one.column });
    }
    const input = h("input", { type: "text", value: values[one.column], inputmode: one.kind === "number" ? "decimal" : undefined,
      "data-value": one.column, oninput: () => set(input.value) });
    return input;
  }

  function draw() {
    const needed = fields.filter((one) => one.for === "every" || one.for === target || (observation && one.for === "observation"));
    const targets = select([["group", "in a group of the file"], ["new_group", "in a group that is not in the file"], ["population", "in the population as a whole"]],
      target, (value) => { target = value; said.textContent = ""; draw(); }, { "data-target": true });
    const rows = select([["mean", "the expected value"], ["row", "one new row, with its noise"]], observation ? "row" : "mean",
      (value) => { observation = value === "row"; said.textContent = ""; draw(); }, { "data-observation": true });
    place.replaceChildren(field("Of", rows, ""), field("Where", targets, ""),
      ...needed.map((one) => field(one.column, inputFor(one), one.for === "observation" ? "of the new row" : "")));
  }

  async function predict() {
    try {
      const answer = await context.ask("predict", { values, target, observation });
      said.textContent = answer.sentence;
    } catch (error) {
      if (error.kind === "refused") said.textContent = error.message;
      else context.say(error);
    }
  }

  draw();
  return h("div", {}, place, h("div", { class: "row" }, button("Predict", predict, { "data-predict": true })), said);
}

// How different the groups are: each tau.

function spread(result) {
  return h("div", {}, result.tau.map((one) => {
    const host = h("div", { class: "wide small" });
    const points = one.grid.map((at, i) => [at, one.density[i] ?? 0]);
    const highest = Math.max(...one.density.slice(1).map((height) => height ?? 0)); // at 0 it may be infinite
    requestAnimationFrame(() => curve(host, {
      title: `${one.name}: ${one.words}`, height: 200, table: false,
      lines: [{ name: one.name, points, kind: "partial", shade: [one.lower, one.upper] }],
      x: [0, one.grid.at(-1)], y: [0, 1.2 * highest], markers: [{ x: one.median, kind: "partial", label: "median", name: "median" }],
      unit: "standard deviation between groups", label: `Posterior of ${one.name}: ${one.words}`,
    }));
    return host;
  }));
}

// Everything else: parameters, files, code.

function rest(context) {
  const { result } = context;
  const { head, rows } = result.parameters;
  const parameters = h("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Parameters" }, h("table", {},
    h("thead", {}, h("tr", {}, head.map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, i) => (i ? h("td", {}, cell) : h("th", { scope: "row" }, cell))))))));
  const downloads = result.downloads.map((kind) => {
    const one = button(DOWNLOADS[kind] ?? kind, async () => {
      one.disabled = true;
      one.setAttribute("aria-busy", "true");
      try {
        await context.download(kind);
      } catch (error) {
        context.say(error);
      }
      one.disabled = false;
      one.removeAttribute("aria-busy");
    }, { "data-download": kind });
    return one;
  });
  return h("div", {},
    h("h2", {}, "Save"), h("div", { class: "row" }, downloads),
    h("details", { class: "numbers" }, h("summary", {}, "Parameters and coefficients"), parameters),
    h("details", { class: "numbers" }, h("summary", {}, "What was fitted"), h("div", {}, result.lines.map((line) => h("p", {}, line)))),
    h("details", { class: "numbers" }, h("summary", {}, "The same in Python, and as a command"),
      h("pre", { tabindex: "0" }, result.python), h("pre", { tabindex: "0" }, result.command)));
}
