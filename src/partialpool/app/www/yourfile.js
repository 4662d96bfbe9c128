// Your file: choose it, say what is in it, and read the answer. The library behind `context.backend`
// is on a server or in a worker; this page does not know which.

import { button, h } from "./yourfile/dom.js";
import { form } from "./yourfile/form.js";
import { results } from "./yourfile/results.js";

const AGAIN = 2000; // milliseconds between attempts to reach the server
const KEPT = "partialpool-file";
const EXAMPLE = ["school,effect,se", "A,28,15", "B,8,10", "C,-3,16", "D,7,11", "E,-1,9", "F,1,11", "G,18,10", "H,12,18", ""].join("\n");
const ACCEPT = ".csv,.tsv,.txt,.gz,.parquet,.pq,.parq,.xlsx,.xlsm";

export function mount(section, context) {
  document.head.append(h("link", { rel: "stylesheet", href: "yourfile.css" }));
  if (context.embed) {
    section.append(h("p", { class: "alone" }, "Your own file is analysed in a window of its own: ",
      h("a", { href: "?part=file", target: "_blank", rel: "noopener" }, "open it"), "."));
    return { show() {}, hide() {} };
  }
  return new YourFile(section, context);
}

class YourFile {
  constructor(section, context) {
    this.section = section;
    this.context = context;
    this.file = null; // what the reader chose, kept so that it can be sent again
    this.id = null;
    this.choices = null;
    this.reading = null;
    this.fitted = null; // the choices whose result is shown
    this.running = null;
    this.build();
  }

  show() {
    this.ready ??= this.begin();
  }

  hide() {}

  build() {
    const input = h("input", { type: "file", accept: ACCEPT, class: "unseen", id: "file-input",
      onchange: () => { if (input.files[0]) this.choose(input.files[0]); input.value = ""; } });
    this.where = h("p", { class: "help" });
    this.drop = h("div", { class: "drop" },
      h("p", {}, h("label", { for: "file-input", class: "button main" }, "Choose a file"), input, " or drop it here."),
      h("p", { class: "help" }, "One row for each measurement, or one for each group."),
      this.where);
    this.examples = h("p", { class: "row" }, button("Try it with eight schools", () => this.example(), { "data-example": true }));
    this.message = h("p", { class: "message", role: "alert" });
    this.lost = h("p", { class: "lost", role: "status", hidden: true });
    this.about = h("div", { class: "about" });
    this.form = h("div", { class: "form" });
    this.go = button("Fit", () => this.fit(), { class: "button main", "data-fit": true });
    this.cancel = button("Cancel", () => this.running?.abort(), { hidden: true, "data-cancel": true });
    this.progress = h("progress", { max: 1, hidden: true, "aria-label": "Progress" });
    this.actions = h("div", { class: "row actions", hidden: true }, this.go, this.cancel, this.progress);
    this.stale = h("p", { class: "stale", hidden: true }, "The choices have changed. Fit again to see their result.");
    this.results = h("div", { class: "results" });
    this.section.replaceChildren(
      h("h1", {}, "Your file"),
      h("p", { class: "lead" }, "Which group is highest, how sure is that, and how much do they differ? Give a table with a column that names the groups."),
      this.drop, this.examples, this.lost, this.about, this.form, this.actions, this.message, this.stale, this.results);
    this.section.classList.add("your-file");
    for (const kind of ["dragenter", "dragover"]) {
      this.section.addEventListener(kind, (event) => { event.preventDefault(); this.drop.classList.add("over"); });
    }
    for (const kind of ["dragleave", "drop"]) {
      this.section.addEventListener(kind, () => this.drop.classList.remove("over"));
    }
    this.section.addEventListener("drop", (event) => {
      event.preventDefault();
      const [file] = event.dataTransfer?.files ?? [];
      if (file) this.choose(file);
    });
  }

  /** What there is to begin with: the file of before a reload, or the one that the server was given. */
  async begin() {
    try {
      this.backend = await this.context.backend();
      this.where.textContent = this.backend.where ?? "";
      if (await this.restored()) return;
      const given = await this.backend.given?.();
      if (given && !this.id) await this.opened({ name: given, given: true }, await this.backend.openGiven());
    } catch (error) {
      this.ready = null;
      this.say(error, () => this.show());
    }
  }

  example() {
    this.choose(new File([EXAMPLE], "eight-schools.csv", { type: "text/csv" }));
  }

  async choose(file) {
    this.running?.abort();
    this.say(null);
    await this.ready;
    if (!this.backend) return;
    const running = this.begun(`Reading ${file.name} …`);
    try {
      const id = await this.backend.open(file, { signal: running.signal, onProgress: (done) => this.tell(done) });
      if (this.id) this.backend.close?.(this.id).catch(() => {});
      await this.opened(file, id);
    } catch (error) {
      this.say(error, () => this.choose(file));
    } finally {
      this.ended(running);
    }
  }

  async opened(file, id, { choices = null, reading = null } = {}) {
    Object.assign(this, { file, id, choices, reading, fitted: null });
    this.results.replaceChildren();
    this.stale.hidden = true;
    await this.look();
    this.keep();
  }

  /** What is in the file, and the form. */
  async look() {
    const told = await this.withFile((id) => this.backend.columns(id, this.reading ?? {}));
    const rows = told.rows >= 2000 ? "more than 2,000" : told.rows.toLocaleString("en-US");
    this.about.replaceChildren(
      h("p", {}, h("b", {}, h("bdi", {}, told.name)), `: ${rows} rows, ${told.columns.length + told.more} columns.`),
      told.notices.length ? h("ul", { class: "notices" }, told.notices.map((one) => h("li", { class: one.level }, one.text))) : "");
    const shown = form(this.form, {
      told, choices: this.choices, reading: this.reading,
      onChange: (choices) => { this.choices = choices; this.compare(); this.keep(); },
      onReading: (reading) => this.reread(reading),
      formulaOf: (choices) => this.withFile((id) => this.backend.ask(id, "formula", choices)),
    });
    this.choices = shown.current();
    this.refresh = shown.refresh;
    this.actions.hidden = false;
    this.examples.hidden = true;
  }

