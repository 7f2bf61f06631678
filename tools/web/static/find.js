// The search box at the head of every page. What it finds leads to its place; what was asked for
// stands in the address.

import { choose, chosen, keepInLinks } from "./address.js";
import { make } from "./dom.js";
import { excerpt, search } from "./search.js";
import { ask, recorded } from "./source.js";

const KINDS = {
  lab: "experiment", clause: "clause", step: "step", verb: "command", page: "document", term: "term",
  call: "call or option", function: "function", web: "page", story: "story of Play",
};
const form = document.getElementById("seek-all");
const box = document.getElementById("seek");
const found = document.getElementById("found");
let index = null;
let newest = 0;

function shownAs(find, words) {
  const name = [make("span", { class: "kind" }, KINDS[find.kind]), " ", make("b", {}, find.title)];
  const says = make("span", { class: "says" }, excerpt(find, words, index));
  if (!find.place) return make("li", {}, make("div", {}, ...name, says, make("code", {}, find.command)));
  const href = recorded ? `#${find.place.slice(1)}` : find.place;
  return make("li", {}, make("a", { href, "data-keep": "look big" }, ...name, says));
}

// The server reads the index when the first reader searches; from then on it is there at once.
async function load() {
  try {
    index ??= ask("finds", {}, "reference");
    index = await index;
  } catch (problem) {
    index = null;
    throw problem;
  }
}

async function show() {
  const words = box.value.trim();
  const mine = ++newest;
  const loaded = load();
  if (!words) {
    found.hidden = true;
    return loaded;
  }
  if (!index?.finds) {
    found.replaceChildren(make("p", { class: "soft", role: "status" }, "Looking ..."));
    found.hidden = false;
  }
  await loaded;
  if (mine !== newest) return;
  const finds = search(words, index);
  const count = finds.length ? "" : `Nothing answers “${words}”. Try other words, or the first letters of one.`;
  found.replaceChildren(
    make("p", { role: "status", class: finds.length ? "visually-hidden" : null }, count || `${finds.length} found`),
    make("ol", {}, ...finds.map((find) => shownAs(find, words))),
  );
  found.hidden = false;
  keepInLinks(chosen());
}

export function seek(words) {
  box.value = words.slice(0, box.maxLength);
  choose({ seek: words });
  box.focus();
  return show();
}

function hide() {
  newest++;
  found.hidden = true;
}

export function startSearch() {
  form.hidden = false;
  box.value = (chosen().get("seek") ?? "").slice(0, box.maxLength);
  if (box.value) show();
}

box.addEventListener("input", () => {
  choose({ seek: box.value.trim() });
  show();
});
box.addEventListener("focus", show);
form.addEventListener("submit", async (event) => { // Enter opens the first find
  event.preventDefault();
  await show();
  if (!found.hidden) found.querySelector("a")?.click();
});
form.addEventListener("keydown", (event) => {
  const links = [...found.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  if (event.key === "Escape") {
    hide();
    box.focus();
    hide();
  } else if (event.key === "ArrowDown" && !found.hidden && links.length) {
    event.preventDefault();
    links[Math.min(at + 1, links.length - 1)].focus();
  } else if (event.key === "ArrowUp" && at >= 0) {
    event.preventDefault();
    (links[at - 1] ?? box).focus();
  }
});
found.addEventListener("click", (event) => {
  if (event.target.closest("a")) hide();
});
document.addEventListener("pointerdown", (event) => {
  if (!form.contains(event.target)) hide();
});
form.addEventListener("focusout", (event) => {
  if (event.relatedTarget && !form.contains(event.relatedTarget)) hide();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest("input, textarea, select")) return;
  event.preventDefault();
  box.focus();
});
