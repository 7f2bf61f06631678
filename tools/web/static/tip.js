// Shows a note in a corner of the window: never on the element that it explains.

export function place(tip, element) {
  tip.hidden = false;
  const box = element.getBoundingClientRect();
  const below = box.bottom > innerHeight - tip.offsetHeight - 30 && box.right > innerWidth - tip.offsetWidth - 30;
  tip.toggleAttribute("data-top", below);
}
