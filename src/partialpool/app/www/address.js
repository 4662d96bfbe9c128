// The page's state lives in its address, so that Back, reload and a sent link show the same thing.

const listeners = new Set();

// A page inside srcdoc (a notebook's frame) has no address that it may change: its settings
// then live here, and begin with what the frame's maker wrote into <meta name="parameters">.
let memory = null;
if (typeof window !== "undefined" && location.href.startsWith("about:")) {
  memory = document.querySelector('meta[name="parameters"]')?.content ?? "";
}

function parameters() {
  return new URLSearchParams(memory ?? location.search);
}

/** The settings in the address, as a plain object of strings. */
export function read() {
  return { ...Object.fromEntries(parameters()), ...waitingValues() };
}

function waitingValues() {
  const values = {};
  for (const [name, value] of Object.entries(waiting ?? {})) {
    values[name] = value === null || value === undefined ? undefined : String(value);
  }
  return values;
}

/** The address with some settings changed; null takes a setting out. */
export function link(changes) {
  const changed = parameters();
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined) changed.delete(name);
    else changed.set(name, String(value));
  }
  const query = changed.toString();
  return (query ? `?${query}` : memory === null ? location.pathname : "?") + location.hash;
}

let waiting = null;
let timer = 0;

/**
 * Change settings in the address. With push, Back returns to what was before; without, the
 * present entry is changed, after a pause: browsers refuse more than a hundred changes in
 * half a minute, and a slider makes more.
 */
export function write(changes, { push = false } = {}) {
  if (push) {
    flush();
    if (link(changes) !== link({})) put("pushState", link(changes));
    for (const listener of listeners) listener(read());
    return;
  }
  waiting = { ...waiting, ...changes };
  clearTimeout(timer);
  timer = setTimeout(flush, 250);
}

/** Write at once what waits. */
export function flush() {
  clearTimeout(timer);
  if (!waiting) return;
  const changes = waiting;
  waiting = null;
  if (link(changes) !== link({})) put("replaceState", link(changes));
}

function put(method, next) {
  if (memory !== null) memory = next.replace(/^\?|#.*$/g, "");
  else history[method](null, "", next);
}

/** Call back with the settings after Back, Forward, or a pushed change; returns an undo. */
export function onChange(callback) {
  listeners.add(callback);
  return () => listeners.delete(callback);
}

if (typeof window !== "undefined") {
  addEventListener("popstate", () => {
    waiting = null;
    clearTimeout(timer);
    for (const listener of listeners) listener(read());
  });
  addEventListener("pagehide", flush);
}