  async reread(reading) {
    this.reading = reading;
    this.choices = { ...this.choices, reading };
    this.say(null);
    try {
      await this.look();
      this.compare();
      this.keep();
    } catch (error) {
      this.say(error, () => this.reread(reading));
    }
  }

  async fit() {
    this.running?.abort();
    this.say(null);
    const choices = structuredClone(this.choices);
    const running = this.begun("Fitting …");
    try {
      const result = await this.withFile((id) => this.backend.fit(id, choices, {
        signal: running.signal,
        onProgress: (done) => this.tell(done),
      }));
      if (running.signal.aborted) return;
      this.fitted = JSON.stringify(choices);
      this.shown(result, choices);
    } catch (error) {
      if (error.name === "AbortError") this.message.textContent = this.running === running ? "Cancelled." : "";
      else this.say(error, () => this.fit());
    } finally {
      this.ended(running);
    }
  }

  shown(result, choices) {
    const { key } = result;
    const again = { choices, key };
    const view = results(this.results, result, {
      ask: (verb, request) => this.withFile((id) => this.backend.ask(id, verb, { ...request, key }), again),
      download: async (kind) => {
        const { blob, filename } = await this.withFile((id) => this.backend.download(id, kind, { key }), again);
        save(blob, filename);
      },
      say: (error) => this.say(error),
    });
    this.compare();
    this.keep();
    view.focus();
    this.results.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }

  /** A result stands beside the choices that it is of, and beside no others. */
  compare() {
    const same = this.fitted !== null && this.fitted === JSON.stringify(this.choices);
    this.results.hidden = this.fitted !== null && !same;
    this.stale.hidden = this.fitted === null || same;
  }

  /** Do something with the file; where the server has lost it, send it again, fit it again, and try once more. */
  async withFile(work, again = null) {
    const { id, file } = this;
    try {
      return await work(id);
    } catch (error) {
      if (error.kind !== "gone" || this.file !== file) throw error;
      if (!file || (file.restored && !file.given)) throw error;
      if (this.id === id) await this.resent(file);
      if (again) await this.backend.fit(this.id, again.choices, {});
      return await work(this.id);
    }
  }

  /** Send the file again, once for all that have found it gone at the same time: the formula and the fit. */
  resent(file) {
    this.resending ??= (file.given ? this.backend.openGiven() : this.backend.open(file))
      .then((id) => { if (this.file === file) this.id = id; })
      .finally(() => { this.resending = null; });
    return this.resending;
  }

  begun(words) {
    const running = new AbortController();
    this.running = running;
    this.progress.hidden = false;
    this.progress.removeAttribute("value");
    this.progress.setAttribute("aria-label", words);
    this.go.disabled = true;
    this.cancel.hidden = false;
    this.actions.hidden = false;
    return running;
  }

  tell(done) {
    if (done === null || done === undefined || done >= 1) this.progress.removeAttribute("value");
    else this.progress.value = done;
  }

  ended(running) {
    if (this.running !== running) return;
    this.running = null;
    this.progress.hidden = true;
    this.go.disabled = false;
    this.cancel.hidden = true;
    this.actions.hidden = !this.id;
  }

  /** Say what went wrong; where the connection is lost, say that and try again until it is back. */
  say(error, retry = null) {
    if (error?.kind === "lost") {
      this.message.textContent = "";
      this.reconnect(retry);
      return;
    }
    this.message.textContent = error && error.name !== "AbortError" ? error.message : "";
    if (error && !error.kind && error.name !== "AbortError") console.error(error);
  }

  async reconnect(retry) {
    this.retry = retry ?? this.retry;
    if (this.connecting) return;
    this.connecting = true;
    this.lost.hidden = false;
    this.lost.textContent = "The connection to the server is lost. Your choices are kept; trying again …";
    for (;;) {
      await new Promise((done) => setTimeout(done, AGAIN));
      try {
        await this.backend.alive();
        break;
      } catch (error) {
        if (error.kind !== "lost") break;
      }
    }
    this.connecting = false;
    this.lost.textContent = "The server is there again.";
    this.refresh?.();
    setTimeout(() => { if (!this.connecting) this.lost.hidden = true; }, 4000);
    const work = this.retry;
    this.retry = null;
    work?.();
  }

  // What a reload of the page leaves: the file at the server, and the choices.

  keep() {
    try {
      const kept = { id: this.id, name: this.file.name, given: Boolean(this.file.given), choices: this.choices, reading: this.reading,
        fitted: this.fitted !== null };
      sessionStorage.setItem(KEPT, JSON.stringify(kept));
    } catch {
      // a page without storage begins anew
    }
  }

  async restored() {
    let kept = null;
    try {
      kept = JSON.parse(sessionStorage.getItem(KEPT));
    } catch {
      return false;
    }
    if (!kept?.id || !this.backend.has || !(await this.backend.has(kept.id))) return false;
    const file = { name: kept.name, given: kept.given, restored: true };
    await this.opened(file, kept.id, kept);
    if (kept.fitted) this.fit();
    return true;
  }
}

function save(blob, filename) {
  const link = h("a", { href: URL.createObjectURL(blob), download: filename });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
