"use strict";
/* Fills the page from payloads and tells the server of the controls; computes nothing. */
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

  // controls ---------------------------------------------------------------------------------

  const read = (el) => {
    if (el.getAttribute("role") === "radiogroup") {
      const chosen = $("input:checked", el);
      return chosen ? chosen.value : null;
    }
    if (el.type === "checkbox") return el.checked;
    if (el.id === "predictors") return readPredictors(el);
    if (el.type === "range" || el.type === "number") {
      return el.value === "" ? null : Number(el.value);
    }
    return el.value;
  };

  const readPredictors = (el) => $$("[data-column]", el).flatMap((row) => {
    const [form, by] = $$("select", row).map((select) => select.value);
    return form ? [[row.dataset.column, form, by]] : [];
  });

  const write = (el, value) => {
    if (el.type === "checkbox") el.checked = Boolean(value);
    else el.value = value;
    el.dispatchEvent(new Event(el.tagName === "SELECT" ? "change" : "input", { bubbles: true }));
  };

  const showValue = (el) => {
    const out = $(`output[for="${el.id}"]`);
    if (out && el.type === "range") {
      out.textContent = Number(Number(el.value).toPrecision(3)).toString();
      el.setAttribute("aria-valuetext", out.textContent);
    }
  };

  class Control extends Shiny.InputBinding {
    find(scope) { return $$(".pp-input", scope[0] || scope); }
    getValue(el) { return read(el); }
    subscribe(el, callback) {
      el.ppListener = () => { showValue(el); callback(true); };
      el.addEventListener("input", el.ppListener);
      el.addEventListener("change", el.ppListener);
    }
    unsubscribe(el) {
      el.removeEventListener("input", el.ppListener);
      el.removeEventListener("change", el.ppListener);
    }
    getRatePolicy() { return { policy: "throttle", delay: 30 }; }
  }

  class Press extends Shiny.InputBinding {
    find(scope) { return $$(".pp-button", scope[0] || scope); }
    getValue(el) { return el.ppPresses || 0; }
    subscribe(el, callback) {
      el.addEventListener("click", () => { el.ppPresses = (el.ppPresses || 0) + 1; callback(false); });
    }
    unsubscribe() {}
  }

  // charts -----------------------------------------------------------------------------------

  const frames = {};   // key -> specification
  const charts = {};   // name of a place -> what is drawn there

  const asRows = (columns) => {
    const names = Object.keys(columns);
    if (!names.length) return [];
    return columns[names[0]].map((_, i) => Object.fromEntries(names.map((n) => [n, columns[n][i]])));
  };

  const settle = async (name) => {
    const chart = charts[name];
    if (chart.busy) return;
    chart.busy = true;
    try {
      while (chart.dirty) {
        chart.dirty = false;
        const { frame, data, values } = chart.want;
        if (chart.frame !== frame) await embed(chart, frame, data, values);
        else await refill(chart, data, values);
        chart.place.dispatchEvent(new CustomEvent("drawn", { bubbles: true }));
      }
    } finally {
      chart.busy = false;
    }
  };

  const embed = async (chart, frame, data, values) => {
    const spec = structuredClone(frames[frame]);
    const filled = Object.fromEntries(Object.entries(data).map(([k, v]) => [k, asRows(v)]));
    spec.datasets = { ...spec.datasets, ...filled };
    for (const parameter of spec.params || []) {
      if (parameter.name in values) parameter.value = values[parameter.name];
    }
    fitInside(spec, chart.place.clientWidth);
    if (chart.embedded) chart.embedded.finalize();
    chart.embedded = await vegaEmbed(chart.place.firstElementChild, spec, {
      renderer: "svg", actions: false, logLevel: 1,
    });
    chart.frame = frame;
    chart.fresh = {};
    await narrow(chart);
    if ("focus" in values) {
      followPointer(chart);
      mark($("#focus").value);
    }
  };

  // charts of several parts do not follow their place by themselves
  const fitInside = (spec, width) => {
    if (spec.facet) spec.columns = Math.max(1, Math.floor(width / 190));
  };
  const narrow = async (chart) => {
    const svg = $("svg", chart.place);
    if (!frames[chart.frame].vconcat || !svg) return;
    const view = chart.embedded.view;
    const room = view.width() + chart.place.clientWidth - svg.getBoundingClientRect().width;
    if (Math.abs(room - view.width()) > 2 && room > 100) await view.width(room).runAsync();
  };

  const followPointer = (chart) => {
    const svg = $("svg", chart.place);
    const at = (event) => {
      const view = chart.embedded.view;
      const rows = view.scale("y");
      const from = svg.getBoundingClientRect().top + view.origin()[1];
      const name = rows.domain()[Math.floor((event.clientY - from) / rows.step())];
      if (groupRows().some((row) => row.group === name)) focusGroup(name);
    };
    svg.addEventListener("pointermove", at);
    svg.addEventListener("pointerdown", at);
  };

  const refill = async (chart, data, values) => {
    const view = chart.embedded.view;
    for (const [name, value] of Object.entries(values)) {
      if (name !== "focus") view.signal(name, value);
    }
    for (const name of Object.keys(chart.fresh)) view.data(name, asRows(data[name]));
    chart.fresh = {};
    await view.resize().runAsync();
    await narrow(chart);
  };

  const draw = (name, drawing) => {
    const place = $(`[data-chart="${name}"]`);
    if (!place) return;
    if (drawing.spec) frames[drawing.frame] = drawing.spec;
    const chart = (charts[name] ||= { place, want: { data: {} }, fresh: {} });
    const same = chart.want.frame === drawing.frame;
    chart.want = {
      frame: drawing.frame,
      values: drawing.values,
      data: { ...(same ? chart.want.data : {}), ...drawing.data },
    };
    for (const part of Object.keys(drawing.data)) chart.fresh[part] = true;
    chart.dirty = true;
    $$(`[data-title="${name}"]`).forEach((el) => (el.textContent = drawing.title));
    $$(`[data-caption="${name}"]`).forEach((el) => (el.textContent = drawing.caption));
    place.setAttribute("aria-label", `${drawing.title}. ${drawing.caption}`);
    settle(name);
  };

  // the weight of one group ------------------------------------------------------------------

  const used = {};
  const groupRows = () => {
    const chart = charts.shrinkage;
    const groups = chart && chart.want.data.groups;
    return groups && groups.weight ? asRows(groups) : [];
  };

  const mark = (group) => {
    const chart = charts.shrinkage;
    if (chart && chart.embedded && "focus" in chart.want.values) {
      chart.embedded.view.signal("focus", group).runAsync();
    }
  };

  const focusGroup = (group) => {
    const select = $("#focus");
    if (select.value === String(group)) return;
    select.value = String(group);
    showWeight();
  };

  const listGroups = () => {
    const select = $("#focus");
    const names = groupRows().map((r) => r.group);
    $(".formula").hidden = !names.length;
    const sorted = [...names].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
    if (JSON.stringify(sorted) !== listGroups.last) {
      listGroups.last = JSON.stringify(sorted);
      const kept = select.value;
      select.replaceChildren(...sorted.map((n) => new Option(n, n)));
      if (sorted.includes(kept)) select.value = kept;
    }
    showWeight();
  };

  const percent = (share) => `${(100 * share).toFixed(0)}%`;
  const showWeight = () => {
    const row = groupRows().find((r) => r.group === $("#focus").value);
    if (!row) return;
    const shares = `${percent(row.weight)} on its own value, ` +
      `${percent(1 - row.weight)} on the population mean`;
    const known = row.se !== undefined;
    const n = Number(row.size.toPrecision(4));
    const mine = known ? `1 / ${Number(row.se.toPrecision(3))}²` : `${n} / ${used.sigma_used}²`;
    const name = known ? "1 / se²" : "n / σ²";
    $("#weight").textContent = row.at_used === undefined || !used.tau_used ? shares
      : `w = (${name}) / (${name} + 1 / τ²) = (${mine}) / (${mine} + 1 / ${used.tau_used}²) = ` +
        `${percent(row.at_used)}. In the picture: ${shares}.`;
    mark(row.group);
  };

  // the rest of a payload --------------------------------------------------------------------

  const buildTable = (found) => {
    const table = document.createElement("table");
    table.createCaption().textContent = found.caption;
    const head = table.createTHead().insertRow();
    for (const name of found.head) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = name;
      head.append(cell);
    }
    const body = table.createTBody();
    for (const row of found.rows) {
      const line = body.insertRow();
      row.forEach((value, i) => {
        const cell = i ? line.insertCell() : line.appendChild(document.createElement("th"));
        if (!i) cell.scope = "row";
        cell.textContent = value;
      });
    }
    return table;
  };

  const guess = (columns) => {
    const numbers = columns.filter((c) => c.kind === "number");
    const labels = columns.filter((c) => c.kind !== "number" && c.kind !== "empty");
    const like = (pattern, among = columns) => among.find((c) => pattern.test(c.name)) || null;
    const found = {
      se: like(/^(se|std.?err.*|stderr|.*[_ .]se)$/i, numbers),
      count: like(/^(n|count|size|n[_ .].*)$/i, numbers),
      sd: like(/^(sd|std|stdev|s\.d\.|.*[_ .]sd)$/i, numbers),
      trials: like(/trial|visits|at.?bats|attempts|total|^n$|operations/i, numbers),
      exposure: like(/exposure|hours|area|days|time|effort/i, numbers),
    };
    const shape = found.se ? "estimates"
      : found.count && found.sd ? "summaries"
      : found.trials && like(/hits|bought|success|events|deaths|cases|conver|wins/i) ? "proportions"
      : "rows";
    const taken = { estimates: ["se"], summaries: ["count", "sd"], proportions: ["trials"], rows: [] };
    const others = numbers.filter((c) => !taken[shape].some((name) => found[name] === c));
    found.group = labels[0] || like(/group|school|site|county|player|id$/i) || columns[0];
    const free = others.filter((c) => c !== found.group);
    found.outcome = like(/^(y|score|mark|mean|effect|estimate|outcome|value|hits|bought|events|deaths)$/i, free)
      || free[free.length - 1] || null;
    found.second = null;
    if (found.exposure === found.outcome) found.exposure = null;
    return { shape, found };
  };

  const predictorRow = (column) => {
    const row = document.createElement("div");
    row.dataset.column = column.name;
    const name = document.createElement("span");
    name.textContent = column.name;
    const number = column.kind === "number";
    const forms = [["", "not used"],
      ...(number ? [["number", "as a number"], ["log", "its logarithm"]] : []),
      [number ? "categories" : "text", "as categories"]];
    const by = [["", "same effect everywhere"], ["group", "differs by group"],
      ["second", "differs by second grouping"]];
    const select = (options, what) => {
      const field = document.createElement("select");
      field.append(...options.map(([value, text]) => new Option(text, value)));
      field.setAttribute("aria-label", `${column.name}: ${what}`);
      return field;
    };
    const [form, effect] = [select(forms, "how it is used"), select(by, "its effect")];
    effect.hidden = true;
    form.addEventListener("change", () => (effect.hidden = !form.value));
    row.append(name, form, effect);
    return row;
  };

  const fillColumns = (columns) => {
    const names = JSON.stringify(columns.map((c) => [c.name, c.kind]));
    $("#describe").hidden = $("#columns").hidden = !columns.length;
    $(".shiny-file-input-progress").style.visibility = "hidden";
    if (fillColumns.last === names) return;
    fillColumns.last = names;
    if (!columns.length) return;
    const { shape, found } = guess(columns);
    for (const [id, choice] of Object.entries(found)) {
      const select = $(`#${id}`);
      const none = id === "second" ? "none" : id === "exposure" ? "none: all alike" : "choose ...";
      const shown = columns.map((c) => new Option(`${c.name} (${c.kind})`, c.name));
      select.replaceChildren(new Option(none, ""), ...shown);
      select.value = choice ? choice.name : "";
      select.dispatchEvent(new Event("change", { bubbles: true }));
    }
    $("#predictors").replaceChildren(...columns.slice(0, 60).map(predictorRow));
    listPredictors();
    write($("#formula"), "");
    write($("#shape"), shape);
    showShape();
    $('[data-table="columns"]').replaceChildren(buildTable({
      caption: "Columns, told from the first rows",
      head: ["column", "kind", "values", "first rows"],
      rows: columns.map((c) => [c.name, c.kind, String(c.distinct), c.examples.join(", ")]),
    }));
  };

  // columns that play another part are no predictors
  const listPredictors = () => {
    const taken = ["outcome", "group", "second", "se", "trials", "exposure"]
      .filter((id) => !$(`#${id}`).closest(".control").hidden)
      .map((id) => $(`#${id}`).value);
    for (const row of $$("#predictors [data-column]")) {
      const out = taken.includes(row.dataset.column);
      row.hidden = out;
      if (out && $("select", row).value) {
        $("select", row).value = "";
        $$("select", row)[1].hidden = true;
      }
      $('option[value="second"]', row).hidden = !$("#second").value;
    }
    $("#second-how").hidden = !$("#second").value || $("#second").closest(".control").hidden;
    $("#predictors").dispatchEvent(new Event("change", { bubbles: true }));
  };

  const apply = (payload) => {
    for (const [name, drawing] of Object.entries(payload.charts || {})) {
      const figure = $(`[data-chart="${name}"]`).closest("figure");
      figure.hidden = drawing === null;
      if (drawing) draw(name, drawing);
    }
    for (const [name, value] of Object.entries(payload.text || {})) {
      if (name.endsWith("_used")) used[name] = value;
      $$(`[data-text="${name}"]`).forEach((el) => {
        if (el.textContent !== value) el.textContent = value;
      });
    }
    for (const [name, found] of Object.entries(payload.tables || {})) {
      $$(`[data-table="${name}"]`).forEach((el) => {
        el.replaceChildren(...(found ? [buildTable(found)] : []));
        const fold = el.closest("figure details");
        if (fold) fold.hidden = !$("table", fold);
      });
    }
    for (const [name, found] of Object.entries(payload.meters || {})) {
      $(`[data-meter="${name}"]`).value = found.value;
      $(`[data-meter-text="${name}"]`).textContent = found.text;
    }
    for (const [id, range] of Object.entries(payload.range || {})) {
      const field = $(`#${id}`);
      const start = field.dataset.start;
      const value = start || ($("#held").checked ? field.value : range.rest);
      Object.assign(field, { max: range.max, step: range.step, value });
      delete field.dataset.start;
      if (start) write(field, start);
      showValue(field);
    }
    if (payload.oneWay !== undefined) {
      $$(".one-way").forEach((el) => (el.hidden = !payload.oneWay));
    }
    if (payload.notices) {
      $("[data-notices]").replaceChildren(...payload.notices.map((notice) => {
        const item = document.createElement("li");
        item.className = notice.level;
        item.textContent = notice.text;
        return item;
      }));
    }
    if (payload.stale) {
      for (const name of ["errors", "tau"]) {
        const chart = $(`[data-chart="${name}"]`);
        chart.classList.toggle("stale", payload.stale.includes(name));
      }
    }
    if (payload.columns) fillColumns(payload.columns);
    if (payload.waiting !== undefined) document.body.classList.toggle("waiting", payload.waiting);
    if (payload.empty !== undefined) {
      const had = document.body.classList.contains("empty");
      document.body.classList.toggle("empty", payload.empty);
      if (had && !payload.empty) $("#columns").open = false;
    }
    if (payload.busy !== undefined) {
      $("#cancel").hidden = $("#fitting").hidden = !payload.busy;
      $("#go").disabled = payload.busy;
      if (payload.fraction > 0 && payload.fraction < 1) $("#fitting").value = payload.fraction;
      else $("#fitting").removeAttribute("value");
    }
    if (payload.query !== undefined) {
      history.replaceState(null, "", payload.query ? `?${payload.query}` : location.pathname);
    }
    listGroups();
    listCharts();
    markExercise();
  };

  const listCharts = () => {
    const shown = $$("[data-chart]").filter((el) => el.offsetParent && charts[el.dataset.chart]);
    const names = shown.map((el) => [el.dataset.chart, $("h2", el.closest("figure")).textContent]);
    if (JSON.stringify(names) === listCharts.last) return;
    listCharts.last = JSON.stringify(names);
    const select = $("#chart");
    const kept = select.value;
    select.replaceChildren(...names.map(([value, text]) => new Option(text, value)));
    if (names.some(([value]) => value === kept)) select.value = kept;
    select.dispatchEvent(new Event("change", { bubbles: true }));
  };

  class Payload extends Shiny.OutputBinding {
    find(scope) { return $$(".pp-payload", scope[0] || scope); }
    renderValue(_el, payload) { if (payload) apply(payload); }
    renderError(_el, error) {
      $$('[data-text="fit_message"]').forEach((el) => (el.textContent = error.message || ""));
    }
    clearError() {}
    showProgress() {}
  }

  // what stays in the browser ----------------------------------------------------------------

  const settingsOf = (chip) => JSON.parse(chip.dataset.set);
  const markExercise = () => {
    for (const chip of $$("#exercises .chip")) {
      const same = Object.entries(settingsOf(chip)).every(([id, v]) => read($(`#${id}`)) === v);
      chip.setAttribute("aria-pressed", String(same));
    }
  };

  const showSource = () => {
    document.body.dataset.source = $("#source input:checked").value;
    document.body.classList.remove("waiting", "empty");
    $("#groups-table").open = document.body.dataset.source !== "simulate";
    window.dispatchEvent(new Event("resize"));
  };
  const showShape = () => {
    const shape = $("#shape").value;
    for (const el of $$("[data-shapes]")) el.hidden = !el.dataset.shapes.split(" ").includes(shape);
    const asked = $('[data-text="asked"]').textContent;
    if (shape === "formula" && !$("#formula").value && asked.includes("~")) write($("#formula"), asked);
    listPredictors();
  };

  let dark = false;
  const theme = (value) => {
    dark = value;
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    $("#theme").setAttribute("aria-pressed", String(dark));
    if (Shiny.setInputValue) Shiny.setInputValue("dark", dark);
  };
  const stored = (() => { try { return localStorage.getItem("theme"); } catch { return null; } })();
  const system = matchMedia("(prefers-color-scheme: dark)");

  const copy = async (button) => {
    const what = button.dataset.copy;
    const text = what === "link" ? location.href : $(`[data-text="${what}"]`).textContent;
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select the text and copy it";
    }
    setTimeout(() => (button.textContent = label), 1500);
  };

  Shiny.inputBindings.register(new Control(), "partialpool.control");
  Shiny.inputBindings.register(new Press(), "partialpool.press");
  Shiny.outputBindings.register(new Payload(), "partialpool.payload");

  theme(stored ? stored === "dark" : system.matches);
  $$(".pp-input").forEach(showValue);
  showSource();
  showShape();
  $("#source").addEventListener("change", showSource);
  $("#shape").addEventListener("change", showShape);
  for (const id of ["outcome", "group", "second", "se", "trials", "exposure"]) {
    $(`#${id}`).addEventListener("change", listPredictors);
  }
  let resizing = 0;
  window.addEventListener("resize", () => {
    clearTimeout(resizing);
    resizing = setTimeout(() => {
      for (const chart of Object.values(charts)) {
        if (chart.embedded && chart.place.offsetParent) chart.embedded.view.resize().runAsync().then(() => narrow(chart));
      }
      listCharts();
    }, 150);
  });
  $("#theme").addEventListener("click", () => {
    theme(!dark);
    try { localStorage.setItem("theme", dark ? "dark" : "light"); } catch { /* private window */ }
  });
  system.addEventListener("change", (event) => { if (!stored) theme(event.matches); });
  $("#explain").addEventListener("click", () => {
    const on = $(".settings").classList.toggle("explained");
    $("#explain").setAttribute("aria-pressed", String(on));
  });
  if (matchMedia("(max-width: 760px)").matches) $(".settings .for-simulate details").open = false;
  $("#new_draw").addEventListener("click", () => {
    const seed = $("#seed");
    const next = Number(seed.value || 0) + 1;
    write(seed, next > Number(seed.max) ? Number(seed.min) : next);
  });
  $("#exercises").addEventListener("click", (event) => {
    const chip = event.target.closest(".chip");
    if (!chip) return;
    for (const [id, value] of Object.entries(settingsOf(chip))) write($(`#${id}`), value);
  });
  $("#focus").addEventListener("change", showWeight);
  const letGo = () => { if ($("#held").checked) write($("#held"), false); };
  $("#dataset").addEventListener("change", letGo);
  $("#go").addEventListener("click", letGo);
  $("#held_tau").addEventListener("input", () => {
    if (!$("#held").checked) write($("#held"), true);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
  document.addEventListener("change", (event) => {
    const limit = Number(document.body.dataset.limit);
    const file = event.target.type === "file" && event.target.files[0];
    if (file && file.size > limit) {
      event.stopImmediatePropagation();
      event.target.value = "";
      $('[data-text="file_message"]').textContent =
        `${file.name} is larger than ${Math.round(limit / 2 ** 20)} MB; ` +
        "fit it from Python or with the command, which have no limit.";
    }
  }, true);
  jQuery(document).on("shiny:connected", () => theme(dark));
  jQuery(document).on("shiny:disconnected", () => { $("#lost").hidden = false; });
})();
