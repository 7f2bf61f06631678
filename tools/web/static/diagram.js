// A sequence diagram of one panel, drawn from what happened. Time goes down. A message is an arrow
// from the moment when it was sent to the moment when it was received, so its slope is the delay.
//
//   hear(event)      one event of the run
//   show(end, span)  draws what happened in the `span` ms before `end`
//   onchoose         is called with a message that the reader has chosen

import { draw, shown } from "./dom.js";

// In letters' heights, so that a projector's large type has its room.
const HEAD = 2.2; // above the diagram: the roles
const LEFT = 2.9; // beside it: the time
const RIGHT = 1.9; // and what stands beside the last role
const KEPT = 12000; // items
const SPARE = 1000; // more, before the oldest go: to take one from the front moves all others
const DRAWN = 1500; // items at the same time
const PRUNE_MS = 500;
const GIVEN_UP_MS = 10000; // what nobody has received by then gets its cross
const APART = 2.5; // pixels between two arrows of the same two roles
const LABEL_ROOM = 0.9; // between two labels
const LETTER = 0.43; // the width of a letter
const BAND = { stopped: "stopped", killed: "dead", ended: "dead" };

export class Diagram {
  constructor(svg, roles) {
    this.svg = svg;
    this.roles = roles;
    this.items = []; // in the order in which they were heard
    this.bands = new Map(roles.map((role) => [role, []]));
    this.marks = new Map(); // what a role has not received so far, by the message's id and the role
    this.fresh = []; // items that have changed since the last picture
    this.chosen = null;
    this.end = 0;
    this.span = 10000;
    this.onchoose = () => {};
    this.heads = draw("g");
    this.rules = draw("g");
    this.lives = draw("g");
    this.body = draw("g");
    svg.replaceChildren(this.rules, this.lives, this.body, this.heads);
    new ResizeObserver(() => this.resize()).observe(svg);
    this.resize();
    svg.addEventListener("keydown", (event) => this.key(event));
    svg.addEventListener("click", (event) => {
      const found = event.target.closest("[data-item]");
      if (found) this.choose(this.drawn.get(Number(found.dataset.item)));
    });
    this.drawn = new Map();
    this.number = 0;
    this.labels = [];
    this.newest = new Map();
    this.before = new Map();
  }

  clear() {
    this.items = [];
    this.marks.clear();
    for (const role of this.roles) this.bands.set(role, []);
    this.stale = true;
  }

  resize() {
    const box = this.svg.getBoundingClientRect();
    this.width = Math.max(200, box.width);
    this.height = Math.max(120, box.height);
    this.em = parseFloat(getComputedStyle(this.svg).fontSize) || 16;
    this.head = HEAD * this.em;
    this.left = LEFT * this.em;
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    const room = this.width - this.left - RIGHT * this.em;
    this.x = new Map(this.roles.map((role, i) => [role, this.left + (room * (i + 0.5)) / this.roles.length]));
    this.heads.replaceChildren(
      draw("rect", { class: "cover", x: 0, y: 0, width: this.width, height: this.head - this.em / 2 }),
      ...this.roles.map((role) => draw("text", { class: "head", x: this.x.get(role), y: this.em, "text-anchor": "middle" }, role)),
    );
    this.stale = true;
    if (this.scale) this.show(this.end, this.span);
  }

  hear(event) {
    if (event.k === "message" && event.d === "received" && event.from) {
      this.add({ type: "arrow", from: event.from, to: event.r, t0: event.t0, t1: event.t, event });
      this.take(`${event.id} ${event.r}`);
    } else if (event.k === "message" && event.d === "sent") {
      this.add({ type: "dot", from: event.r, t0: event.t, t1: event.t, event });
    } else if (event.k === "unheard" || event.k === "lost") {
      this.mark(event, event.k === "lost");
    } else if (event.k === "fault") {
      this.add({ type: "fault", t0: event.t, t1: event.t, text: `line: ${event.text}`, event });
    } else if (event.k === "trouble" && this.x.has(event.r)) {
      const text = { timeout: "time-out", error: "error", malformed: "malformed" }[event.what] ?? event.what;
      this.add({ type: "trouble", from: event.r, t0: event.t, t1: event.t, text, event });
    } else if (event.k === "state" && this.bands.has(event.r)) {
      this.change(event);
    }
  }

  // A role has not received this message: a circle, and a cross where it will not any more. The
  // counter "not received" counts both; the same event changes it.
  mark(event, over) {
    const key = `${event.id} ${event.r}`;
    const item = this.marks.get(key);
    if (item) {
      item.over ||= over;
      this.touch(item);
      return;
    }
    const made = { type: "mark", key, from: event.from, to: event.r, t0: event.t0, t1: event.t0, over, event };
    this.marks.set(key, made);
    this.add(made);
  }

  // It has received it after all.
  take(key) {
    const item = this.marks.get(key);
    if (!item) return;
    this.marks.delete(key);
    item.gone = true;
    this.touch(item);
  }

