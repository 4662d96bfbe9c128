// The library in the reader's browser: Python (Pyodide) in a worker, and the Python that a server runs.

const PACKAGES = ["numpy", "scipy"];
const HOME = "/home/pyodide/partialpool";
let library = null;
let python = null;
let withWorkbooks = false;
let turn = Promise.resolve();

/** Fetch Python, NumPy, SciPy and the library, in the order of their sizes; tells the part that is done. */
async function begin({ pyodide, base }, tell) {
  tell(0.02);
  const { loadPyodide } = await import(`${pyodide}pyodide.mjs`);
  python = await loadPyodide({ indexURL: pyodide });
  tell(0.35);
  for (const [i, name] of PACKAGES.entries()) {
    await python.loadPackage(name, { messageCallback() {}, errorCallback(words) { throw new Error(words); } });
    tell(0.45 + 0.4 * i);
  }
  await add("library.zip", base);
  library = python.pyimport("partialpool.app.in_worker");
  tell(1);
}

async function add(name, base) {
  const answer = await fetch(new URL(name, base));
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  python.unpackArchive(await answer.arrayBuffer(), "zip", { extractDir: HOME });
  python.runPython(`import sys; sys.path[0:0] = [] if "${HOME}" in sys.path else ["${HOME}"]`);
  python.pyimport("importlib").invalidate_caches();
}

/** What reads and writes workbooks, when the first one comes. */
async function addWorkbooks({ base }) {
  if (!withWorkbooks) await add("workbooks.zip", base);
  withWorkbooks = true;
}

const ACTIONS = {
  async open({ id, name, content, settings }, tell) {
    if (!library) await begin(settings, tell);
    if (/\.xls[xm]$/i.test(name) && settings.workbooks) await addWorkbooks(settings);
    const where = unpacked(library.place(folder(id), name));
    python.FS.writeFile(where, new Uint8Array(content));
    return where;
  },

  async ask({ id, name, path, verb, request }, tell) {
    return unpacked(library.answer(path, name, folder(id), verb, JSON.stringify(request ?? {}), tell));
  },

  async download({ id, request, settings }) {
    if (request.kind === "xlsx") await addWorkbooks(settings);
    const pair = library.download(folder(id), JSON.stringify(request));
    try {
      const filename = unpacked(pair.get(0));
      return { filename, content: pair.get(1).toJs() };
    } finally {
      pair.destroy();
    }
  },

  async close({ id }) {
    python.runPython(`import shutil; shutil.rmtree("${folder(id)}", ignore_errors=True)`);
  },
};

function folder(id) {
  return `/home/pyodide/files/${id}`;
}

/** What Python answered; what it could not do is an error with Python's words. */
function unpacked(text) {
  const answer = JSON.parse(text);
  if ("error" in answer) throw Object.assign(new Error(answer.error), { told: true });
  return answer.result;
}

addEventListener("message", ({ data }) => {
  turn = turn.then(async () => {
    const tell = (progress) => postMessage({ call: data.call, progress });
    try {
      postMessage({ call: data.call, result: await ACTIONS[data.action](data, tell) });
    } catch (error) {
      postMessage({ call: data.call, error: error.message, told: error.told === true, begun: library !== null });
    }
  });
});
