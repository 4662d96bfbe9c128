// Elements, written as calls; texts are always texts and never markup.

/** An element: attributes by name, on* as listeners, properties of inputs as properties. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

let last = 0;

/** A label with its field and a note below. */
export function field(label, input, note) {
  const id = input.id || `field-${++last}`;
  input.id = id;
  const help = note ? h("p", { class: "help", id: `${id}-help` }, note) : null;
  if (help) input.setAttribute("aria-describedby", help.id);
  return h("div", { class: "field" }, h("label", { for: id }, label), input, help);
}

/** A choice among options [[value, text], ...]. */
export function select(options, value, onchange, attributes = {}) {
  const list = options.map(([key, text]) => h("option", { value: key, selected: key === value }, text));
  const element = h("select", { ...attributes, onchange: () => onchange(element.value) }, list);
  element.value = value;
  return element;
}

export function button(text, onclick, attributes = {}) {
  return h("button", { type: "button", class: "button", onclick, ...attributes }, text);
}

/** Call a function once it has not been called for a while. */
export function later(work, pause = 250) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...values), pause);
  };
}
