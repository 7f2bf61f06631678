// The page Play: starts runs, hears one, and gives its events to the diagrams, tables and columns.

import { choose, chosen } from "./address.js";
import { Counts } from "./counts.js";
import { Diagram } from "./diagram.js";
import { hideMessage, showMessage } from "./message.js";
import { Said } from "./said.js";
import { ask, known, listen, recorded } from "./source.js";

const { run } = known.data;
const trouble = document.getElementById("trouble");
const FRAME_MS = matchMedia("(prefers-reduced-motion: reduce)").matches ? 500 : 40;
const LAG_MS = 120; // the diagrams end a little before now: what happened has been heard by then

function fail(problem) {
  trouble.textContent = problem.message;
  trouble.hidden = false;
  trouble.scrollIntoView({ block: "nearest" });
}
trouble.addEventListener("click", () => trouble.hidden = true); // beside a run it stands over the page

async function attempt(question, body) {
  try {
    trouble.hidden = true;
    return await ask(question, body);
  } catch (problem) {
    fail(problem);
    return null;
  }
}

// Before a run: the stories and the form.

function fields(form) {
  const found = {};
  for (const [name, value] of new FormData(form)) found[name] = name in found ? `${found[name]}\n${value}` : value;
  return found;
}

const starts = document.querySelectorAll("button[data-story], #form button");

async function start(story, form) {
  for (const one of starts) one.disabled = true; // a second click would start a second run
  const answer = await attempt("start", form ? { story, form } : { story });
  if (!answer) {
    for (const one of starts) one.disabled = false;
    return;
  }
  const words = chosen();
  const next = new URLSearchParams({ ...(story ? { story } : {}), ...(form ?? {}), run: answer.run });
  for (const name of ["look", "big"]) if (words.has(name)) next.set(name, words.get(name));
  location.assign(`/play?${next}`);
}

for (const button of document.querySelectorAll("button[data-story]")) {
  button.addEventListener("click", () => start(button.dataset.story));
}
const form = document.getElementById("form");
// More panels than may run cannot be chosen.
const boxes = [...(form?.querySelectorAll("input[name=panels]") ?? [])];
function limit() {
  const full = boxes.filter((box) => box.checked).length >= known.data.limits.panels;
  for (const box of boxes) box.disabled = box.dataset.absent !== undefined || (full && !box.checked);
  document.getElementById("full").hidden = !full;
}
if (boxes.length) limit();
form?.addEventListener("change", limit);
form?.addEventListener("submit", (event) => {
  event.preventDefault();
  start(form.dataset.story, fields(form));
});

// During a run, and after it.

// A message as the address names it.
const nameOf = (event) => [event.p, event.r, event.kind, event.n, event.topic].join(" ").trim();

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

