// The groups, one row each: own average, pooled estimate with its interval, arrow, truth.

import { MEANINGS, SHAPES, fitted, format, horizontalAxis, picture, scale, textWidth } from "./base.js";

const SHOWN = { no: true, complete: false, partial: true, truth: false, arrows: true, ownIntervals: false };

/**
 * data: {groups: [{name, n, own, partial, lower, upper, truth, ownLower, ownUpper, plugLower, plugUpper, faded, marked}],
 * grand, axis, show, unit, rowsName, misses: "no"|"complete"|"partial", onPick(name), picked,
 * grandName, digits, title, label, keys}. Groups are drawn in the order given.
 */
export function estimates(host, data) {
  return picture(host, { layout, table, keys, label: () => "Estimates of every group" }, data);
}

function shown(data) {
  return { ...SHOWN, ...data.show };
}

function layout(data, width) {
  const show = shown(data);
  const narrow = width < 520;
  const row = data.rowHeight ?? (data.onPick && narrow ? 44 : 26);
  const counts = data.groups.some((group) => group.n !== undefined && group.n !== null);
  const longest = Math.max(...data.groups.map((group) => textWidth(group.name, 15)), 40);
  const nameWidth = Math.min(longest, width * 0.34);
  const countWidth = counts
    ? Math.max(...data.groups.map((group) => textWidth(format(group.n), 13)), 20) : 0;
  const left = nameWidth + (counts ? countWidth + 18 : 0) + 16;
  const top = 30;
  const bottom = top + row * data.groups.length;
  const x = scale(data.axis, [left, width - 16]);
  const marks = horizontalAxis(data.axis, x, { top, bottom, unit: data.unit, width });
  if (counts && data.rowsName) {
    marks.push({ key: "counts", tag: "text", layer: "label", text: data.rowsName,
      a: { class: "tick", "text-anchor": "end", x: nameWidth + countWidth + 14, y: top - 10 } });
  }
  if (Number.isFinite(data.grand)) marks.push(...grandMean(data, x, top, bottom, width));
  const largest = Math.max(...data.groups.map((group) => group.n ?? 1));
  data.groups.forEach((group, i) => {
    const y = top + row * (i + 0.5);
    const place = { x, y, row, width, nameWidth, countWidth, counts, largest, show, left };
    marks.push(...rowOf(group, data, place));
  });
  return { height: bottom + (data.unit ? 46 : 26), marks };
}

function grandMean(data, x, top, bottom, width) {
  const at = Math.min(Math.max(x(data.grand), x(data.axis[0])), x(data.axis[1]));
  const text = `${data.grandName ?? MEANINGS.grand} ${format(data.grand, data.digits ?? 0)}`;
  const half = textWidth(text, 14) / 2;
  const strong = shown(data).complete;
  return [
    { key: "grand", tag: "line", layer: "line",
      a: { class: strong ? "grand strong" : "grand", x1: at, x2: at, y1: top - 6, y2: bottom } },
    { key: "grand name", tag: "text", layer: "label", text,
      a: { class: "grand-name", "text-anchor": "middle", x: Math.min(Math.max(at, half), width - half), y: top - 10 } },
  ];
}

/** A ring's radius grows with the square root of its rows: its area is their number. */
function ringSize(group, largest) {
  return group.n === undefined || group.n === null ? 6 : 3.5 + 5.5 * Math.sqrt(group.n / largest);
}

