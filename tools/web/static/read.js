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
const stops = document.getElementById("stops");
const ECHO = "echo"; // in place of a pattern: the lecture's programs
const STEPS_OF = "raw"; // the panel whose way begins with them

let pattern = page.pattern;
let names = page.names;
let file = page.file; // shown whole, in place of panels
let wanted = 0;
let stands = true; // what the address names is shown
const { steps } = page;

// The panels that are shown.

const places = [...form.querySelectorAll("[data-place]")];

function mirror() {
  form.elements.pattern.value = pattern;
  places.forEach((select, at) => (select.value = names[at] ?? ""));
  form.toggleAttribute("data-echo", pattern === ECHO);
  const way = file || pattern === ECHO ? null : Object.entries(page.ways).find(([, stops]) => names.length === 2 && isStep(stops));
  document.getElementById("way").toggleAttribute("data-live", true);
  if (way) {
    towards.value = way[0];
    step.value = way[1].indexOf(names[1]);
  }
  if (pattern === ECHO) towards.value = STEPS_OF;
  showWay(Boolean(way));
  if (pattern === ECHO) step.value = 0;
}

const isStep = (stops) => stops.indexOf(names[1]) > 0 && stops.indexOf(names[0]) === stops.indexOf(names[1]) - 1;

// What has been shown stays in the history: the browser's Back leads there. What the slider has
// passed over before it came does not.
function show(there = {}) {
  file = "";
  choose({ pattern: pattern === "reqrep" ? "" : pattern, panels: panels(), p0: "", p1: "", p2: "", at: "", function: "", file: "", line: "", ...there }, stands);
  return fill();
}

const panels = () => (pattern === ECHO ? "" : names.join(" "));

async function fill() {
  mirror();
  const mine = ++wanted;
  stands = false;
  const before = reading.querySelector(".reading");
  before?.setAttribute("aria-busy", "true");
  try {
    const answer = file ? await ask("file", { file }) : await ask("alignment", { pattern, panels: panels() });
    if (mine !== wanted) return;
    // What the server made with the page's own template.
    const made = new DOMParser().parseFromString(answer.html, "text/html");
    reading.replaceChildren(...made.body.childNodes);
    tip.hidden = true;
    offerBreaks();
    keepInLinks(chosen());
    stands = true;
  } catch (problem) {
    if (mine !== wanted) return;
    before?.removeAttribute("aria-busy");
    throw problem;
  }
}

// What the address names, if that is another view than the one that stands here.
async function follow() {
  const now = chosen();
  const before = [file, pattern, panels()].join();
  file = now.get("file") ?? "";
  pattern = now.get("pattern") ?? "reqrep";
  if (now.has("panels")) names = now.get("panels").split(" ");
  else if (!file && pattern !== ECHO) names = page.first;
  if ([file, pattern, panels()].join() !== before) await fill();
  else if (location.hash && !recorded) return; // an entry of the glossary
  goThere();
}
if (!recorded) window.addEventListener("popstate", follow); // a report loads itself again

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
  const names = page.ways[towards.value];
  const first = towards.value === STEPS_OF ? 0 : 1;
  step.min = first;
  step.max = names.length - 1;
  step.disabled = names.length - 1 === first;
  const at = Number(step.value);
  for (const list of document.querySelectorAll(".stops")) list.toggleAttribute("data-shown", list.dataset.towards === towards.value);
  document.querySelectorAll(".stops > li").forEach((item) => {
    const here = on && item.closest("[data-shown]") && item.dataset.step;
    const echo = pattern === ECHO ? item.dataset.step : "";
    if (echo === "0-echo" || (here && here === names[at])) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
    item.toggleAttribute("data-before", Boolean((here && names.indexOf(here) === at - 1) || (echo && echo === names[0])));
  });
  const echo = pattern === ECHO;
  step.setAttribute("aria-valuetext", on ? `${names[at]}, beside ${names[at - 1]}` : file ? "a file is shown" : echo ? `0-echo, beside ${names[0]}` : "other panels are shown");
  document.getElementById("slide-label").textContent = on ? `What ${names[at]} adds to ${names[at - 1]}${brief(names[at])}` : echo ? `0-echo beside ${names[0]}` : "Slide over the steps";
  showAdds(on ? names[at] : "");
}

function brief(name) {
  const { lines, gained } = steps?.[name]?.adds ?? {};
  return gained ? `: ${lines} lines in all files, ${gained.length} clause${gained.length === 1 ? "" : "s"}` : "";
}

