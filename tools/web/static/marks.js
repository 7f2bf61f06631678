// What was not received: a circle, and a cross where it does not come any more. The counter "not
// received" counts these messages, so none is left out: those at one place are one mark, with
// their number.

import { draw } from "./dom.js";
import { cross } from "./shapes.js";

const KEPT = 12000;
const SPARE = 1000; // more, before the oldest go
const APART = 0.9; // letters' heights between two marks of the same two roles
const ENDS = { lost: 0.87, waits: 0.74 }; // of the way, so that a circle and a cross of one moment stand side by side

export class Marks {
  constructor() {
    this.layer = draw("g");
    this.ways = draw("g"); // below the words: how far each went
    this.all = new Map(); // by the message's id and the role
    this.groups = []; // in the picture
    this.stale = false;
  }

  clear() {
    this.all.clear();
    this.stale = true;
  }

  // A role has not received this message, or these: what a sample leaves out has a count.
  add(event) {
    const key = `${event.id} ${event.r}`;
    const count = event.count ?? 1;
    const known = this.all.get(key);
    this.stale = true;
    if (count === 0) {
      this.all.delete(key);
    } else if (known) {
      known.count = count;
      known.over ||= event.k === "lost";
    } else {
      this.all.set(key, { key, from: event.from, to: event.r, t0: event.t0, over: event.k === "lost", count, event });
      if (this.all.size > KEPT + SPARE) for (const old of [...this.all.keys()].slice(0, SPARE)) this.all.delete(old);
    }
  }

  // It has received it after all.
  take(key) {
    if (this.all.delete(key)) this.stale = true;
  }

  // What was sent before `t` gets its cross; after a run, all of it.
  giveUp(t) {
    for (const one of this.all.values()) {
      if (one.over || one.t0 > t) continue;
      one.over = true;
      this.stale = true;
    }
  }

  // Draws what was sent from `from` to `to`, where `diagram` has its roles and times.
  show(diagram, from, to) {
    this.stale = false;
    const last = new Map();
    const groups = [];
    const seen = [...this.all.values()].filter((one) => one.t0 >= from && one.t0 <= to);
    for (const one of seen.sort((a, b) => a.t0 - b.t0)) {
      const way = `${one.from} ${one.to} ${one.over}`;
      const group = last.get(way);
      if (group && diagram.y(one.t0 - group.t0) < APART * diagram.em) {
        group.all.push(one);
        group.count += one.count;
        continue;
      }
      const made = { type: "mark", from: one.from, to: one.to, t0: one.t0, t1: one.t0, over: one.over, event: one.event, all: [one], count: one.count };
      last.set(way, made);
      groups.push(made);
    }
    this.groups = groups;
    this.ways.replaceChildren();
    this.layer.replaceChildren(...groups.map((group, i) => this.make(diagram, group, i)));
  }

  make(diagram, group, i) {
    const kind = group.over ? "lost" : "waits";
    const y = diagram.y(group.t0);
    const x0 = diagram.x.get(group.from);
    const x = x0 + (diagram.x.get(group.to) - x0) * ENDS[kind];
    const side = Math.sign(x0 - x); // the number stands on the sender's
    this.ways.append(draw("line", { class: `way-${kind}`, x1: x0, x2: x, y1: y, y2: y }));
    group.element = draw("g", { class: kind, "data-mark": i, "data-count": group.count },
      draw("line", { class: "hit", x1: x0, x2: x, y1: y, y2: y }),
      group.over ? cross(x, y) : draw("circle", { cx: x, cy: y, r: 5 }),
      group.count > 1 ? draw("text", { x: x + 9 * side, y: y + 5, "text-anchor": side < 0 ? "end" : "start" }, `×${group.count}`) : null);
    if (diagram.chosen?.all && group.all.includes(diagram.chosen.all[0])) group.element.classList.add("chosen");
    return group.element;
  }
}
