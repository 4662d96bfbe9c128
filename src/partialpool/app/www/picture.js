// The pictures of the lesson and the laboratory: SVG, no arithmetic of statistics.
// Each takes a host element and data, and returns {update(data), table(), svg, remove()}.

export { axisAround, escape, format, legend, tableHtml } from "./picture/base.js";
export { bars } from "./picture/bars.js";
export { clouds } from "./picture/clouds.js";
export { curve } from "./picture/curve.js";
export { estimates } from "./picture/estimates.js";
export { population } from "./picture/population.js";
export { seesaw } from "./picture/seesaw.js";
export { stacked } from "./picture/stacked.js";
