// One experiment: a prediction, a run that is told while it happens, and what was seen.

import { choose, chosen } from "./address.js";
import { make } from "./dom.js";
import { ask, known, listen, recorded } from "./source.js";

const WORDS = {
  matches: "as recorded",
  deviates: "other than recorded",
  unrecorded: "nothing is recorded",
  skipped: "skipped",
  broken: "broke off",
};

export function showExperiment(article, experiment) {
  const part = (selector) => article.querySelector(selector);
  const seen = part(".seen-part");
  const told = part(".told");
  const state = part(".run-state");
  const [run, look, stop] = [part(".run"), part(".look"), part(".stop")];
  const panels = Object.fromEntries(known.panels.map((panel) => [panel.name, panel]));
  let outcomes = experiment.now;
  let prediction = Number(chosen().get("predict")) || 0;

  // The prediction.

  const choices = [...article.querySelectorAll(".choices li")].map((item, index) => {
    const button = make("button", { type: "button", "data-number": index + 1, "aria-pressed": "false" }, item.textContent);
    button.addEventListener("click", () => {
      prediction = prediction === index + 1 ? 0 : index + 1;
      choose({ predict: prediction });
      predicted();
    });
    item.replaceChildren(button);
    return button;
  });

  // The number in front of an answer is its key.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    choices[/^[1-9]$/.test(event.key) ? Number(event.key) - 1 : -1]?.click();
  });

  function predicted() {
    choices.forEach((button, index) => button.setAttribute("aria-pressed", String(index + 1 === prediction)));
    const verdict = part(".verdict");
    const answers = Object.entries(outcomes).filter(([, outcome]) => outcome.answer);
    verdict.hidden = !prediction || !answers.length;
    if (verdict.hidden) return;
    const right = answers.filter(([, outcome]) => outcome.answer === prediction).map(([name]) => name);
    const so = right.length ? `That came true in ${right.join(", ")}.` : "That came true in no panel.";
    verdict.textContent = `You expected: ${experiment.predict[prediction - 1]}. ${so}`;
  }

  // The run.

  function cards(names) {
    told.replaceChildren(
      ...names.map((name) =>
        make("section", { class: `card panel panel-${name}`, "data-panel": name },
          make("h4", {}, make("span", { class: "mark", "aria-hidden": "true" }, panels[name].mark), ` ${name}`),
          make("ol"))),
    );
    told.className = `panels panels-${names.length} told`;
    told.hidden = false;
  }

  function heard(event, end) {
    if (event.event === "said") {
      let list = told.querySelector(`[data-panel="${CSS.escape(event.panel)}"] ol`);
      list?.append(make("li", {}, make("time", {}, `${event.seconds.toFixed(2)} s`), make("bdi", {}, event.text)));
    } else if (event.event === "run") {
      outcomes = event.panels;
      for (const [name, outcome] of Object.entries(outcomes)) showOutcome(name, outcome);
      seen.open = true;
      predicted();
      seen.scrollIntoView();
      if ([stop, document.body].includes(document.activeElement)) arrive();
    } else if (event.event === "end") {
      running(false);
      state.textContent = event.complaint || `It took ${event.seconds} s.`;
      end();
    }
  }

  function showOutcome(name, outcome) {
    const now = part(`.outcomes [data-panel="${CSS.escape(name)}"] .now`);
    now?.replaceChildren(
      make("p", { class: "label" }, "this run ",
        make("b", { class: outcome.status === "matches" ? "good" : "bad" }, WORDS[outcome.status] ?? outcome.status)),
      make("p", { class: "seen", dir: "auto" }, outcome.phrase),
      ...outcome.deviations.map((text) => make("p", { class: "bad" }, text)),
      ...outcome.luck.map((text) => make("p", { class: "soft" }, `Luck, not compared: ${text}`)),
    );
  }

  function running(on) {
    stop.hidden = !on;
    if (on && document.activeElement === run) stop.focus();
    run.disabled = look.disabled = on;
    article.toggleAttribute("data-running", on);
  }

  // The keyboard goes on where the outcome stands: what was pressed may not be there any more.
  function arrive() {
    seen.querySelector("summary").focus({ preventScroll: true });
  }

  function follow(stream, names) {
    running(true);
    state.textContent = "It runs.";
    cards(names);
    const end = listen(stream, (events) => events.forEach((event) => heard(event, () => end())), () => cards(names));
  }

  const on = () => [...article.querySelectorAll("[name=on]:checked")].map((box) => box.value);
  const named = (chosen().get("on") ?? "").split(" ").filter(Boolean);
  for (const box of article.querySelectorAll("[name=on]")) {
    if (named.length) box.checked = named.includes(box.value);
    box.addEventListener("change", () => {
      const all = !article.querySelector("[name=on]:not(:checked)");
      choose({ on: all ? "" : on().join(" ") });
      run.disabled = on().length === 0;
    });
  }

  run.addEventListener("click", async () => {
    running(true);
    state.textContent = "";
    try {
      const names = on();
      follow((await ask("run", { experiment: experiment.name, panels: names })).stream, names);
      part(".happen").scrollIntoView();
    } catch (problem) {
      running(false);
      state.textContent = problem.message;
    }
  });
  stop.addEventListener("click", () => ask("stop"));
  look.addEventListener("click", () => {
    seen.open = true;
    predicted();
    seen.scrollIntoView();
    arrive();
  });

  // In a report nothing runs: what was seen is there.
  if (recorded) {
    part(".run-bar fieldset").hidden = run.hidden = true;
    look.textContent = "Show what was seen";
  }
  part(".happen").hidden = false;
  predicted();
  const live = known.data.running;
  if (live && live.experiment === experiment.name) follow(live.stream, live.panels);
}
