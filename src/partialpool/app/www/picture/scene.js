// Marks drawn into an SVG by key: what stays moves to its new place, what is new appears.

const NAMESPACE = "http://www.w3.org/2000/svg";
const LAYERS = ["ground", "band", "line", "arrow", "mark", "label", "hit"];
const DURATION = 200;
/** Two updates within this many milliseconds are a drag: the picture then follows at once. */
const DRAG = 300;

const still = typeof matchMedia === "function" ? matchMedia("(prefers-reduced-motion: reduce)") : null;

export function element(name, attributes = {}) {
  const node = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

/**
 * A scene shows a list of marks {key, tag, layer, a: attributes, text, title, role...}.
 * Numbers and arrays of numbers among the attributes move; x and y together are a place
 * (a translation) for paths, groups and circles. Arrays are the points of a line.
 */
export class Scene {
  constructor(svg) {
    this.svg = svg;
    // Screen readers get the picture's label, its buttons and its table, not single ticks.
    this.layers = Object.fromEntries(LAYERS.map((name) =>
      [name, svg.appendChild(element("g", name === "hit" ? {} : { "aria-hidden": "true" }))]));
    this.nodes = new Map();
    this.updated = -Infinity;
    this.frame = 0;
  }

  show(marks, move = true) {
    const now = performance.now();
    const moving = move && !still?.matches && now - this.updated > DRAG && !document.hidden;
    this.updated = now;
    cancelAnimationFrame(this.frame);
    const present = new Set();
    for (const mark of marks) {
      present.add(mark.key);
      this.place(mark);
    }
    for (const [key, entry] of this.nodes) {
      if (present.has(key)) continue;
      entry.node.remove();
      this.nodes.delete(key);
    }
    if (moving) this.tween(now);
    else for (const entry of this.nodes.values()) finish(entry);
  }

  place(mark) {
    let entry = this.nodes.get(mark.key);
    if (!entry || entry.tag !== mark.tag) {
      entry?.node.remove();
      entry = { node: element(mark.tag), tag: mark.tag, now: null, words: null };
      this.layers[mark.layer ?? "mark"].appendChild(entry.node);
      this.nodes.set(mark.key, entry);
    }
    entry.from = entry.now ?? mark.from ?? mark.a;
    entry.to = mark.a;
    const words = mark.text ?? "";
    if (words !== entry.words) {
      entry.words = words;
      entry.node.textContent = words;
      entry.tooltip = null;
    }
    if ((mark.tooltip ?? "") !== (entry.tooltip ?? "")) {
      entry.node.querySelector("title")?.remove();
      entry.tooltip = mark.tooltip;
      if (mark.tooltip) {
        const title = element("title");
        title.textContent = mark.tooltip;
        entry.node.appendChild(title);
      }
    }
    entry.node.onclick = mark.click ?? null;
    entry.node.onkeydown = mark.click ? (event) => press(event, mark.click) : null;
  }

  tween(start) {
    const step = (time) => {
      const share = Math.min(1, Math.max(0, (time - start) / DURATION));
      const eased = 1 - (1 - share) ** 3;
      for (const entry of this.nodes.values()) {
        if (share === 1) finish(entry);
        else between(entry, eased);
      }
      if (share < 1) this.frame = requestAnimationFrame(step);
    };
    step(start);
  }
}

function press(event, click) {
  if (event.key !== "Enter" && event.key !== " ") return;
  event.preventDefault();
  click(event);
}

function finish(entry) {
  write(entry, entry.to);
}

function between(entry, share) {
  const values = {};
  for (const [name, end] of Object.entries(entry.to)) {
    const start = entry.from[name];
    if (typeof end === "number" && typeof start === "number") {
      values[name] = start + share * (end - start);
    } else if (Array.isArray(end) && start?.length === end.length) {
      values[name] = end.map((value, i) => start[i] + share * (value - start[i]));
    } else {
      values[name] = end;
    }
  }
  write(entry, values);
}

function write(entry, values) {
  const { node, now } = entry;
  for (const name in now) {
    if (!(name in values)) node.removeAttribute(name === "x" || name === "y" ? "transform" : name);
  }
  const placed = "x" in values && !["rect", "text", "line"].includes(entry.tag);
  for (const [name, value] of Object.entries(values)) {
    if (placed && (name === "x" || name === "y")) continue;
    if (now && now[name] === value) continue;
    node.setAttribute(name, Array.isArray(value) ? value.map(short).join(" ") : short(value));
  }
  if (placed && (!now || now.x !== values.x || now.y !== values.y)) {
    node.setAttribute("transform", `translate(${short(values.x)},${short(values.y)})`);
  }
  entry.now = values;
}

function short(value) {
  return typeof value === "number" ? Math.round(value * 100) / 100 : value;
}
