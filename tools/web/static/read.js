// The page Read: choosing panels, sliding over the steps, and what a word means.

import { choose, chosen, keepInLinks } from "./address.js";
import { make } from "./dom.js";
import { ask, known, recorded } from "./source.js";
import { place } from "./tip.js";

const page = known.data;
const reading = document.getElementById("reading");
const form = document.getElementById("choose");
const slide = document.getElementById("slide");
const step = document.getElementById("step");
const towards = document.getElementById("towards");
const adds = document.getElementById("adds");
const tip = document.getElementById("tip");

let pattern = page.pattern;
let names = page.names;
let steps = page.steps;
let wanted = 0;

// The panels that are shown.

const places = [...form.querySelectorAll("[data-place]")];

function mirror() {
  form.elements.pattern.value = pattern;
  places.forEach((select, at) => (select.value = names[at] ?? ""));
  const way = Object.entries(page.ways).find(([, stops]) => names.length === 2 && isStep(stops));
  document.getElementById("way").toggleAttribute("data-live", true);
  if (way) {
    towards.value = way[0];
    step.value = way[1].indexOf(names[1]);
  }
  showWay(Boolean(way));
}

const isStep = (stops) => stops.indexOf(names[1]) > 0 && stops.indexOf(names[0]) === stops.indexOf(names[1]) - 1;

async function show() {
  choose({ pattern: pattern === "reqrep" ? "" : pattern, panels: names.join(" "), p0: "", p1: "", p2: "" });
  mirror();
  const mine = ++wanted;
  const before = reading.querySelector(".reading");
  before?.setAttribute("aria-busy", "true");
  try {
    const answer = await ask("alignment", { pattern, panels: names.join(" ") });
    if (mine !== wanted) return;
    // What the server made with the page's own template.
    const made = new DOMParser().parseFromString(answer.html, "text/html");
    reading.replaceChildren(...made.body.childNodes);
    tip.hidden = true;
    keepInLinks(chosen());
  } catch (problem) {
    if (mine !== wanted) return;
    before?.removeAttribute("aria-busy");
    throw problem;
  }
}

form.addEventListener("change", (event) => {
  pattern = form.elements.pattern.value;
  const at = Number(event.target.dataset.place ?? -1);
  let picked = places.map((select) => select.value);
  if (at >= 0) picked = picked.map((name, other) => (other !== at && name === picked[at] ? names[at] ?? "" : name));
  names = picked.filter(Boolean);
  show();
});
form.addEventListener("submit", (event) => event.preventDefault());

// The slider over the steps.

function showWay(on = true) {
  const stops = page.ways[towards.value];
  step.max = stops.length - 1;
  step.disabled = stops.length === 2;
  const at = Number(step.value);
  for (const list of document.querySelectorAll(".stops")) list.toggleAttribute("data-shown", list.dataset.towards === towards.value);
  document.querySelectorAll(".stops li").forEach((item) => {
    const here = on && item.closest("[data-shown]") && item.dataset.step;
    if (here && here === stops[at]) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
    item.toggleAttribute("data-before", Boolean(here && stops.indexOf(here) === at - 1));
  });
  step.setAttribute("aria-valuetext", on ? `${stops[at]}, beside ${stops[at - 1]}` : "other panels are shown");
  document.getElementById("slide-label").textContent = on ? `What ${stops[at]} adds to ${stops[at - 1]}` : "Slide over the steps";
  showAdds(on ? stops[at] : "");
}

function showAdds(name) {
  const one = steps?.[name];
  if (!name || !one?.adds) {
    adds.replaceChildren();
    return;
  }
  const { to, lines, gained, lost } = one.adds;
  const entry = (clause, more) => {
    const { title, experiment } = one.clauses[clause];
    return make("li", {}, make("b", {}, clause), ` ${more ?? title}, `,
      make("a", { href: `/lab?experiment=${experiment}`, "data-keep": "look big" }, `lab ${experiment}`));
  };
  const count = lines < 0 ? `${-lines} lines of code fewer` : `${lines} lines of code more`;
  const all = Object.keys(one.clauses).length;
  adds.replaceChildren(...[
    make("p", {}, `${name} has ${count} than ${to}, both patterns together, and keeps ${one.kept} of ${all} clauses. `,
      gained.length ? "New among them:" : "It keeps the same ones as before."),
    gained.length && make("ul", {}, gained.map((clause) => entry(clause))),
    gained.length && make("details", {}, make("summary", {}, `Why ${to} does not keep them`),
      make("ul", {}, gained.map((clause) => entry(clause, steps[to].clauses[clause].reason)))),
    lost.length && make("p", {}, `It no longer keeps ${lost.join(", ")}.`),
  ].filter(Boolean));
  keepInLinks(chosen());
}

function slideTo() {
  const stops = page.ways[towards.value];
  const at = Math.min(Number(step.value), stops.length - 1);
  names = [stops[at - 1], stops[at]];
  show();
}

step.addEventListener("input", slideTo);
towards.addEventListener("change", () => {
  step.value = 1;
  slideTo();
});
for (const stop of document.querySelectorAll("a.stop")) {
  stop.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const list = stop.closest(".stops");
    towards.value = list.dataset.towards;
    step.max = list.children.length - 1;
    step.value = page.ways[towards.value].indexOf(stop.closest("li").dataset.step);
    slideTo();
  });
}
slide.hidden = false;
mirror();
if (recorded && (chosen().get("panels") ?? names.join(" ")) !== names.join(" ")) { // a link into a report
  pattern = chosen().get("pattern") ?? "reqrep";
  names = chosen().get("panels").split(" ");
  show();
}
if (!steps && !recorded) {
  ask("steps").then((said) => {
    steps = said;
    for (const item of document.querySelectorAll(".stops li")) {
      const more = steps[item.dataset.step]?.adds;
      if (more && !item.querySelector(".adds"))
        item.append(make("span", { class: "adds" }, `${more.lines < 0 ? "" : "+"}${more.lines} lines${more.gained.length ? `, newly keeps ${more.gained.join(" ")}` : ""}`));
    }
    mirror();
  });
}

// What a word means: under the pointer, or with the keyboard.

function explain(word) {
  const article = word.closest(".reading");
  const entry = article.querySelector(`.entry[data-word="${CSS.escape(word.dataset.word)}"]`);
  if (!entry) return;
  for (const other of article.querySelectorAll(".word[data-on]")) other.removeAttribute("data-on");
  for (const same of article.querySelectorAll(`.word[data-word="${CSS.escape(word.dataset.word)}"]`)) same.setAttribute("data-on", "");
  tip.replaceChildren(...[...entry.children].map((part) => part.cloneNode(true)));
  place(tip, word);
}

function forget() {
  tip.hidden = true;
  for (const other of document.querySelectorAll(".word[data-on]")) other.removeAttribute("data-on");
}

for (const kind of ["pointerover", "focusin"]) {
  reading.addEventListener(kind, (event) => {
    const word = event.target.closest("a.word");
    if (word) explain(word);
  });
}
reading.addEventListener("click", (event) => {
  if (event.target.closest("a.word")) event.preventDefault(); // without scripts it leads to its entry
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") forget();
});
document.addEventListener("pointerdown", (event) => {
  if (!event.target.closest("a.word, .tip")) forget();
});
