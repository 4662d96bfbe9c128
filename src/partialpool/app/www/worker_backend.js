// The user's file without a server: a worker with the library. The file never leaves the browser.

import { BackendError, sentence } from "./backend.js";

const LARGEST = 100; // MB: the file, its columns as text and the fit are in the browser's memory
const ALONE = ["columns", "formula", "fit"]; // what needs the file and no fit of it
const PARQUET = /\.(parquet|pq|parq)$/i; // needs DuckDB, which is not fetched
const files = new Map();
const places = new Map();
const calls = new Map();
let worker = null;
let count = 0;

function setting(name) {
  return document.querySelector(`meta[name="${name}"]`)?.content ?? "";
}

function settings() {
  return {
    pyodide: new URL(setting("pyodide"), document.baseURI).href,
    base: new URL(".", import.meta.url).href,
    workbooks: setting("workbooks") === "yes",
  };
}

function begun() {
  if (worker) return worker;
  worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  worker.addEventListener("message", ({ data }) => {
    const call = calls.get(data.call);
    if ("progress" in data) call?.onProgress?.(data.progress);
    else if (call && "error" in data) failed(call, data);
    else call?.done(data.result);
  });
  worker.addEventListener("error", () => {
    end(new BackendError("The part of the page that reads files could not be started.", "refused"));
  });
  return worker;
}

/** Refuse a call in words: those of the library; or Python is not there, or has failed. */
function failed(call, { error, told, begun: python }) {
  if (told) {
    call.refuse(new BackendError(sentence(error), /no longer/.test(error) ? "gone" : "refused"));
    return;
  }
  console.error(error);
  const host = new URL(settings().pyodide).host;
  const words = python
    ? "Something went wrong here that should not have. Choose the file again."
    : `Python could not be fetched from ${host}: are you online? Try again.`;
  call.refuse(new BackendError(words));
  end(new BackendError("Python has been stopped.", "gone"));
}

/** End the worker, and with it all that it is doing; files are given to the next one. */
function end(error) {
  worker?.terminate();
  worker = null;
  places.clear();
  for (const call of [...calls.values()]) call.refuse(error);
}

function send(action, fields, { onProgress, signal } = {}, transfer = []) {
  if (signal?.aborted) return Promise.reject(new DOMException("cancelled", "AbortError"));
  const call = ++count;
  return new Promise((done, refuse) => {
    // nothing but the end of its worker stops Python; other questions wait for the same worker
    const cancel = () => {
      calls.get(call)?.refuse(new DOMException("cancelled", "AbortError"));
      end(new BackendError("Cancelled.", "gone"));
    };
    const settle = (how) => (value) => {
      calls.delete(call);
      signal?.removeEventListener("abort", cancel);
      how(value);
    };
    calls.set(call, { done: settle(done), refuse: settle(refuse), onProgress });
    signal?.addEventListener("abort", cancel);
    begun().postMessage({ call, action, ...fields }, transfer);
  });
}

/** Give the worker a file, unless it has it; where it lost a fit of it, that is said. */
async function give(id, verb, options) {
  if (places.has(id)) return;
  const file = files.get(id);
  if (!file || !ALONE.includes(verb)) throw new BackendError("The file is no longer here. Choose it again.", "gone");
  const content = await file.arrayBuffer();
  const path = await send("open", { id, name: file.name, content, settings: settings() }, options, [content]);
  places.set(id, path);
}

async function ask(id, verb, request, options) {
  await give(id, verb, options);
  return send("ask", { id, name: files.get(id).name, path: places.get(id), verb, request }, options);
}

export const backend = {
  /** Where a file goes, in words. */
  where: "CSV, TSV or Excel. The file stays in your browser. To read it, the page fetches Python once (about 40 MB).",

  async open(file, options) {
    if (PARQUET.test(file.name)) {
      throw new BackendError("In the browser Parquet files cannot be read: save the table as CSV or Excel.");
    }
    if (file.size > LARGEST * 2 ** 20) {
      throw new BackendError(`The file is larger than ${LARGEST} MB; the command and Python have no limit.`);
    }
    const id = `file${++count}`;
    files.set(id, file);
    try {
      await give(id, "columns", options);
    } catch (error) {
      files.delete(id);
      throw error;
    }
    return id;
  },

  columns: (id, reading, options) => ask(id, "columns", reading, options),

  async fit(id, choices, options) {
    const result = await ask(id, "fit", choices, options);
    const here = (kind) => kind !== "parquet" && (kind !== "xlsx" || settings().workbooks);
    return { ...result, downloads: result.downloads.filter(here) };
  },

  ask,

  async download(id, kind, request = {}) {
    await give(id, "download");
    const { filename, content } = await send("download", { id, request: { ...request, kind }, settings: settings() });
    return { blob: new Blob([content]), filename };
  },

  async close(id) {
    files.delete(id);
    if (places.delete(id)) await send("close", { id });
  },
};
