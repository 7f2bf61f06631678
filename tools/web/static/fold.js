// What is folded on a projector, where it would take the room of the picture, stands open elsewhere.

export function fold() {
  for (const one of document.querySelectorAll("details.fold")) one.open = !document.documentElement.hasAttribute("data-big");
}
