// What stands around every page: search, colours, projector mode, what runs, and what went wrong.

import { choose, chosen, keepInLinks } from "./address.js";
import { startSearch } from "./find.js";
import { fold } from "./fold.js";
import { explainWords } from "./means.js";
import { showRunning } from "./running.js";
import { listen, recorded } from "./source.js";

const root = document.documentElement;
const look = document.getElementById("look");
const big = document.getElementById("big");

look.value = root.dataset.look;
look.addEventListener("change", () => {
  root.dataset.look = look.value;
  choose({ look: look.value === "auto" ? "" : look.value });
});
big.addEventListener("click", () => {
  const on = !root.hasAttribute("data-big");
  root.toggleAttribute("data-big", on);
  big.setAttribute("aria-pressed", String(on));
  choose({ big: on ? "1" : "" });
  fold();
});
document.getElementById("look-label").hidden = false;
big.hidden = false;
fold();
keepInLinks(chosen());

startSearch();
explainWords();

// This says to the server that a page is open, and hears what runs.
if (!recorded) listen("", (events) => showRunning(events.at(-1).runs));

const lost = document.createElement("p");
lost.className = "lost-note";
lost.id = "lost"; // source.js says here why there is no connection
lost.setAttribute("role", "status");
document.body.append(lost);

const trouble = document.getElementById("trouble");
window.addEventListener("unhandledrejection", (event) => {
  trouble.textContent = event.reason?.message ?? String(event.reason);
  trouble.hidden = false;
  event.preventDefault();
});