  add(item) {
    item.id = this.number++;
    this.items.push(item);
    if (this.items.length > KEPT + SPARE) {
      for (const old of this.items.splice(0, this.items.length - KEPT)) {
        this.undraw(old);
        if (old.type === "mark") this.marks.delete(old.key);
      }
    }
    this.touch(item);
  }

  // The next picture shows it as it is now. A tab behind others shows none: after so many that a
  // new picture costs no more, there is nothing to be kept for it.
  touch(item) {
    if (this.stale) return;
    this.fresh.push(item);
    this.stale = this.fresh.length > KEPT;
    if (this.stale) this.fresh = [];
  }

  change(event) {
    const bands = this.bands.get(event.r);
    const last = bands.at(-1);
    if (last && last.t1 === null) last.t1 = event.t;
    const kind = BAND[event.state];
    if (kind) bands.push({ kind, t0: event.t, t1: null });
    if (bands.length > 200) bands.shift();
    this.stale = true;
  }

  y(t) {
    return t * this.scale;
  }

  show(end, span) {
    if (span !== this.span) this.stale = true;
    if (end < this.end || end - this.end > span) this.stale = true;
    this.end = end;
    this.span = span;
    this.scale = (this.height - this.head - 10) / span;
    if (this.stale) this.redraw();
    else this.refresh();
    this.prune();
    const shift = this.head + (span - end) * this.scale;
    this.body.setAttribute("transform", `translate(0 ${shift})`);
    this.lives.setAttribute("transform", `translate(0 ${shift})`);
    this.growBands();
    this.ticks(shift);
  }

  // Takes away what has left the picture.
  prune() {
    const now = performance.now();
    if (now - (this.pruned ?? 0) < PRUNE_MS) return;
    this.pruned = now;
    this.giveUp(this.end - GIVEN_UP_MS);
    const from = this.end - this.span * 1.1;
    for (const item of this.drawn.values()) {
      if (item.t1 < from || this.drawn.size > DRAWN) this.undraw(item);
    }
  }

  refresh() {
    for (const item of this.fresh) {
      if (this.drawn.has(item.id)) this.undraw(item);
      if (!item.gone && item.t1 > this.end - this.span * 1.2) this.place(item);
    }
    this.fresh = [];
  }

  // What was sent before `t` and has not been received ends there; after a run, all of it.
  giveUp(t) {
    for (const item of this.marks.values()) {
      if (item.over || item.t0 > t) continue;
      item.over = true;
      this.stale = true;
    }
  }

  redraw() {
    this.stale = false;
    this.fresh = [];
    this.drawn.clear();
    this.body.replaceChildren();
    this.labels = [];
    this.faultAt = NaN;
    this.faultBelow = 0;
    this.newest = new Map();
    this.before = new Map();
    const from = this.end - this.span * 1.2;
    const items = this.items.filter((item) => !item.gone && item.t1 >= from && item.t0 <= this.end + this.span);
    for (const item of items) this.place(item);
    this.lives.replaceChildren();
    for (const role of this.roles) {
      const x = this.x.get(role);
      for (const band of this.bands.get(role)) {
        band.element = draw("rect", { class: `band-${band.kind}`, x: x - 8, width: 16 });
        band.label = draw("text", { x: x + 11 }, band.kind === "stopped" ? "paused" : band.kind);
        this.lives.append(band.element, band.label);
      }
      this.lives.append(draw("line", { class: "life", x1: x, x2: x, y1: 0, y2: this.y(this.end + this.span) }));
    }
  }

  growBands() {
    for (const bands of this.bands.values()) {
      for (const band of bands) {
        if (!band.element) continue;
        const from = Math.max(band.t0, this.end - this.span * 1.1);
        const to = Math.min(band.t1 ?? this.end, this.end);
        band.element.setAttribute("y", this.y(from));
        band.element.setAttribute("height", Math.max(0, this.y(to) - this.y(from)));
        const visible = to > from;
        band.element.setAttribute("visibility", visible ? "visible" : "hidden");
        band.label.setAttribute("visibility", visible ? "visible" : "hidden");
        band.label.setAttribute("y", Math.min(this.y(to) - 3, this.y(Math.max(band.t0, this.end - this.span)) + 24));
      }
    }
  }

  ticks(shift) {
    const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((one) => this.span / one <= 8) ?? 5000;
    const rules = [];
    for (let t = Math.ceil((this.end - this.span) / step) * step; t <= this.end; t += step) {
      if (t < 0) continue;
      const y = this.y(t) + shift;
      if (y < this.head) continue;
      rules.push(draw("line", { class: "rule", x1: this.left, x2: this.width, y1: y, y2: y }));
      rules.push(draw("text", { class: "tick", x: this.left - 4, y: y + 4, "text-anchor": "end" }, step < 1000 ? `${(t / 1000).toFixed(step < 10 ? 3 : 2)}` : `${t / 1000} s`));
    }
    this.rules.replaceChildren(...rules);
  }

  undraw(item) {
    item.element?.remove();
    this.drawn.delete(item.id);
  }

