// A column of what the programs of one panel say: the newest lines, at the bottom.

import { make, shown } from "./dom.js";

const LINES = 80;
const WORDS = { ready: "is ready", started: "STARTED", killed: "KILLED (SIGKILL)", stopped: "PAUSED (SIGSTOP)", ended: "ENDED" };

export class Said {
  constructor(list) {
    this.list = list;
    this.list.replaceChildren(); // what a report has for those without scripts
    this.waiting = [];
    this.lines = []; // on the page, by time
    this.stopped = new Set();
  }

  clear() {
    this.list.replaceChildren();
    this.waiting = [];
    this.lines = [];
  }

  // Of two lines of one moment the cause stands first: what is received was sent before.
  hear(event) {
    const line = this.words(event);
    const after = event.d === "received";
    if (line) this.waiting.push({ ...line, t: event.t, at: after ? Math.max(event.t, event.t0 ?? 0) : event.t, after, who: event.r ?? "line" });
    if (this.waiting.length > LINES) this.waiting.shift();
  }

  words(event) {
    if (event.k === "message") {
      const text = [event.topic, event.text || "(empty)"].filter(Boolean).join(" ");
      return { text: `${event.d === "sent" ? ">" : "<"} ${event.n} ${text}` };
    }
    if (event.k === "state") {
      const again = event.state === "ready" && this.stopped.delete(event.r);
      if (event.state === "stopped") this.stopped.add(event.r);
      const text = again ? "CONTINUED (SIGCONT)" : WORDS[event.state] ?? event.state;
      return { text: event.text ? `${text}: ${event.text}` : text, strong: event.state !== "ready" || again };
    }
    if (event.k === "trouble") return { text: ["timeout", "unsent"].includes(event.what) ? event.text : `${event.what}: ${event.text}`, bad: true };
    if (event.k === "gap") return { text: `misses ${event.topic} ${event.first}${event.last > event.first ? ` to ${event.last}` : ""}`, bad: true };
    if (event.k === "fault") return { text: event.text, strong: true };
    return null;
  }

  // Puts the new lines on the page, all at once. The programs are heard one after the other: what one
  // said earlier may be heard later, and goes between those that are there.
  flush() {
    if (!this.waiting.length) return;
    const atEnd = this.list.scrollTop + this.list.clientHeight > this.list.scrollHeight - 30;
    for (const line of this.waiting.sort(order)) {
      line.element = make("li", { class: [line.strong && "strong", line.bad && "bad"].filter(Boolean).join(" ") || null },
        make("span", { class: "when" }, (line.t / 1000).toFixed(3)),
        make("span", { class: "who" }, line.who),
        make("bdi", {}, shown(line.text)));
      const behind = this.lines.findLastIndex((other) => order(other, line) <= 0) + 1;
      this.list.insertBefore(line.element, this.lines[behind]?.element ?? null);
      this.lines.splice(behind, 0, line);
    }
    this.waiting = [];
    for (const old of this.lines.splice(0, Math.max(0, this.lines.length - LINES))) old.element.remove();
    if (atEnd) this.list.scrollTop = this.list.scrollHeight;
  }
}

function order(a, b) {
  return a.at - b.at || a.after - b.after;
}
