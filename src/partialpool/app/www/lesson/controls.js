// The controls of the lesson's steps: native inputs, each with its words and its value.

import { escape } from "../picture.js";

let count = 0;

/** A slider whose value is read out once, in words. Returns {element, value, set(value)}. */
export function slider({ label, min, max, step = 1, value, words = String, onInput }) {
  const id = `control-${++count}`;
  const element = document.createElement("div");
  element.className = "slider";
  element.innerHTML =
    `<label for="${id}">${label}</label><output aria-hidden="true"></output>` +
    `<input type="range" id="${id}" min="${min}" max="${max}" step="${step}">`;
  const [, output, input] = element.children;
  const tell = () => {
    const text = words(Number(input.value));
    output.textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  input.value = value;
  tell();
  input.addEventListener("input", () => {
    tell();
    onInput(Number(input.value));
  });
  return {
    element,
    get value() { return Number(input.value); },
    set(next) { input.value = next; tell(); },
    /** Say something else than the value: what is shown does not come from the slider now. */
    say(text) { output.textContent = text; input.setAttribute("aria-valuetext", text); },
  };
}

/** One of a few: radio buttons that look like buttons. options: [[value, words], ...]; a hidden label is read out only. */
export function choice({ label, options, value, onChange, hidden = false }) {
  const name = `control-${++count}`;
  const element = document.createElement("fieldset");
  element.className = "choice";
  element.innerHTML = `<legend${hidden ? ' class="unseen"' : ""}>${escape(label)}</legend>` + options.map(([key, words]) =>
    `<label><input type="radio" name="${name}" value="${escape(key)}"${String(key) === String(value) ? " checked" : ""}>` +
    `<span>${escape(words)}</span></label>`).join("");
  element.addEventListener("change", (event) => onChange(event.target.value));
  return {
    element,
    set(next) {
      for (const input of element.querySelectorAll("input")) input.checked = input.value === String(next);
    },
  };
}

export function button(words, onClick) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "button";
  element.textContent = words;
  element.addEventListener("click", onClick);
  return { element };
}
