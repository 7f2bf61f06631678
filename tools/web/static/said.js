// A column of what the programs of one panel say: the newest lines, at the bottom.

import { make, shown } from "./dom.js";

const LINES = 80;
const WORDS = { ready: "is ready", started: "STARTED", killed: "KILLED (SIGKILL)", stopped: "PAUSED (SIGSTOP)", ended: "ENDED" };

export class Said {
  constructor(list) {
    this.list = list;
    this.list.replaceChildren(); // what a report has for those without scripts
    this.waiting = [];
    this.stopped = new Set();
  }

  clear() {
    this.list.replaceChildren();
    this.waiting = [];
  }

  hear(event) {
    const line = this.words(event);
    if (line) this.waiting.push({ ...line, t: event.t, who: event.r ?? "line" });
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
    if (event.k === "trouble") return { text: `${event.what === "timeout" ? "no answer in time" : `${event.what}: ${event.text}`}`, bad: true };
    if (event.k === "gap") return { text: `misses ${event.topic} ${event.first}${event.last > event.first ? ` to ${event.last}` : ""}`, bad: true };
    if (event.k === "fault") return { text: event.text, strong: true };
    return null;
  }

  // Puts the new lines on the page, all at once.
  flush() {
    if (!this.waiting.length) return;
    const atEnd = this.list.scrollTop + this.list.clientHeight > this.list.scrollHeight - 30;
    this.waiting.sort((a, b) => a.t - b.t);
    const lines = this.waiting.map((line) =>
      make("li", { class: [line.strong && "strong", line.bad && "bad"].filter(Boolean).join(" ") || null },
        make("span", { class: "when" }, (line.t / 1000).toFixed(3)),
        make("span", { class: "who" }, line.who),
        make("bdi", {}, shown(line.text))));
    this.waiting = [];
    this.list.append(...lines);
    while (this.list.childElementCount > LINES) this.list.firstElementChild.remove();
    if (atEnd) this.list.scrollTop = this.list.scrollHeight;
  }
}
