// Small shapes of a diagram.

import { draw } from "./dom.js";

// What was not received.
export function cross(x, y) {
  return draw("path", { class: "cross", d: `M${x - 5} ${y - 5}l10 10m0 -10l-10 10` });
}

// How long somebody waited, right of a lifeline.
export function bracket(x, y0, y1) {
  return draw("path", { class: "wait", d: `M${x + 3} ${y0 + 2}h4V${y1 - 1}h-4` });
}

// The tip of an arrow.
export function tip(x0, y0, x1, y1) {
  const length = Math.hypot(x1 - x0, y1 - y0) || 1;
  const ux = (x1 - x0) / length;
  const uy = (y1 - y0) / length;
  const bx = x1 - ux * 10;
  const by = y1 - uy * 10;
  return draw("path", { d: `M${x1} ${y1}L${bx - uy * 4.5} ${by + ux * 4.5}L${bx + uy * 4.5} ${by - ux * 4.5}Z` });
}