  // Whether another stands at nearly the same place: then one of them is enough at this scale.
  crowded(item) {
    if (item === this.chosen) return false;
    const way = `${item.type} ${item.from} ${item.to}`;
    const last = this.newest.get(way);
    const near = (t, other) => Math.abs(this.y(t) - this.y(other)) < APART;
    if (last && last !== item && near(item.t0, last.t0) && near(item.t1, last.t1)) return true;
    this.newest.set(way, item);
    return false;
  }

  place(item) {
    if (this.crowded(item)) return;
    const made = this.make(item);
    if (!made) return;
    made.dataset.item = item.id;
    item.element = made;
    this.drawn.set(item.id, item);
    if (item === this.chosen) made.classList.add("chosen");
    this.body.append(made);
  }

  make(item) {
    const { event } = item;
    const x0 = this.x.get(item.from);
    const y0 = this.y(item.t0);
    if (item.type === "dot") return draw("circle", { class: "dot", cx: x0, cy: y0, r: 3 });
    if (item.type === "fault") {
      const below = Math.abs(y0 - this.faultAt) < this.em ? this.faultBelow + this.em : 0; // two at nearly the same time
      this.faultAt = y0;
      this.faultBelow = below;
      return draw("g", { class: "fault" }, draw("line", { x1: this.left, x2: this.width, y1: y0, y2: y0 }), draw("text", { x: this.left + 4, y: y0 - 4 + below }, item.text));
    }
    if (item.type === "trouble") {
      return draw("g", { class: "trouble-mark" }, draw("text", { x: x0 + 7, y: y0 + 4 }, item.text));
    }
    const x1 = this.x.get(item.to);
    if (item.type === "mark") {
      const end = x0 + (x1 - x0) * 0.85;
      const line = draw("line", { x1: x0, x2: end, y1: y0, y2: y0 });
      return draw("g", { class: item.over ? "lost" : "waits" }, line, item.over ? cross(end, y0) : draw("circle", { cx: end, cy: y0, r: 5 }));
    }
    const y1 = this.y(item.t1);
    return draw(
      "g",
      { class: `arrow ${event.kind}` },
      draw("line", { x1: x0, x2: x1, y1: y0, y2: y1 }),
      draw("path", { d: tip(x0, y0, x1, y1) }),
      draw("line", { class: "hit", x1: x0, x2: x1, y1: y0, y2: y1 }),
      this.label(item, x0, x1, y0, y1),
    );
  }

  // The text of a message, where no other stands.
  label(item, x0, x1, y0, y1) {
    const { event } = item;
    const room = Math.floor(Math.abs(x1 - x0) / (this.em * LETTER)) - 2;
    if (room < 3) return null;
    const x = (x0 + x1) / 2;
    const y = (y0 + y1) / 2 - 4;
    const way = `${item.from} ${item.to}`;
    const near = Math.abs(y - (this.before.get(way) ?? -1e9)) < LABEL_ROOM * this.em;
    this.before.set(way, y);
    if (near) return null;
    this.labels = this.labels.filter((other) => other.y > y - 400);
    if (this.labels.some((other) => Math.abs(other.y - y) < LABEL_ROOM * this.em && Math.abs(other.x - x) < (other.room + room) * this.em * LETTER / 2)) return null;
    this.labels.push({ x, y, room });
    const words = [event.topic, event.text].filter(Boolean).join(" ");
    return draw("text", { x, y, "text-anchor": "middle", "pointer-events": "none" }, shown(`${event.n} ${words}`, room));
  }

  // What the arrow keys go through.
  messages() {
    return [...this.drawn.values()].filter((item) => item.type === "arrow" || item.type === "mark").sort((a, b) => a.t0 - b.t0);
  }

  choose(item) {
    if (!item || !["arrow", "mark", "dot"].includes(item.type)) return;
    if (item.type === "mark") { // what was sent says the rest
      const sent = this.items.findLast((one) => one.type === "dot" && one.event.id === item.event.id);
      item.event = { ...sent?.event, ...item.event };
    }
    this.chosen?.element?.classList.remove("chosen");
    this.chosen = item;
    item.element?.classList.add("chosen");
    this.onchoose(item);
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (event.key === "Enter" && this.chosen) this.onchoose(this.chosen);
    if (!step) return;
    event.preventDefault();
    const all = this.messages();
    const now = all.indexOf(this.chosen);
    this.choose(all[now < 0 ? all.length - 1 : Math.max(0, Math.min(all.length - 1, now + step))]);
  }
}

function cross(x, y) {
  return draw("path", { class: "cross", d: `M${x - 5} ${y - 5}l10 10m0 -10l-10 10` });
}

function tip(x0, y0, x1, y1) {
  const length = Math.hypot(x1 - x0, y1 - y0) || 1;
  const ux = (x1 - x0) / length;
  const uy = (y1 - y0) / length;
  const bx = x1 - ux * 10;
  const by = y1 - uy * 10;
  return `M${x1} ${y1}L${bx - uy * 4.5} ${by + ux * 4.5}L${bx + uy * 4.5} ${by - ux * 4.5}Z`;
}
