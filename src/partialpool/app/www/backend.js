// The user's file by way of the server: sends it, asks about it, and says when the connection is lost.

const SECRET = "partialpool-session";
const SILENT = 20000; // milliseconds: the server gives a sign of life every two seconds

/** What went wrong, in a sentence; kind is "lost" (no connection), "gone" (the file) or "refused". */
export class BackendError extends Error {
  constructor(message, kind = "refused") {
    super(message);
    this.kind = kind;
  }
}

let session = null;
let beginning = null;

function remembered() {
  try {
    return sessionStorage.getItem(SECRET) ?? "";
  } catch {
    return "";
  }
}

function remember(secret) {
  try {
    sessionStorage.setItem(SECRET, secret);
  } catch {
    // a page without storage keeps it as long as it is open
  }
}

async function call(path, { method = "POST", body, signal, keepalive } = {}) {
  const headers = { "X-Session": session?.session ?? remembered() };
  let answer;
  try {
    answer = await fetch(path, { method, body, signal, keepalive, headers, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new BackendError("The connection to the server is lost.", "lost");
  }
  if (answer.ok) return answer;
  let words = `the server answered ${answer.status}`;
  try {
    words = (await answer.json()).error ?? words;
  } catch {
    // an answer that is not ours has no words for the reader
  }
  if (answer.status === 410) session = null;
  throw new BackendError(sentence(words), answer.status === 410 ? "gone" : "refused");
}

/** Words as a sentence: a capital first, a full stop last. */
export function sentence(words) {
  const text = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.?!]$/.test(text) ? text : `${text}.`;
}

async function begun() {
  if (session) return session;
  beginning ??= call("api/session").then((answer) => answer.json()).finally(() => { beginning = null; });
  session = await beginning;
  remember(session.session);
  return session;
}

/** Lines of JSON as they come; an error where nothing comes for long. */
async function* lines(answer, signal) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    while (true) {
      const { done, value } = await timely(reader.read());
      if (done) break;
      rest += value;
      const parts = rest.split("\n");
      rest = parts.pop();
      for (const part of parts) if (part) yield JSON.parse(part);
    }
  } catch (error) {
    if (signal?.aborted) throw new DOMException("cancelled", "AbortError");
    throw error instanceof BackendError ? error : new BackendError("The connection to the server is lost.", "lost");
  } finally {
    reader.cancel().catch(() => {});
  }
}

function timely(promise) {
  let timer;
  const late = new Promise((_, refuse) => {
    timer = setTimeout(() => refuse(new BackendError("The connection to the server is lost.", "lost")), SILENT);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function ask(id, verb, request, { onProgress, signal } = {}) {
  const body = JSON.stringify(request ?? {});
  const answer = await call(`api/files/${id}/${verb}`, { body, signal });
  for await (const line of lines(answer, signal)) {
    if ("result" in line) return line.result;
    if ("error" in line) throw new BackendError(sentence(line.error), gone(line.error) ? "gone" : "refused");
    onProgress?.(line.progress);
  }
  throw new BackendError("The connection to the server is lost.", "lost");
}

function gone(words) {
  return /is no longer here|no longer kept/.test(words);
}

export const backend = {
  /** Where a file goes, in words. */
  where: "CSV, TSV, Excel or Parquet. The file is read by the program that serves this page, and removed there when you leave.",

  /** The file that the server was started with: its name, or null. */
  async given() {
    return (await begun()).given;
  },

  async openGiven() {
    await begun();
    return (await (await call("api/given")).json()).id;
  },

  /** Send a file; returns its id. */
  async open(file, { signal } = {}) {
    const { largest } = await begun();
    if (file.size > largest) {
      const most = Math.round(largest / 2 ** 20);
      throw new BackendError(`The file is larger than ${most} MB; the command and Python have no limit.`);
    }
    const answer = await call(`api/files?name=${encodeURIComponent(file.name)}`, { body: file, signal });
    return (await answer.json()).id;
  },

  /** Whether a file of before a reload is still there. */
  async has(id) {
    return (await begun()).files.includes(id);
  },

  columns: (id, reading) => ask(id, "columns", reading),
  fit: (id, choices, options) => ask(id, "fit", choices, options),
  ask,

  async download(id, kind, request = {}) {
    const body = JSON.stringify({ ...request, kind });
    const answer = await call(`api/files/${id}/download`, { body });
    const name = /filename\*=UTF-8''([^;]+)/.exec(answer.headers.get("Content-Disposition") ?? "");
    return { blob: await answer.blob(), filename: name ? decodeURIComponent(name[1]) : `partialpool.${kind}` };
  },

  async close(id) {
    await call(`api/files/${id}`, { method: "DELETE" });
  },

  /** Whether the server answers. */
  async alive() {
    session = null;
    await begun();
  },
};

addEventListener("pagehide", () => {
  if (session) call("api/leave", { keepalive: true }).catch(() => {});
});
