// Averages over worlds, computed a piece at a time, so that the page never waits.

import { expected } from "../worlds.js";
import { AVERAGES_SEED, WORLDS, worldOf } from "./settings.js";

/** Time of one piece in milliseconds: half a frame. */
const PIECE = 8;
/** Worlds after which the bars move: at once, when they can be read, and when they are done. */
const SHOWN_AT = [100, 500, WORLDS];

/** Settings on which the averages depend: not the draw. */
export function averagesKey(state) {
  return JSON.stringify([worldOf(state), state.sigma_known, state.estimator]);
}

/** Averages of this module's worlds, in the words of the laboratory. */
export function told(sums, estimator) {
  return {
    replicates: sums.replicates,
    no: sums.mse.no_pooling, complete: sums.mse.complete_pooling, partial: sums.mse[estimator],
    overNo: sums.overNo[estimator], overComplete: sums.overComplete[estimator], best: sums.best[estimator],
    coverage: sums.coverage[estimator],
  };
}

/** All worlds at once; for tests. */
export function allAverages(state) {
  return told(expected({ ...settingsOf(state), replicates: WORLDS }, [state.estimator]), state.estimator);
}

function settingsOf(state) {
  return { ...worldOf(state), sigmaKnown: state.sigma_known, seed: AVERAGES_SEED };
}

/** Keeps the averages of the present settings coming; `ready(averages)` is called as they grow. */
export function averager(ready) {
  let key = null;
  let latest = null;
  let timer = 0;
  const stop = () => clearTimeout(timer);
  const start = (state) => {
    if (averagesKey(state) === key) return latest;
    stop();
    key = averagesKey(state);
    latest = null;
    const settings = settingsOf(state);
    let sums = null;
    let size = 0;
    let next = 4;
    let from = 0;
    const piece = () => {
      const began = performance.now();
      size = Math.min(next, WORLDS - from);
      sums = expected({ ...settings, replicates: size, from }, [state.estimator], sums);
      from += size;
      const took = performance.now() - began;
      next = Math.max(1, Math.min(400, Math.round((size * PIECE) / Math.max(took, 0.2))));
      if (from < WORLDS) timer = setTimeout(piece);
      if (SHOWN_AT.some((worlds) => from >= worlds && from - size < worlds)) {
        latest = told(sums, state.estimator);
        ready(latest);
      }
    };
    timer = setTimeout(piece);
    return latest;
  };
  return { start, stop() { stop(); if (!latest || latest.replicates < WORLDS) key = null; } };
}
