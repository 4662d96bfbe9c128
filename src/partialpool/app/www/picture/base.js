// What every picture has: a title that says what it shows, a legend, the drawing, a table.

import { Scene, element } from "./scene.js";

/** A number as text, with a minus sign and not a hyphen. */
export function format(value, digits = 0) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === Infinity) return "∞";
  if (value === -Infinity) return "−∞";
  const text = Math.abs(value).toFixed(digits);
  const sign = value < 0 && Number(text) !== 0 ? "−" : "";
  const [whole, decimals] = text.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return sign + grouped + (decimals ? `.${decimals}` : "");
}

export function escape(text) {
  const entities = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return String(text).replace(/[&<>"']/g, (sign) => entities[sign]);
}

/** A linear scale from data to pixels. */
export function scale([low, high], [start, end]) {
  const slope = (end - start) / (high - low || 1);
  return (value) => start + (value - low) * slope;
}

/** Round numbers inside an axis, about as many as asked for. */
export function ticks([low, high], count = 5) {
  const raw = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.75) * power;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const values = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) values.push(i * step);
  return values.map((value) => ({ value, label: format(value, digits) }));
}

/** An axis with round ends around some values: ten per cent of room at both sides. */
export function axisAround(values, room = 0.08) {
  const finite = values.filter(Number.isFinite);
  if (!finite.length) return [0, 1];
  const low = Math.min(...finite);
  const high = Math.max(...finite);
  const margin = (high - low || 1) * room;
  return [low - margin, high + margin];
}

let pen = null;

/** The width of a text in pixels in the font of pictures. */
export function textWidth(text, size = 14) {
  pen ??= document.createElement("canvas").getContext("2d");
  pen.font = `${size}px ${getComputedStyle(document.body).getPropertyValue("--sans") || "sans-serif"}`;
  return pen.measureText(text).width;
}

/** A text cut to a width, by whole characters as a reader sees them. */
export function fitted(text, width, size = 14) {
  if (textWidth(text, size) <= width) return text;
  const signs = [...new Intl.Segmenter().segment(text)].map((part) => part.segment);
  let few = 1;
  let many = signs.length;
  while (few < many) {
    const middle = Math.ceil((few + many) / 2);
    if (textWidth(signs.slice(0, middle).join("") + "…", size) <= width) few = middle;
    else many = middle - 1;
  }
  return signs.slice(0, few).join("").trimEnd() + "…";
}

/** Shapes of the four meanings, about a point. */
export const SHAPES = {
  diamond: (size = 7) => `M0,${-size}L${size},0L0,${size}L${-size},0Z`,
  cross: (size = 5) => `M${-size},${-size}L${size},${size}M${-size},${size}L${size},${-size}`,
};

const KEYS = {
  own: '<circle cx="12" cy="8" r="5.5" class="own"/>',
  grand: '<path d="M0 8H24" class="grand"/>',
  partial: `<path d="${SHAPES.diamond(6.5)}" transform="translate(12 8)" class="partial"/>`,
  band: '<rect x="1" y="3.5" width="22" height="9" rx="4.5" class="band"/>' +
    `<path d="${SHAPES.diamond(6.5)}" transform="translate(12 8)" class="partial"/>`,
  truth: `<path d="${SHAPES.cross(5)}" transform="translate(12 8)" class="truth"/>`,
  ownInterval: '<path d="M0 8H24" class="own-interval"/><circle cx="12" cy="8" r="5.5" class="own"/>',
  miss: '<path d="M1 8H23" class="miss"/>',
  complete: '<path d="M12 1V15" class="complete"/>',
  pupil: '<circle cx="12" cy="8" r="3" class="pupil"/>',
  plug: '<path d="M1 8H23M1 4V12M23 4V12" class="plug"/>',
  curve: '<path d="M0 15C6 15 8 2 12 2S18 15 24 15Z" class="area partial"/><path d="M0 15C6 15 8 2 12 2S18 15 24 15" class="curve partial"/>',
  grandBlock: '<rect x="5" y="1" width="14" height="14" class="weight grand"/>',
  ownBlock: '<rect x="5" y="1" width="14" height="14" class="weight own"/>',
  bias: '<rect x="5" y="1" width="14" height="14" class="bar bias"/>',
  noise: '<rect x="5" y="1" width="14" height="14" class="bar noise"/>',
};

/** A legend in HTML, in the order given: [["own", "its own average"], ...]. */
export function legend(items) {
  return items
    .map(([key, words]) =>
      `<li><svg viewBox="0 0 24 16" width="24" height="16" aria-hidden="true">${KEYS[key]}</svg>` +
      `${escape(words)}</li>`)
    .join("");
}