function showAdds(name) {
  const one = steps?.[name];
  if (!name || !one?.adds) {
    adds.replaceChildren();
    return;
  }
  const { to, lines, gained, lost } = one.adds;
  const named = (clause) => {
    const { title } = one.clauses[clause];
    const link = { class: "means", href: `/reference?at=clause-${clause}`, "data-keep": "look big", title: `${clause}: ${title}.` };
    return [make("a", link, make("b", {}, clause)), ` ${title}`];
  };
  const entry = (clause, why) => make("li", {}, ...named(clause), why ? `: ${why}, ` : ", ",
    make("a", { href: `/lab?experiment=${one.clauses[clause].experiment}`, "data-keep": "look big" }, `lab ${one.clauses[clause].experiment}`));
  const count = lines < 0 ? `${-lines} lines of code fewer` : `${lines} lines of code more`;
  const all = Object.keys(one.clauses).length;
  adds.replaceChildren(...[
    make("p", {}, `${name} has ${count} than ${to}, in all files of both patterns, and keeps ${one.kept} of ${all} clauses. `,
      gained.length ? "New among them:" : one.buys ? `It keeps the same ones as before. The lines buy ${one.buys}.` : "It keeps the same ones as before."),
    gained.length && make("ul", {}, gained.map((clause) => entry(clause))),
    gained.length && make("details", {}, make("summary", {}, `Why ${to} does not keep them`),
      make("ul", {}, gained.map((clause) => entry(clause, steps[to].clauses[clause].reason)))),
    lost.length && make("p", {}, "It no longer keeps:"),
    lost.length && make("ul", {}, lost.map((clause) => make("li", {}, ...named(clause)))),
  ].filter(Boolean));
  keepInLinks(chosen());
}

function slideTo() {
  const way = page.ways[towards.value];
  const at = Math.min(Number(step.value), way.length - 1);
  if (at > 0) names = [way[at - 1], way[at]];
  if (at === 0) pattern = ECHO;
  else if (pattern === ECHO) pattern = "reqrep";
  show();
}

step.addEventListener("input", slideTo);
towards.addEventListener("change", () => {
  step.value = 1;
  slideTo();
});
stops.addEventListener("click", (event) => {
  const stop = event.target.closest("a.stop");
  if (!stop || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  towards.value = stop.closest(".stops").dataset.towards;
  const way = page.ways[towards.value];
  const at = way.indexOf(stop.closest("li").dataset.step);
  step.min = 0;
  step.max = way.length - 1;
  step.value = Math.max(0, at); // the echo programs are on no way
  slideTo();
});
slide.hidden = false;
mirror();
if (recorded) follow(); // a link into a report

// A function, or one of the echo programs: what the address names is shown.

function goThere() {
  const now = chosen();
  const wanted = now.get("function");
  const line = reading.querySelector(`#line-${CSS.escape(now.get("line") ?? "")}`);
  if (line) {
    point(line);
    return;
  }
  const place = wanted ? reading.querySelector(`[data-function="${CSS.escape(wanted)}"]`) : document.getElementById(now.get("at"));
  place?.scrollIntoView();
}

reading.addEventListener("click", (event) => {
  const link = event.target.closest(".functions a[data-at]");
  if (!link) return;
  event.preventDefault();
  choose({ [pattern === ECHO ? "at" : "function"]: link.dataset.at });
  goThere();
});
reading.addEventListener("click", (event) => { // a line that serves a clause
  const link = event.target.closest("a[data-line]");
  if (!link) return;
  event.preventDefault();
  const line = reading.querySelector(`td.panel-${CSS.escape(link.dataset.panel)}[data-n="${link.dataset.line}"]`);
  point(line);
});
reading.addEventListener("click", (event) => { // a line of the file that is shown
  const link = event.target.closest("a[data-at-line]");
  if (!link) return;
  event.preventDefault();
  choose({ line: link.dataset.atLine });
  goThere();
});
if (!recorded) goThere();

function point(line) {
  line.scrollIntoView({ block: "center" });
  for (const other of reading.querySelectorAll("[data-n][data-on]")) other.removeAttribute("data-on");
  line.toggleAttribute("data-on", true);
}

// The echo programs are compiled, run and broken.

function offerBreaks() {
  const button = document.getElementById("break-them");
  if (button && !recorded) button.hidden = false;
}

reading.addEventListener("click", async (event) => {
  const button = event.target.closest("#break-them");
  if (!button) return;
  const state = document.getElementById("break-state");
  button.disabled = true;
  state.textContent = "They are compiled, run, and broken in ten ways. It takes about ten seconds.";
  try {
    const { html } = await ask("breaks");
    const made = new DOMParser().parseFromString(html, "text/html"); // made with the page's own template
    document.getElementById("broken").replaceChildren(...made.body.childNodes);
    state.textContent = "As they broke in the newest run.";
    keepInLinks(chosen());
  } catch (problem) {
    state.textContent = problem.message;
  }
  button.disabled = false;
});
offerBreaks();

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
