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
    if (el.type === "range" || el.type === "number") {
      return el.value === "" ? null : Number(el.value);
    }
    return el.value;
  };

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
    if (chart.embedded) chart.embedded.finalize();
    chart.embedded = await vegaEmbed(chart.place.firstElementChild, spec, {
      renderer: "svg", actions: false, logLevel: 1,
    });
    chart.frame = frame;
    chart.fresh = {};
    chart.embedded.view.addEventListener("mouseover", (_event, item) => {
      if (item && item.datum && item.datum.group !== undefined) focusGroup(item.datum.group);
    });
  };

  const refill = async (chart, data, values) => {
    const view = chart.embedded.view;
    for (const [name, value] of Object.entries(values)) view.signal(name, value);
    for (const name of Object.keys(chart.fresh)) view.data(name, asRows(data[name]));
    chart.fresh = {};
    await view.resize().runAsync();
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

  const focusGroup = (group) => {
    const select = $("#focus");
    if (select.value !== String(group)) select.value = String(group);
    showWeight();
  };

  const listGroups = () => {
    const select = $("#focus");
    const names = groupRows().map((r) => r.group);
    const sorted = [...names].sort((a, b) => a - b);
    if (select.options.length !== sorted.length) {
      const kept = select.value;
      select.replaceChildren(...sorted.map((n) => new Option(n, n)));
      if (sorted.includes(kept)) select.value = kept;
    }
    showWeight();
  };

  const showWeight = () => {
    const row = groupRows().find((r) => r.group === $("#focus").value);
    if (!row) return;
    const n = `${row.n} / ${used.sigma_used}²`;
    $("#weight").textContent =
      `w = (n / σ²) / (n / σ² + 1 / τ²) = (${n}) / (${n} + 1 / ${used.tau_used}²): ` +
      `${(100 * row.weight).toFixed(0)}% on its own mean, ` +
      `${(100 * (1 - row.weight)).toFixed(0)}% on the population mean`;
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

  const fillColumns = (columns) => {
    const names = JSON.stringify(columns.map((c) => c.name));
    $("#describe").hidden = !columns.length;
    if (fillColumns.last === names) return;
    fillColumns.last = names;
    const numbers = columns.filter((c) => c.kind === "number");
    const labels = columns.filter((c) => c.kind !== "number");
    const like = (pattern) => columns.find((c) => pattern.test(c.name));
    const first = {
      group: labels[0] || like(/group|school|site|county|id$/i) || columns[0],
      outcome: numbers.find((c) => c !== (labels[0] || columns[0])) || numbers[0],
      se: like(/^(se|std.*err.*|.*_se)$/i),
      count: like(/^(n|count|size)$/i),
      sd: like(/^(sd|std.*)$/i),
      trials: like(/trial|visits|at_bats|total/i),
      exposure: null,
    };
    for (const [id, choice] of Object.entries(first)) {
      const select = $(`#${id}`);
      const shown = columns.map((c) => new Option(`${c.name} (${c.kind})`, c.name));
      select.replaceChildren(new Option("choose ...", ""), ...shown);
      select.value = choice ? choice.name : "";
      select.dispatchEvent(new Event("change", { bubbles: true }));
    }
    const place = $('[data-table="columns"]');
    place.replaceChildren();
    if (!columns.length) return;
    place.append(buildTable({
      caption: "Columns, told from the first rows",
      head: ["column", "kind", "values", "first rows"],
      rows: columns.map((c) => [c.name, c.kind, String(c.distinct), c.examples.join(", ")]),
    }));
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
      $$(`[data-table="${name}"]`).forEach((el) => el.replaceChildren(buildTable(found)));
    }
    for (const [name, found] of Object.entries(payload.meters || {})) {
      $(`[data-meter="${name}"]`).value = found.value;
      $(`[data-meter-text="${name}"]`).textContent = found.text;
    }
    for (const [id, range] of Object.entries(payload.range || {})) {
      const field = $(`#${id}`);
      const start = field.dataset.start;
      Object.assign(field, range, { value: start || field.value });
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
    if (payload.busy !== undefined) {
      $("#cancel").hidden = $("#fitting").hidden = !payload.busy;
      $("#go").disabled = payload.busy;
      if (payload.fraction > 0) $("#fitting").value = payload.fraction;
      else $("#fitting").removeAttribute("value");
    }
    if (payload.query !== undefined) {
      history.replaceState(null, "", payload.query ? `?${payload.query}` : location.pathname);
    }
    listGroups();
    markExercise();
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
    window.dispatchEvent(new Event("resize"));
  };
  const showShape = () => {
    const shape = $("#shape").value;
    for (const el of $$("[data-shapes]")) el.hidden = !el.dataset.shapes.split(" ").includes(shape);
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
  $("#theme").addEventListener("click", () => {
    theme(!dark);
    try { localStorage.setItem("theme", dark ? "dark" : "light"); } catch { /* private window */ }
  });
  system.addEventListener("change", (event) => { if (!stored) theme(event.matches); });
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