/** The words that a picture uses for the four meanings unless told otherwise. */
export const MEANINGS = {
  own: "own average",
  grand: "average of all",
  partial: "partial pooling",
  band: "partial pooling, 95% interval",
  truth: "truth",
  ownInterval: "own average, 95% interval",
};

/**
 * A picture in a host element. `kind` says how: layout(data, width, host) -> {height, marks},
 * table(data) -> rows (the first are the heads), keys(data) -> legend items, label(data).
 */
export function picture(host, kind, data) {
  host.classList.add("picture");
  host.innerHTML =
    '<p class="picture-title"></p><ul class="legend"></ul><svg></svg>' +
    `<details class="numbers"><summary>${escape(data.tableName ?? "The numbers as a table")}</summary>` +
    '<div class="table" tabindex="0" role="region" aria-label="The numbers of the picture"></div></details>';
  const [title, keys, svg, details] = host.children;
  // A page may want the tables elsewhere, so that controls stay close to their picture.
  if (host.tables) host.tables.prepend(details);
  const scene = new Scene(svg);
  let current = data;
  let width = 0;
  let zoom = 1;
  let titled = null;

  const draw = (move) => {
    zoom = textZoom();
    width = Math.floor(host.clientWidth / zoom) || width || 640;
    const { height, marks } = kind.layout(current, width, host);
    svg.setAttribute("viewBox", `0 0 ${width} ${Math.ceil(height)}`);
    const interactive = Boolean(current.onPick);
    svg.setAttribute("role", interactive ? "group" : "img");
    svg.setAttribute("aria-label", current.label ?? current.title ?? kind.label(current));
    scene.show(marks, move);
  };
  const words = () => {
    if (titled !== current.title) {
      titled = current.title;
      // A number is not parted from its word: "School 9" stays on one line.
      title.textContent = (titled ?? "").replace(/(\p{L}) (\d)/gu, "$1\u00a0$2");
      title.hidden = !titled;
    }
    const list = legend(current.keys ?? kind.keys(current));
    if (keys.innerHTML !== list) keys.innerHTML = list;
    keys.hidden = !list;
    if (details.open) fill();
  };
  const fill = () => {
    details.lastElementChild.innerHTML = tableHtml(kind.table(current));
  };
  details.addEventListener("toggle", () => details.open && fill());
  if (data.table === false) details.hidden = true;
  words();
  draw(false);
  const watcher = new ResizeObserver(() => Math.floor(host.clientWidth / textZoom()) !== width && draw(false));
  watcher.observe(host);
  return {
    update(next) {
      current = { ...current, ...next };
      words();
      draw(true);
    },
    table: () => kind.table(current),
    svg,
    remove: () => watcher.disconnect(),
  };
}

/** Pictures are drawn for pages in type of 18 pixels, and grow with the type. */
function textZoom() {
  return Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / 18;
}

/** Rows as an HTML table; the first row holds the heads, the first column names the rows. */
export function tableHtml([heads, ...rows]) {
  const head = heads.map((text) => `<th scope="col">${escape(text)}</th>`).join("");
  const body = rows.map((row) => "<tr>" + row.map((cell, i) =>
    i ? `<td>${escape(cell)}</td>` : `<th scope="row">${escape(cell)}</th>`).join("") + "</tr>");
  return `<table><thead><tr>${head}</tr></thead><tbody>${body.join("")}</tbody></table>`;
}

/** Grid lines, tick labels and the name of a horizontal axis. */
export function horizontalAxis(axis, x, { top, bottom, unit, width, count }) {
  const marks = [];
  const room = Math.abs(x(axis[1]) - x(axis[0]));
  for (const { value, label } of ticks(axis, count ?? Math.max(2, Math.min(8, room / 75)))) {
    marks.push({ key: `grid ${label}`, tag: "line", layer: "ground",
      a: { class: "grid", x1: x(value), x2: x(value), y1: top, y2: bottom } });
    marks.push({ key: `tick ${label}`, tag: "text", layer: "ground", text: label,
      a: { class: "tick", "text-anchor": "middle", x: x(value), y: bottom + 18 } });
  }
  if (unit) {
    marks.push({ key: "unit", tag: "text", layer: "ground", text: unit,
      a: { class: "axis-name", "text-anchor": "middle", x: (x(axis[0]) + x(axis[1])) / 2, y: bottom + 38 } });
  }
  return marks;
}
