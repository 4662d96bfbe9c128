// The lesson: one step a screen, by address, by links and by arrow keys.

import { button, choice, slider } from "./lesson/controls.js";
import { STEPS } from "./lesson/steps.js";
import { SIDES } from "./lesson/sides.js";

/** What changed is said after this pause, so that a drag is said once. */
const PAUSE = 900;
/** What stays in the address from step to step; everything else belongs to a step or to another part. */
const KEPT = ["part", "embed", "step"];

export function mount(section, context) {
  const { address } = context;
  let shown = null;
  section.innerHTML = '<article class="step"></article><p class="unseen" role="status" aria-live="polite"></p>';
  const [article, live] = section.children;
  const voice = speaker(live, article);

  const go = (number, from = null) => {
    if (number < 1 || number > STEPS.length) return;
    const gone = Object.keys(address.read()).filter((name) => !KEPT.includes(name));
    focusNext = from !== null;
    address.write({ ...Object.fromEntries(gone.map((name) => [name, null])), step: number }, { push: true });
  };
  let focusNext = false;

  const keys = (event) => {
    if (event.key === "Escape") article.querySelector(".contents")?.removeAttribute("open");
    if (!shown || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const takesArrows = "input, select, textarea, [contenteditable], .table";
    if (event.target.closest?.(takesArrows)) return;
    if (event.key === "ArrowRight") go(shown.number + 1, "keys");
    if (event.key === "ArrowLeft") go(shown.number - 1, "keys");
  };
  document.addEventListener("keydown", keys);
  article.addEventListener("click", (event) => {
    if (!event.target.closest(".contents")) article.querySelector(".contents").open = false;
    const link = event.target.closest("a[data-step]");
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(Number(link.dataset.step), "link");
  });

  const leave = () => {
    shown?.stage.leave();
    shown = null;
    voice.stop();
  };
  return {
    show(parameters) {
      const number = stepNumber(parameters.step);
      // Back inside a step changes a setting only: the step is drawn anew from the address.
      leave();
      const step = STEPS[number - 1];
      document.title = `${number}. ${step.title} – Partial pooling`;
      const stage = frame(article, step, number, { ...context, voice, parameters });
      shown = { number, stage };
      step.mount(stage);
      voice.begin(); // what a step shows at first is read on the page, not announced
      if (focusNext) {
        scrollTo(0, 0);
        article.querySelector("h1").focus({ preventScroll: true });
      }
      focusNext = false;
    },
    hide: leave,
  };
}

function stepNumber(text) {
  const number = Number.parseInt(text ?? "1", 10);
  return number >= 1 && number <= STEPS.length ? number : 1;
}

/**
 * Says what changed to screen readers, once, after a pause: the new titles of the pictures, which
 * say what they show, or, where these stay, the first sentence of the text.
 */
function speaker(live, article) {
  let timer = 0;
  let known = "";
  const titles = () => [...article.querySelectorAll(".picture-title")]
    .map((title) => title.textContent).filter(Boolean).join(". ");
  return {
    begin() {
      clearTimeout(timer);
      known = titles();
    },
    say(html) {
      clearTimeout(timer);
      timer = setTimeout(() => {
        const holder = document.createElement("div");
        holder.innerHTML = html;
        const words = (holder.querySelector("p") ?? holder).textContent;
        live.textContent = titles() !== known ? titles() : words;
        known = titles();
      }, PAUSE);
    },
    stop() {
      clearTimeout(timer);
      live.textContent = "";
    },
  };
}

function href(number, embed) {
  return `?step=${number}${embed ? "&embed=1" : ""}`;
}

/** The empty step, and what its module fills it with. */
function frame(article, step, number, { address, embed, classics, backend, voice, parameters }) {
  const links = STEPS.map((other, i) =>
    `<li><a href="${href(i + 1, embed)}" data-step="${i + 1}"${i + 1 === number ? ' aria-current="step"' : ""}>` +
    `${i + 1}. ${other.title}</a></li>`).join("");
  const before = STEPS[number - 2];
  const next = STEPS[number];
  article.innerHTML =
    `<div class="head"><h1 tabindex="-1">${step.title}</h1>` +
    `<details class="contents"><summary>Step ${number} of ${STEPS.length}</summary><ol>${links}</ol></details></div>` +
    '<div class="lead"></div>' +
    '<div class="stage"><div class="pictures"></div><div class="controls"></div></div>' +
    '<div class="notice"></div><div class="sides"></div><nav class="along" aria-label="Steps">' +
    (before ? `<a class="before" href="${href(number - 1, embed)}" data-step="${number - 1}">← Back</a>` : "") +
    (next ? `<a class="next" href="${href(number + 1, embed)}" data-step="${number + 1}">${next.title} →</a>` : "") +
    "</nav>";
  const part = (name) => article.querySelector(`.${name}`);
  for (const side of step.sides ?? []) part("sides").insertAdjacentHTML("beforeend", SIDES[side]);

  const tasks = new Set();
  const leaving = [];
  const stage = {
    embed,
    classics,
    backend,
    parameters,
    /** A setting of this step from the address, as a number inside its limits. */
    number(name, fallback, low = -Infinity, high = Infinity) {
      const value = parameters[name] === undefined ? NaN : Number(parameters[name]);
      return Number.isFinite(value) && value >= low && value <= high ? value : fallback;
    },
    /** A setting of this step from the address, one of a few words. */
    word(name, fallback, allowed) {
      return allowed.includes(parameters[name]) ? parameters[name] : fallback;
    },
    keep: (changes) => address.write(changes),
    lead: (html) => set(part("lead"), html),
    notice: (html, { say = true } = {}) => {
      set(part("notice"), html);
      if (say && html) voice.say(html);
    },
    say: voice.say,
    sides: part("sides"),
    /** A place for a picture; two stand beside each other where there is room. */
    host(kind = "") {
      const host = document.createElement("figure");
      if (kind) host.className = kind;
      host.tables = part("sides");
      part("pictures").append(host);
      return host;
    },
    add: (...controls) => {
      part("controls").append(...controls.map((control) => control.element ?? control));
      return controls[0];
    },
    controls: part("controls"),
    slider: (options) => stage.add(slider(options)),
    choice: (options) => stage.add(choice(options)),
    button: (words, onClick) => stage.add(button(words, onClick)),
    /** Work in pieces while the page stays responsive: piece(i) until it returns false. */
    inPieces(piece) {
      const task = { stopped: false };
      tasks.add(task);
      const wait = globalThis.requestIdleCallback ?? ((run) => setTimeout(run, 10));
      let i = 0;
      const run = () => {
        if (task.stopped) return;
        if (piece(i++) === false) tasks.delete(task);
        else wait(run, { timeout: 100 });
      };
      wait(run, { timeout: 100 });
      return { stop: () => { task.stopped = true; tasks.delete(task); } };
    },
    onLeave: (undo) => leaving.push(undo),
    leave() {
      for (const task of tasks) task.stopped = true;
      for (const undo of leaving) undo();
    },
  };
  return stage;
}

function set(node, html) {
  if (node.innerHTML !== html) node.innerHTML = html;
}
