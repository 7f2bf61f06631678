// The box that shows one message: when it was sent and received, and its bytes on the line.

import { make, shown } from "./dom.js";
import { ask } from "./source.js";

const box = document.getElementById("message");
const title = document.getElementById("message-title");
const facts = document.getElementById("message-facts");
const bytes = document.getElementById("message-bytes");
const NAMES = { arrow: "received", mark: "not received so far", dot: "sent" };
let newest = 0;

export function hideMessage() {
  box.hidden = true;
}

export async function showMessage(run, heading, item) {
  const { event } = item;
  const mine = ++newest;
  box.hidden = false;
  const words = [event.kind ?? "message", event.n].filter((word) => word !== undefined);
  const more = item.count > 1 ? ` and ${item.count - 1} more` : "";
  title.textContent = `${heading}: ${words.join(" ")}${more}, ${item.over ? "not received" : NAMES[item.type]}`;
  facts.replaceChildren(...rows([
    ["topic", event.topic], ["text", event.text], ["body", event.length === undefined ? "" : `${event.length} bytes`],
    ["sent", `${seconds(item.t0)} by ${item.from}`],
    ["received", item.type === "arrow" ? `${seconds(item.t1)} by ${item.to}` : ""],
    ["at this place", item.count > 1 ? numbers(item) : ""],
    ["for", item.type === "mark" ? item.to : ""],
    ["on its way", item.type === "arrow" ? duration(item.t1 - item.t0) : ""],
  ]));
  bytes.replaceChildren(make("p", { class: "soft" }, "Looking for its bytes on the line ..."));
  if (!event.kind) {
    bytes.replaceChildren();
    return;
  }
  try {
    const answer = await ask("bytes", { run, panel: event.p, kind: event.kind, topic: event.topic, n: event.n, sent: event.sent });
    if (mine === newest) bytes.replaceChildren(...cells(answer));
  } catch (problem) {
    if (mine === newest) bytes.replaceChildren(make("p", { class: "soft" }, problem.message));
  }
}

function rows(pairs) {
  return pairs.filter(([, value]) => value).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, make("bdi", {}, shown(value, 300)))]);
}

// The messages of a mark that stands for several.
function numbers({ all, count }) {
  const some = all.slice(0, 20).map((one) => (one.count > 1 ? `${one.event.n} and ${one.count - 1} after it` : one.event.n));
  return `${some.join(", ")}${all.length > some.length ? " ..." : ""}: ${count} messages`;
}

function cells({ frames, why }) {
  if (!frames.length) return [make("p", { class: "soft" }, why ?? "It did not cross the line, or the line's recording is full.")];
  const frame = frames.at(-1);
  const count = frame.elements.reduce((sum, one) => sum + one.length, 0);
  return [
    make("h3", {}, `${count} bytes on the line, connection ${frame.connection}`),
    make("div", { class: "bytes" }, ...frame.elements.flatMap((one) => [
      make("span", { class: `hex part-${one.part}` }, spaced(one.hex)),
      make("bdi", {}, shown(one.meaning ?? one.field, 90)),
    ])),
  ];
}

function spaced(hex) {
  const pairs = hex.match(/../g) ?? [];
  return pairs.slice(0, 64).join(" ") + (pairs.length > 64 ? " …" : "");
}

function seconds(ms) {
  return `at ${(ms / 1000).toFixed(6)} s`;
}

function duration(ms) {
  return ms < 10 ? `${(ms * 1000).toFixed(0)} µs` : `${ms.toFixed(1)} ms`;
}
