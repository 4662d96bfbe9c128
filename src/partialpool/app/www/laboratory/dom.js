// Small helpers of the laboratory's page.

import { escape } from "../picture.js";

/** The element that a piece of HTML describes. */
export function html(text) {
  const holder = document.createElement("template");
  holder.innerHTML = text.trim();
  return holder.content.firstElementChild;
}

/** A new figure in a place of the page; its numbers as a table stand in another. */
export function figureIn(place, tables) {
  const element = document.createElement("figure");
  element.tables = tables;
  place.append(element);
  return element;
}

/** Set what an element says, if it is new. */
export function say(element, text) {
  if (element.innerHTML !== text) element.innerHTML = text;
}

/** A list to choose from. options: [[value, words], ...] */
export function list({ label, options, value, onChange }) {
  const element = html(`<label class="list"><span>${escape(label)}</span><select>${options.map(([key, words]) =>
    `<option value="${escape(key)}">${escape(words)}</option>`).join("")}</select></label>`);
  const select = element.querySelector("select");
  select.value = value;
  select.addEventListener("change", () => onChange(select.value));
  return { element, set(next) { select.value = next; } };
}

/** Several that can be on together: boxes that look like buttons. options: [[key, words], ...] */
export function boxes({ label, options, value, onChange }) {
  const element = html(`<fieldset class="choice"><legend class="unseen">${escape(label)}</legend>${options.map(([key, words]) =>
    `<label><input type="checkbox" value="${key}"><span>${escape(words)}</span></label>`).join("")}</fieldset>`);
  const set = (next) => {
    for (const input of element.querySelectorAll("input")) input.checked = Boolean(next[input.value]);
  };
  set(value);
  element.addEventListener("change", () => {
    onChange(Object.fromEntries([...element.querySelectorAll("input")].map((input) => [input.value, input.checked])));
  });
  return { element, set };
}

/** A whole number to type. */
export function numberField({ label, low, high, onChange }) {
  const element = html(`<label class="list"><span>${escape(label)}</span><input type="number" min="${low}" max="${high}" step="1"></label>`);
  const input = element.querySelector("input");
  input.addEventListener("change", () => {
    if (input.validity.valid && input.value !== "") onChange(Number(input.value));
  });
  return { element, set(next) { input.value = next; } };
}

/** A switch. */
export function toggle({ label, value, onChange }) {
  const element = html(`<label class="toggle"><input type="checkbox" role="switch"><span>${escape(label)}</span></label>`);
  const input = element.querySelector("input");
  input.checked = value;
  input.addEventListener("change", () => onChange(input.checked));
  return { element, set(next) { input.checked = next; } };
}

/** A style sheet, waited for; a page in one piece has it inside. */
export function stylesheet(name) {
  if (document.querySelector(`style[data-sheet="${name}"]`)) return Promise.resolve();
  return new Promise((resolve) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = new URL(`../${name}`, import.meta.url).href;
    link.onload = link.onerror = resolve;
    document.head.append(link);
  });
}

/** Says a sentence to screen readers, once, after a pause. */
export function speaker(live) {
  let timer = 0;
  return {
    say(text) {
      clearTimeout(timer);
      timer = setTimeout(() => {
        live.textContent = html(`<p>${text}</p>`).textContent;
      }, 900);
    },
    stop() {
      clearTimeout(timer);
      live.textContent = "";
    },
  };
}

/** Where an axis may end, times a power of ten. */
const STEPS = [1, 1.2, 1.5, 1.8, 2, 2.5, 3, 4, 5, 6, 8, 10];

/** The smallest round number of a few that is at least `value`. */
export function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * STEPS.find((step) => step * power >= value * (1 - 1e-9));
}
