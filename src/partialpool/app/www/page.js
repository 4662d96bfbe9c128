// The page: three parts, of which one is shown; its theme; and its height told to a page around it.

import * as address from "./address.js";

const PARTS = { lesson: "./lesson.js", laboratory: "./laboratory.js", file: "./yourfile.js" };
const TITLES = { lesson: "Lesson", laboratory: "Laboratory", file: "Your file" };
const mounted = new Map();
const embed = address.read().embed === "1";
let classics = null;
let backend = null;
let turn = 0;

const context = {
  address,
  embed,
  /** The results of the bundled data sets, fetched once, when first asked for. */
  classics: () => (classics ??= fetchClassics()),
  /** What fits the reader's file: the server, or the library itself in a worker. */
  backend: () => (backend ??= loadBackend()),
};

async function fetchClassics() {
  const inside = document.getElementById("classics.json"); // of a page in one piece
  if (inside) return JSON.parse(inside.textContent);
  try {
    const answer = await fetch(new URL("classics.json", document.baseURI));
    if (!answer.ok) throw new Error(`classics.json: ${answer.status}`);
    return await answer.json();
  } catch (error) {
    classics = null;
    throw error;
  }
}

async function loadBackend() {
  const worker = document.querySelector('meta[name="backend"]')?.content === "worker";
  const module = await import(worker ? "./worker_backend.js" : "./backend.js");
  return module.backend ?? module;
}

async function show(parameters) {
  const part = parameters.part in PARTS ? parameters.part : "lesson";
  const mine = ++turn;
  document.title = `${TITLES[part]} – Partial pooling`;
  for (const link of document.querySelectorAll("[data-part-link]")) {
    if (link.dataset.partLink === part) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    link.href = partLink(link.dataset.partLink);
  }
  for (const name of Object.keys(PARTS)) {
    document.getElementById(name).hidden = name !== part;
    if (name !== part) (await mounted.get(name))?.hide();
  }
  if (!mounted.has(part)) mounted.set(part, mount(part));
  const shown = await mounted.get(part);
  if (mine === turn) shown?.show(parameters);
}

async function mount(part) {
  const section = document.getElementById(part);
  try {
    const module = await import(PARTS[part]);
    return module.mount(section, context);
  } catch (error) {
    mounted.delete(part);
    section.innerHTML = `<p class="alone">${TITLES[part]} could not be loaded. Reload the page to try again.</p>`;
    throw error;
  }
}

/** Another part begins at its own beginning; what was set is in the history, for Back. */
function partLink(part) {
  return `?part=${part}${embed ? "&embed=1" : ""}`;
}

function goToPart(part) {
  const changes = Object.fromEntries(Object.keys(address.read()).map((name) => [name, null]));
  address.write({ ...changes, part, embed: embed ? "1" : null }, { push: true });
  scrollTo(0, 0);
}

function plainClick(event) {
  return !(event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-part-link]");
  if (!link || !plainClick(event)) return;
  event.preventDefault();
  goToPart(link.dataset.partLink);
});

function themed() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

function store(name, value) {
  // A frame without an origin of its own has no storage: the choice then lasts as long as the page.
  try {
    if (value === undefined) return localStorage.getItem(name);
    localStorage.setItem(name, value);
  } catch {
    return null;
  }
  return value;
}

const remembered = store("theme");
if (remembered === "dark" || remembered === "light") document.documentElement.dataset.theme = remembered;
document.querySelector(".theme").addEventListener("click", () => {
  const next = themed() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  store("theme", next);
});

if (embed) {
  document.body.classList.add("embed");
  const tell = () => parent.postMessage({ type: "partialpool-height", height: Math.ceil(document.body.getBoundingClientRect().height) }, "*");
  new ResizeObserver(tell).observe(document.body);
}

address.onChange(show);
show(address.read());