function watch() {
  let named = chosen().get("message");
  const panels = new Map([...document.querySelectorAll("[data-panel]")].map((card) => {
    const diagram = new Diagram(card.querySelector(".diagram"), run.roles);
    const heading = card.querySelector("h2").textContent.trim();
    diagram.onchoose = (item) => {
      choose({ message: nameOf(item.event) });
      showMessage(run.run, heading, item);
    };
    return [card.dataset.panel, { card, diagram, counts: new Counts(card), said: new Said(card.querySelector(".said")) }];
  }));
  const state = { first: 0, last: 0, heard: 0, over: run.ended, count: null, follow: true, end: 0 };
  const at = document.getElementById("at");
  const span = document.getElementById("span");
  const follow = document.getElementById("follow");
  const steps = [...document.querySelectorAll("#steps li")];

  const usual = String(known.data.story?.span ?? 10000);
  span.value = chosen().get("span") ?? usual;
  if (!span.value) span.value = usual;
  span.addEventListener("change", () => choose({ span: span.value === usual ? "" : span.value }));
  const setFollow = (on) => {
    state.follow = on;
    follow.setAttribute("aria-pressed", String(on));
  };
  const lookAt = (end) => {
    state.end = end;
    setFollow(false);
  };
  const keep = () => choose({ at: state.follow ? "" : state.end });
  follow.addEventListener("click", () => {
    if (state.follow) lookAt(Number(at.value));
    else setFollow(true);
    keep();
  });
  at.addEventListener("input", () => lookAt(Number(at.value)));
  at.addEventListener("change", keep);
  if (Number(chosen().get("at")) > 0) lookAt(Number(chosen().get("at")));

  // A step that is done leads to its moment: it then stands a third below the top.
  function done(button, t) {
    if (!button || button.dataset.t) return;
    button.dataset.t = t;
    button.disabled = false;
    button.textContent = seconds(t);
    button.title = "Show this moment";
    button.addEventListener("click", () => {
      lookAt(Math.round(t + Number(span.value) * 0.65));
      keep();
    });
  }

  function hear(event) {
    const panel = panels.get(event.p);
    if (event.t !== undefined && event.t > state.last) {
      state.last = event.t;
      state.heard = performance.now();
    }
    if (event.k === "count") {
      state.count = event;
      for (const [name, counted] of Object.entries(event.panels)) panels.get(name)?.counts.show(counted);
      settle();
    } else if (event.k === "figures") {
      panel?.counts.figures(event.roles);
    } else if (event.k === "story") {
      const step = steps.find((one) => one.dataset.text === event.text);
      step?.classList.add("done");
      if (step) done(step.querySelector("button"), event.t);
      document.getElementById("status").textContent = event.text;
    } else if (event.k === "skipped") {
      const some = event.count.toLocaleString("en");
      document.getElementById("missed").textContent = event.before ? `The first ${some} events are not kept.` : `This page was too slow for ${some} events.`;
    } else if (event.k === "end") {
      over(event);
    } else if (event.k === "summary" && panel) {
      panel.card.querySelector(".version").textContent = event.version ?? "";
    } else if (event.k === "trouble" && !event.p) {
      fail(new Error(event.text));
    }
    if (!panel) return;
    if (event.k === "state") panel.counts.state(event.r, event.state);
    if (event.missed !== undefined && event.k !== "count") panel.counts.change(event.r, "missed", event.missed);
    panel.diagram.hear(event);
    panel.said.hear(event);
    if (named && event.d === "received" && event.from && nameOf(event) === named) {
      named = null;
      panel.diagram.choose(panel.diagram.items.at(-1));
    }
  }

  const close = () => {
    hideMessage();
    choose({ message: "" });
  };
  document.getElementById("close").addEventListener("click", close);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    trouble.hidden = true;
    close();
  });

  function over(event) {
    state.over = true;
    for (const panel of panels.values()) {
      panel.diagram.marks.giveUp(Infinity);
      panel.counts.flush();
      panel.counts.over = true;
    }
    document.getElementById("run-state").textContent = event.why === "stopped" ? "over" : `over: ${event.why}`;
    document.getElementById("status").textContent = "The run is over.";
    document.getElementById("stop").disabled = true;
    for (const one of document.querySelectorAll("#controls :is(button, input, select), .role-buttons button")) one.disabled = true;
    settle();
    document.documentElement.dataset.run = "over";
  }

  // The last counters may come before the end, or right behind it.
  function settle() {
    if (!state.over || !state.count) return;
    for (const [name, counted] of Object.entries(state.count.panels)) {
      panels.get(name)?.counts.flush();
      panels.get(name)?.counts.most(counted);
      panels.get(name)?.counts.compare(counted);
    }
  }

  function now() {
    if (state.over || !state.heard) return state.last;
    return Math.max(0, state.last + Math.min(performance.now() - state.heard, 2000) - LAG_MS);
  }

  let shown = 0;
  let before = -1;
  let wait = FRAME_MS; // longer where the browser takes long to paint: it has other things to do, too
  function frame(time) {
    requestAnimationFrame(frame);
    if (before === shown) wait = Math.max(FRAME_MS, Math.min(1000, 3 * (time - shown)));
    before = time;
    if (time - shown < wait) return;
    shown = time;
    const newest = now();
    at.max = Math.max(1, Math.ceil(newest));
    const end = state.follow ? newest : Math.min(state.end, newest);
    at.value = state.follow ? at.max : end;
    document.getElementById("clock").textContent = seconds(newest);
    document.getElementById("until").textContent = `until ${seconds(end)}`;
    for (const panel of panels.values()) {
      panel.said.flush();
      panel.counts.flush();
      panel.diagram.show(Math.max(end, Number(span.value)), Number(span.value), newest);
    }
  }
  requestAnimationFrame(frame);

  listen(run.run, (events) => {
    for (const event of events) hear(event);
    document.documentElement.dataset.heard = "1";
  }, () => {
    for (const panel of panels.values()) {
      panel.diagram.clear();
      panel.said.clear();
    }
  });
}

function control() {
  const value = (name) => document.getElementById(name).value;
  document.getElementById("stop").addEventListener("click", () => attempt("stop", { run: run.run }));
  for (const button of document.querySelectorAll("button[data-do]")) {
    button.addEventListener("click", () => {
      const amount = button.dataset.value ? Number(value(button.dataset.value)) : undefined;
      const own = button.closest("[data-panel]")?.dataset.panel;
      const place = own ? { panel: own, role: button.dataset.who, way: "" } : { panel: value("where"), role: value("who"), way: value("way") };
      attempt("act", { run: run.run, ...place, do: button.dataset.do, value: amount });
    });
  }
  // Texts come from the publisher, or from the client that is chosen: the button says from which.
  const sender = () => (run.settings.pattern === "pubsub" ? "pub" : run.roles.slice(1).find((role) => role === value("who")) ?? run.roles[1]);
  const name = () => document.getElementById("send")?.replaceChildren(`Send as ${sender()}`);
  document.getElementById("who").addEventListener("change", name);
  name();
  document.getElementById("say")?.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt("act", { run: run.run, panel: value("where"), role: sender(), do: "say", value: value("text") });
  });
}

if (run) {
  const tables = document.getElementById("tables");
  const showTables = (on) => {
    document.documentElement.toggleAttribute("data-tables", on);
    tables.setAttribute("aria-pressed", String(on));
    choose({ tables: on ? "1" : "" });
  };
  tables.addEventListener("click", () => showTables(!document.documentElement.hasAttribute("data-tables")));
  showTables(chosen().get("tables") === "1");
  if (!recorded && !run.ended) document.getElementById("run-title").focus({ preventScroll: true });
  watch();
  if (!recorded) control();
}
