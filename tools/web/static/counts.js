// The table of one panel: counters, figures with small charts, and whether the programs' own
// summaries say the same.

import { draw } from "./dom.js";

const COUNTED = ["sent", "received", "lost", "duplicates", "timeouts"];
const FATES = ["missed", "fresh", "unanswered", "again", "unsent"]; // the run alone knows them
const FIGURES = ["memory", "threads", "descriptors"];
const BAD = new Set(["lost", "duplicates", "timeouts", ...FATES]);
const CAN = { started: "kill stop restart", ready: "kill stop restart", stopped: "kill continue restart" };
const POINTS = 120; // of a small chart: a minute
const LEAST_RISE = { memory: 1024, threads: 1, descriptors: 1 }; // the height of a chart: what is less is no change to be seen

export class Counts {
  constructor(card) {
    this.card = card;
    this.cells = new Map();
    this.waiting = new Map();
    this.history = new Map();
    this.over = false;
    for (const cell of card.querySelectorAll("td[data-measure]")) {
      this.cells.set(`${cell.dataset.role}/${cell.dataset.measure}`, cell);
    }
    this.states = new Map([...card.querySelectorAll("th[data-role] .state")].map((one) => [one.parentElement.dataset.role, one]));
  }

  show(panel) {
    for (const [role, has] of Object.entries(panel.roles)) {
      for (const name of [...COUNTED, ...FATES]) this.change(role, name, has[name]);
      this.state(role, has.state);
    }
    const sampled = this.card.querySelector(".sampled");
    sampled.textContent = panel.told >= panel.seen ? "" : `Sampled: ${panel.told.toLocaleString("en")} of ${panel.seen.toLocaleString("en")} messages are told here` +
      `${panel.stride > 1 ? `, now each ${panel.stride}th` : ""}. All are counted, and what was lost is marked.`;
  }

  // What a role does now; of its buttons those can be pressed that change this.
  state(role, state) {
    const shown = this.states.get(role);
    if (!shown || shown.dataset.state === state) return;
    shown.textContent = { ready: "runs", stopped: "paused" }[state] ?? state;
    shown.dataset.state = state;
    for (const button of shown.parentElement.querySelectorAll("[data-do]")) button.disabled = this.over || !(CAN[state] ?? "restart").split(" ").includes(button.dataset.do);
  }

  // What an event says of one counter. It is shown with the next picture of the diagram.
  change(role, name, value) {
    this.waiting.set(`${role}/${name}`, value);
  }

  flush() {
    for (const [key, value] of this.waiting) {
      const cell = this.cells.get(key);
      if (!cell) continue;
      cell.textContent = value.toLocaleString("en");
      cell.classList.toggle("some", BAD.has(cell.dataset.measure) && value > 0);
    }
    this.waiting.clear();
  }

  // What the programs take: `roles` says it of those that run.
  figures(roles) {
    for (const role of this.states.keys()) {
      for (const name of FIGURES) this.figure(role, name, roles[role]?.[name]);
    }
  }

  figure(role, name, value) {
    const cell = this.cells.get(`${role}/${name}`);
    if (!cell) return;
    const [spark, text, range] = cell.children;
    text.textContent = words(name, value);
    if (value === undefined) return;
    const key = `${role}/${name}`;
    const points = this.history.get(key) ?? [];
    points.push(value);
    if (points.length > POINTS) points.shift();
    this.history.set(key, points);
    const most = Math.max(...points);
    const least = Math.min(...points);
    if (range) range.textContent = `${words(name, least)} to ${words(name, most)}`;
    const rise = Math.max(most - least, LEAST_RISE[name]);
    const at = points.map((one, i) => `${((i * 60) / Math.max(20, points.length - 1)).toFixed(1)},${14 - (12 * (one - least)) / rise}`);
    spark.replaceChildren(draw("polyline", { points: at.join(" ") }));
  }

  // At the end: the most that each program took.
  most(panel) {
    for (const [role, has] of Object.entries(panel.roles)) {
      for (const name of FIGURES) {
        const cell = this.cells.get(`${role}/${name}`);
        if (cell) cell.children[1].textContent = words(name, has.most[name]);
      }
    }
    this.card.querySelector(".when-taken").textContent = "at most, while it ran:";
  }

  // Do the programs count as we did?
  compare(panel) {
    const wrong = [];
    let known = 0;
    for (const [role, has] of Object.entries(panel.roles)) {
      if (!has.own) continue;
      known++;
      for (const name of COUNTED) {
        if (has.own[name] !== has[name]) wrong.push(`${role}: ${name} ${has.own[name]}, counted here ${has[name]}`);
      }
    }
    if (!known) return;
    const line = this.card.querySelector(".agree");
    line.classList.toggle("bad", wrong.length > 0);
    line.textContent = wrong.length
      ? `The programs' own summaries say otherwise: ${wrong.join("; ")}.`
      : "The programs' own summaries agree with these counts.";
  }
}

function words(name, value) {
  if (value === undefined) return "-";
  return name === "memory" ? (value / 1024).toFixed(1) : String(value);
}
