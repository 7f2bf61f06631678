// A sequence diagram of one panel, drawn from what happened. Time goes down. A message is an arrow
// from the moment when it was sent to the moment when it was received, so its slope is the delay.
//
//   hear(event)           one event of the run
//   show(end, span, now)  draws what happened in the `span` ms before `end`; it is `now`
//   onchoose              is called with a message that the reader has chosen

import { draw, shown } from "./dom.js";
import { Marks } from "./marks.js";
import { bracket, cross, tip } from "./shapes.js";

// In letters' heights, so that a projector's large type has its room.
const HEAD = 2.2; // above the diagram: the roles
const LEFT = 2.5; // beside it: the time
const FIRST = 1; // between that and the first of many roles
const WORDS = { rep: [2.7, 3.9], pub: [2.7, 2.7] }; // beside two roles: "paused"; a client has time-outs
const KEPT = 12000; // items
const SPARE = 1000; // more, before the oldest go: to take one from the front moves all others
const DRAWN = 1500; // items at the same time
const PRUNE_MS = 500;
const GIVEN_UP_MS = 10000; // what nobody has received by then gets its cross
const APART = 0.35; // between two arrows of the same two roles: nearer ones are one
const LABEL_ROOM = 0.9; // between two labels
const LETTER = 0.43; // the width of a letter
const LEAST = 0.33; // of the width, for the messages: then words may cover a lifeline
const FAR = 11; // pixels between a lifeline and a word beside it
const BESIDE = 4; // pixels between a request and a reply of the same moment
const BESIDE_MOST = 12; // that an arrow may stand aside for others
const BAND = { stopped: "stopped", killed: "dead", ended: "dead" };
const WORD = { stopped: "paused", killed: "killed", ended: "ended" };

export class Diagram {
  constructor(svg, roles) {
    this.svg = svg;
    this.roles = roles;
    this.items = []; // in the order in which they were heard
    this.bands = new Map(roles.map((role) => [role, []]));
    this.marks = new Marks();
    this.fresh = []; // items that have changed since the last picture
    this.chosen = null;
    this.end = 0;
    this.span = 10000;
    this.onchoose = () => {};
    this.heads = draw("g");
    this.rules = draw("g");
    this.lives = draw("g");
    this.body = draw("g");
    this.words = draw("g"); // above all arrows, below what is missing
    svg.replaceChildren(this.rules, this.lives, this.body, this.marks.ways, this.words, this.marks.layer, this.heads);
    new ResizeObserver(() => this.resize()).observe(svg);
    this.resize();
    svg.addEventListener("keydown", (event) => this.key(event));
    svg.addEventListener("click", (event) => {
      const found = event.target.closest("[data-item]");
      const mark = event.target.closest("[data-mark]");
      if (mark) this.choose(this.marks.groups[mark.dataset.mark]);
      else if (found) this.choose(this.drawn.get(Number(found.dataset.item)));
    });
    this.drawn = new Map();
    this.number = 0;
    this.forget();
  }

  // What stands where in the picture: it is to be drawn anew.
  forget() {
    this.labels = [];
    this.newest = new Map();
    this.before = new Map();
    this.lines = new Map();
    this.faultAt = NaN;
    this.faultBelow = 0;
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
    const [before, behind] = WORDS[this.roles[0]] ?? WORDS.rep;
    const first = this.left + (this.roles.length === 2 ? before * this.em + FAR : FIRST * this.em);
    const room = this.width - behind * this.em - FAR - first;
    const step = Math.max(room, LEAST * this.width) / (this.roles.length - 1);
    this.x = new Map(this.roles.map((role, i) => [role, first + step * i]));
    const short = step < 3.3 * this.em; // "sub A" is A
    this.heads.replaceChildren(
      draw("rect", { class: "cover", x: -9, y: -9, width: this.width + 18, height: this.head - this.em + 9 }),
      ...this.roles.map((role) => draw("text", { class: "head", x: this.x.get(role), y: this.em, "text-anchor": "middle" }, short ? role.split(" ").at(-1) : role)),
    );
    this.stale = true;
    if (this.scale) this.show(this.end, this.span, this.now);
  }

