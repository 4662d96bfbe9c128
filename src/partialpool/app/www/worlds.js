// The arithmetic of worlds, one place to import it from: noise, estimators, posterior, averages.
// Pure functions, held to the library to 1e-9 by tests/browser/test_worlds_module.py. Counts,
// regression and files are the library's and not here.

export { normalCdf, normalDensity, normalQuantile, tCdf, tDensity, tQuantile } from "./worlds/special.js";
export { POPULATIONS, ROLES, philox, pupils, sizes, uniform, world } from "./worlds/noise.js";
export {
  FLOOR, completePooling, jamesStein, moments, noPooling, reml, sigmaUsed,
} from "./worlds/estimators.js";
export { posterior } from "./worlds/posterior.js";
export { ESTIMATORS, expected } from "./worlds/expected.js";