function rowOf(group, data, place) {
  const { x, y, row, width, nameWidth, countWidth, counts, largest, show } = place;
  const key = group.key ?? group.name;
  const state = (group.faded ? " faded" : "") + (group.marked ? " marked" : "");
  const marks = [];
  // Intervals end at the axis: beyond it stand the names.
  const end = (value) => x(Math.min(Math.max(value, data.axis[0]), data.axis[1]));
  const put = (part, tag, layer, a, extra = {}) => marks.push({ key: `${key} ${part}`, tag, layer, a, ...extra });
  const name = fitted(group.name, nameWidth, 15);
  put("name", "text", "label", { class: "group-name" + state, x: 4, y: y + 5 },
    { text: name, tooltip: name === group.name ? undefined : group.name });
  if (counts) {
    put("count", "text", "label",
      { class: "tick", "text-anchor": "end", x: nameWidth + countWidth + 14, y: y + 5 }, { text: format(group.n) });
  }
  if (show.ownIntervals && Number.isFinite(group.ownLower)) {
    const high = show.partial ? y + Math.min(9, row / 3.2) : y;
    put("own interval", "line", "band",
      { class: "own-interval" + state, x1: end(group.ownLower), x2: end(group.ownUpper), y1: high, y2: high });
  }
  if (show.partial && Number.isFinite(group.lower)) {
    put("band", "rect", "band", { class: "band" + state, x: end(group.lower), y: y - 6, rx: 6,
      width: Math.max(1, end(group.upper) - end(group.lower)), height: 12 });
  }
  if (Number.isFinite(group.plugLower)) {
    const [from, to] = [end(group.plugLower), end(group.plugUpper)];
    put("plug", "polyline", "line", { class: "plug", points: [from, y - 4, from, y + 4, from, y, to, y, to, y - 4, to, y + 4] });
  }
  const size = ringSize(group, largest);
  if (show.no && show.partial && show.arrows && Number.isFinite(group.partial)) {
    const arrow = arrowPoints(x(group.own), x(group.partial), y, size);
    if (arrow) put("arrow", "polyline", "arrow", { class: "arrow" + state, points: arrow });
  }
  if (data.misses && Number.isFinite(group.truth)) {
    const estimate = { no: group.own, complete: data.grand, partial: group.partial }[data.misses];
    put("miss", "line", "line", { class: "miss" + state, x1: x(group.truth), x2: x(estimate), y1: y, y2: y });
  }
  if (show.complete) put("complete", "path", "mark", { class: "complete" + state, d: "M0,-8V8", x: x(data.grand), y });
  if (show.no) put("own", "circle", "mark", { class: "own" + state, r: size, x: x(group.own), y });
  if (show.partial && Number.isFinite(group.partial)) {
    put("partial", "path", "mark", { class: "partial" + state, d: SHAPES.diamond(7), x: x(group.partial), y });
  }
  if (show.truth && Number.isFinite(group.truth)) {
    put("truth", "path", "mark", { class: "truth" + state, d: SHAPES.cross(5), x: x(group.truth), y });
  }
  if (data.onPick) {
    const said = `${group.name}${counts ? `, ${group.n} ${data.rowsName ?? "rows"}` : ""}, average ${format(group.own, data.digits ?? 0)}`;
    put("hit", "rect", "hit", { class: "hit" + (data.picked === group.name ? " picked" : ""), x: 0, y: y - row / 2,
      width, height: row, rx: 6, tabindex: "0", role: "button", "aria-label": said,
      "aria-pressed": String(data.picked === group.name) }, { click: () => data.onPick(group.name) });
  }
  return marks;
}

/** A line from the ring's edge to the diamond's, with a head: seven points, so that it can move. */
function arrowPoints(from, to, y, size) {
  const sign = Math.sign(to - from);
  const start = from + sign * (size + 1);
  const end = to - sign * 7;
  const length = (end - start) * sign;
  if (length <= 1) return null;
  const head = Math.min(7, length);
  const back = end - sign * head;
  return [start, y, end, y, back, y - head * 0.55, end, y, back, y + head * 0.55, end, y];
}

function keys(data) {
  const show = shown(data);
  const says = { ...MEANINGS, ...data.words };
  const items = [];
  const has = (name) => data.groups.some((group) => Number.isFinite(group[name]));
  if (show.no && !show.ownIntervals) items.push(["own", says.own]);
  if (show.ownIntervals) items.push(["ownInterval", says.ownInterval]);
  if (show.complete) items.push(["complete", says.complete ?? "complete pooling"]);
  if (show.partial) items.push(has("lower") ? ["band", says.band] : ["partial", says.partial]);
  if (has("plugLower")) items.push(["plug", says.plug ?? "plug-in interval"]);
  if (show.truth) items.push(["truth", says.truth]);
  if (data.misses) items.push(["miss", says.miss ?? "the miss"]);
  return items;
}

function table(data) {
  const show = shown(data);
  const digits = data.digits ?? 1;
  const columns = [["group", (group) => group.name]];
  const add = (head, name) => {
    if (data.groups.some((group) => Number.isFinite(group[name]))) {
      columns.push([head, (group) => format(group[name], name === "n" ? 0 : Math.max(1, digits))]);
    }
  };
  add(data.rowsName ?? "rows", "n");
  if (show.no) add("own average", "own");
  if (show.ownIntervals) { add("own 2.5%", "ownLower"); add("own 97.5%", "ownUpper"); }
  if (show.complete) columns.push(["complete pooling", () => format(data.grand, 1)]);
  if (show.partial) { add("partial pooling", "partial"); add("2.5%", "lower"); add("97.5%", "upper"); }
  add("plug-in 2.5%", "plugLower");
  add("plug-in 97.5%", "plugUpper");
  if (show.truth) add("truth", "truth");
  return [columns.map(([head]) => head), ...data.groups.map((group) => columns.map(([, cell]) => cell(group)))];
}