  hear(event) {
    if (event.k === "message" && event.d === "received" && event.from) {
      this.add({ type: "arrow", from: event.from, to: event.r, t0: event.t0, t1: event.t, event });
      this.marks.take(`${event.id} ${event.r}`);
    } else if (event.k === "message" && event.d === "sent") {
      this.add({ type: "dot", from: event.r, t0: event.t, t1: event.t, event });
    } else if (event.k === "unheard" || event.k === "lost") {
      this.marks.add(event);
    } else if (event.k === "fault") {
      this.add({ type: "fault", t0: event.t, t1: event.t, text: event.text, event });
    } else if (event.k === "trouble" && this.x.has(event.r)) {
      const text = { timeout: "time-out", unsent: "not sent" }[event.what] ?? event.what;
      this.add({ type: "trouble", from: event.r, t0: event.t0 ?? event.t, t1: event.t, text, event });
    } else if (event.k === "state" && this.bands.has(event.r)) {
      this.change(event);
    }
  }

  add(item) {
    item.id = this.number++;
    this.items.push(item);
    if (this.items.length > KEPT + SPARE) {
      for (const old of this.items.splice(0, this.items.length - KEPT)) this.undraw(old);
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
    if (kind) bands.push({ kind, word: WORD[event.state], t0: event.t, t1: null });
    if (bands.length > 200) bands.shift();
    this.stale = true;
  }

  y(t) {
    return t * this.scale;
  }

  show(end, span, now = end) {
    this.now = now;
    if (span !== this.span) this.stale = true;
    if (end < this.end || end - this.end > span) this.stale = true;
    this.end = end;
    this.span = span;
    this.scale = (this.height - this.head - 10) / span;
    this.prune();
    if (this.stale) this.redraw();
    else this.refresh();
    if (this.marks.stale) this.marks.show(this, end - span * 1.2, end + span);
    const shift = this.head + (span - end) * this.scale;
    for (const layer of [this.lives, this.body, this.marks.ways, this.words, this.marks.layer]) layer.setAttribute("transform", `translate(0 ${shift})`);
    this.growBands();
    this.ticks(shift);
  }

  // Takes away what has left the picture.
  prune() {
    const now = performance.now();
    if (now - (this.pruned ?? 0) < PRUNE_MS) return;
    this.pruned = now;
    this.marks.giveUp(this.now - GIVEN_UP_MS);
    this.marks.stale = true;
    const from = this.end - this.span * 1.1;
    for (const item of this.drawn.values()) {
      if (item.t1 < from || this.drawn.size > DRAWN) this.undraw(item);
    }
  }

  refresh() {
    for (const item of this.fresh.sort(bySending)) {
      if (this.drawn.has(item.id)) this.undraw(item);
      if (item.t1 > this.end - this.span * 1.2) this.place(item);
    }
    this.fresh = [];
  }

  redraw() {
    this.stale = false;
    this.fresh = [];
    this.drawn.clear();
    this.body.replaceChildren();
    this.words.replaceChildren();
    this.marks.stale = true;
    this.forget();
    const from = this.end - this.span * 1.2;
    const items = this.items.filter((item) => item.t1 >= from && item.t0 <= this.end + this.span);
    for (const item of items.sort(bySending)) this.place(item);
    this.lives.replaceChildren();
    for (const role of this.roles) {
      const x = this.x.get(role);
      for (const band of this.bands.get(role)) {
        band.element = draw("rect", { class: `band-${band.kind}`, x: x - 8, width: 16 });
        band.label = draw("text", this.beside(role, band.word), band.word);
        this.lives.append(band.element, band.label);
      }
      this.lives.append(draw("line", { class: "life", x1: x, x2: x, y1: 0, y2: this.y(this.end + this.span) }));
    }
  }

  // Where a word beside a lifeline stands: of two roles outside, where no message is.
  beside(role, word) {
    const x = this.x.get(role);
    const wide = word.length * this.em * 0.62;
    if (role === this.roles[0] && this.roles.length === 2) return { x: x - FAR, "text-anchor": "end" };
    return x + FAR + wide > this.width ? { x: this.width - 2, "text-anchor": "end" } : { x: x + FAR };
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
    item.words?.remove();
    this.drawn.delete(item.id);
  }

  // Whether another stands at nearly the same place: then one of them is enough at this scale.
  crowded(item) {
    if (item === this.chosen) return false;
    const way = `${item.type} ${item.event.kind ?? item.text} ${item.from} ${item.to}`;
    const last = this.newest.get(way);
    const near = (t, other) => Math.abs(this.y(t) - this.y(other)) < APART * this.em;
    if (last && last !== item && near(item.t0, last.t0) && near(item.t1, last.t1)) {
      last.crowd++;
      if (last.words && last.type !== "trouble") last.words.textContent = this.text(last);
      return true;
    }
    item.crowd = 1;
    this.newest.set(way, item);
    return false;
  }

  place(item) {
    if (this.crowded(item)) return;
    const made = this.make(item);
    if (!made) return;
    made.dataset.item = item.id;
    item.element = made;
    if (item.words) this.words.append(item.words);
    this.drawn.set(item.id, item);
    if (item === this.chosen) made.classList.add("chosen");
    this.body.append(made);
  }

  make(item) {
    const { event } = item;
    const x0 = this.x.get(item.from);
    const y0 = this.y(item.t0);
    if (item.type === "dot") {
      // What answers bytes that are no request is for nobody in particular: it becomes no arrow.
      if (noAnswer(event)) this.label(item, (x0 + this.x.get(this.roles[1])) / 2, y0 + this.em * 0.8, Math.abs(this.x.get(this.roles[1]) - x0), "middle");
      return draw("circle", { class: "dot", cx: x0, cy: y0, r: 3 });
    }
    if (item.type === "fault") {
      const below = Math.abs(y0 - this.faultAt) < this.em ? this.faultBelow + this.em : 0; // two at nearly the same time
      this.faultAt = y0;
      this.faultBelow = below;
      return draw("g", { class: "fault" }, draw("line", { x1: this.left, x2: this.width, y1: y0, y2: y0 }), draw("text", { x: this.left + 4, y: y0 - 4 + below }, item.text));
    }
    if (item.type === "trouble") {
      const y1 = this.y(item.t1);
      const short = x0 - this.em * 0.8; // it does not leave its sender
      item.words = draw("text", { class: "trouble-word", ...this.beside(item.from, item.text), y: y1 + 4 }, item.text);
      return draw("g", { class: "trouble-mark" },
        item.t0 < item.t1 ? bracket(x0, y0, y1) : null,
        ...(event.what === "unsent" ? [draw("line", { x1: x0, x2: short, y1: y0, y2: y0 }), cross(short, y0)] : []));
    }
    const x1 = this.x.get(item.to);
    const aside = this.aside(item);
    const from = y0 + aside;
    const to = this.y(item.t1) + aside;
    const struck = this.struck(item, event.kind === "event" ? from : (from + to) / 2);
    if (event.kind !== "event") this.label(item, (x0 + x1) / 2, (from + to) / 2 + (struck ? this.em * 0.75 : -4), Math.abs(x1 - x0), "middle");
    else if (!struck) this.label(item, x0 + this.em / 2, from - 4, this.width - x0 - 2 * this.em, "start"); // subscribers share it
    return draw(
      "g",
      { class: `arrow ${event.kind}` },
      draw("line", { x1: x0, x2: x1, y1: from, y2: to }),
      tip(x0, from, x1, to),
      draw("line", { class: "hit", x1: x0, x2: x1, y1: from, y2: to }),
    );
  }

  // How many pixels lower, or higher, an arrow is drawn, so that it does not hide another of the
  // same moment between the same roles: the earlier one stands above.
  aside(item) {
    const pair = pairOf(item);
    const lines = this.lines.get(pair) ?? [];
    const [y0, y1] = [this.y(item.t0), this.y(item.t1)];
    let far = 0;
    for (const other of lines) {
      if (Math.abs(y0 + far - other.y0) >= BESIDE || Math.abs(y1 + far - other.y1) >= BESIDE) continue;
      far = other.y0 - y0 + (item.t0 >= other.t0 ? BESIDE : -BESIDE);
    }
    far = Math.max(-BESIDE_MOST, Math.min(BESIDE_MOST, far));
    lines.push({ t0: item.t0, y0: y0 + far, y1: y1 + far });
    this.lines.set(pair, lines.slice(-6));
    return far;
  }

  // Whether an earlier arrow goes where a text above this one, at `y`, would stand: that of an event
  // stands where those to all subscribers begin, another in the middle between its roles.
  struck(item, y) {
    const ys = item.event.kind === "event"
      ? [...this.lines.values()].flat().map((other) => other.y0)
      : this.lines.get(pairOf(item)).map((other) => (other.y0 + other.y1) / 2);
    return ys.some((other) => other < y - 1 && other > y - 0.8 * this.em);
  }

  // The text of a message, where no other stands. A reply has that of its request.
  label(item, x, y, wide, anchor) {
    const { event } = item;
    item.words = null;
    item.room = Math.floor(wide / (this.em * LETTER));
    if (item.room < 3) return;
    const way = `${item.from} ${item.to}`;
    const asked = event.kind === "reply" ? this.before.get(`${item.to} ${item.from}`) : null;
    if (asked?.n === event.n) return;
    const near = Math.abs(y - (this.before.get(way)?.y ?? -1e9)) < LABEL_ROOM * this.em;
    this.before.set(way, { y, n: event.n });
    if (near) return;
    const text = this.text(item);
    const half = (text.length * this.em * LETTER) / 2;
    const middle = anchor === "start" ? x + half : x;
    this.labels = this.labels.filter((other) => other.y > y - 400);
    if (this.labels.some((other) => Math.abs(other.y - y) < LABEL_ROOM * this.em && Math.abs(other.middle - middle) < other.half + half)) return;
    this.labels.push({ middle, y, half });
    item.words = draw("text", { x, y, "text-anchor": anchor, "pointer-events": "none" }, text);
  }

  text(item) {
    const { event } = item;
    const said = noAnswer(event) ? ["error reply"] : [event.n, event.topic, event.text?.replace(/\.{9,}$/, " ...")]; // the dots fill it up
    const all = said.filter((word) => word !== undefined && word !== "").join(" ");
    const words = shown(all, all.length > item.room ? item.room - 1 : item.room);
    return item.crowd > 1 ? `${words} ×${item.crowd}` : words;
  }

  // What the arrow keys go through.
  messages() {
    const arrows = [...this.drawn.values()].filter((item) => item.type === "arrow");
    return [...arrows, ...this.marks.groups].sort((a, b) => a.t0 - b.t0);
  }

  choose(item) {
    if (!item || !["arrow", "mark", "dot"].includes(item.type)) return;
    if (item.type === "mark") { // what was sent says the rest: of one whose sending was told
      const told = item.all.find((one) => one.event.count === undefined) ?? item.all[0];
      const sent = this.items.findLast((one) => one.type === "dot" && one.event.id === told.event.id);
      item.event = { ...sent?.event, ...told.event };
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
    const now = all.findIndex((one) => one === this.chosen || (one.all && one.all[0] === this.chosen?.all?.[0]));
    this.choose(all[now < 0 ? all.length - 1 : Math.max(0, Math.min(all.length - 1, now + step))]);
  }
}

const bySending = (a, b) => a.t0 - b.t0;

function pairOf(item) {
  return [item.from, item.to].sort().join(" ");
}

function noAnswer(event) {
  return event.kind === "error" && event.n === 0;
}
