// What is folded on a projector, where it would take the room of the picture, stands open elsewhere;
// some of it not on a low screen, either.

export function fold() {
  const big = document.documentElement.hasAttribute("data-big");
  const low = matchMedia("(max-height: 50rem)").matches;
  for (const one of document.querySelectorAll("details.fold")) one.open = !big && !(low && "tall" in one.dataset);
}
