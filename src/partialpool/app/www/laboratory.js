// The laboratory: worlds whose truth is known, the classic simulator, and classic data.

import { choice } from "./lesson/controls.js";
import { speaker, stylesheet } from "./laboratory/dom.js";
import { NAMES, read } from "./laboratory/settings.js";
import { dataView } from "./laboratory/data_view.js";
import { worldView } from "./laboratory/world_view.js";

const VIEWS = [["world", "Any world"], ["classic", "Classic simulator"], ["data", "Data"]];
const LEADS = {
  world: "Schools whose truth is known, because they are simulated. Change one thing and watch the pull.",
  classic: "Three sliders, schools of one size, μ = 70, σ known to be 10, τ by the method of moments.",
  data: "The data that the subject grew up with, fitted by the library behind this page.",
};

export async function mount(section, context) {
  await stylesheet("laboratory.css");
  const { address } = context;
  section.innerHTML = '<div class="lab"><h1 class="unseen">Laboratory</h1><div class="lab-head"></div><p class="lab-lead"></p>' +
    '<div class="lab-view"></div><p class="unseen" role="status" aria-live="polite"></p></div>';
  const [, head, lead, host, live] = section.firstElementChild.children;
  const voice = speaker(live);
  const views = choice({ label: "What to look at", hidden: true, options: VIEWS, value: "world", onChange: (view) => {
    const cleared = Object.fromEntries(NAMES.map((name) => [name, null]));
    address.write({ ...cleared, view: view === "world" ? null : view }, { push: true });
  } });
  head.append(views.element);
  let view = null;
  let kind = null;

  async function open(next) {
    view?.remove();
    view = null;
    kind = next;
    const own = document.createElement("div");
    host.replaceChildren(own);
    const tools = { address, voice, classics: context.classics };
    try {
      const made = next === "data" ? await dataView(own, tools) : worldView(own, { ...tools, classic: next === "classic" });
      if (kind === next) view = made;
      else made.remove();
    } catch (error) {
      own.innerHTML = '<p class="alone">The classic data could not be loaded. Reload the page to try again.</p>';
      kind = null;
      throw error;
    }
  }

  return {
    async show(parameters) {
      const state = read(parameters);
      views.set(state.view);
      lead.textContent = LEADS[state.view];
      if (state.view !== kind) await open(state.view);
      if (state.view === kind) view?.show(state);
    },
    hide() {
      voice.stop();
      view?.hide();
    },
  };
}
