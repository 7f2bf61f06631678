// The page Wire: runs an exchange, and says what the byte under the pointer is.

import { choose, chosen } from "./address.js";
import { make, shown } from "./dom.js";
import { fold } from "./fold.js";
import { ask, known, recorded } from "./source.js";
import { place } from "./tip.js";

const form = document.getElementById("choose");
const exchanges = document.getElementById("exchanges");
const tip = document.getElementById("tip");
const state = document.getElementById("state");
const go = document.getElementById("go");
const capture = document.getElementById("capture");
const MOST = 4;

const panels = () => [...form.querySelectorAll("[name=panel]:checked")].map((box) => box.value);

function choice() {
  const { pattern, transport, size } = form.elements;
  return { pattern: pattern.value, transport: transport.value, size: size.value, panels: panels().join(" ") };
}

form.addEventListener("change", () => {
  const count = panels().length;
  go.disabled = count === 0 || count > MOST;
  state.textContent = count > MOST ? `At most ${MOST} panels stand side by side.` : "";
  const { pattern, transport, size, panels: names } = choice();
  choose({ pattern: pattern === "reqrep" ? "" : pattern, transport: transport === "tcp" ? "" : transport, size, panels: names });
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  go.disabled = true;
  state.textContent = "The programs run; a second run with a long way counts the round trips.";
  try {
    const answer = await ask("exchange", choice());
    const made = new DOMParser().parseFromString(answer.html, "text/html"); // made with the page's own template
    exchanges.replaceChildren(...made.body.childNodes);
    fold();
    tip.hidden = true;
    offer(answer.capture);
    state.textContent = "";
  } catch (problem) {
    state.textContent = problem.message;
  }
  go.disabled = false;
});

let address = "";

function offer(base64) {
  capture.hidden = !base64;
  if (!base64) return;
  URL.revokeObjectURL(address);
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  address = URL.createObjectURL(new Blob([bytes], { type: "application/vnd.tcpdump.pcap" }));
  capture.href = address;
}

// What a byte is: under the pointer, or with the keyboard.

function explain(element) {
  const { what, field, part, offset, length, meaning } = element.dataset;
  for (const other of exchanges.querySelectorAll("[data-on], [data-like]")) {
    other.removeAttribute("data-on");
    other.removeAttribute("data-like");
  }
  for (const like of exchanges.querySelectorAll(`[data-what="${CSS.escape(what)}"]`)) like.setAttribute("data-like", "");
  element.setAttribute("data-on", "");
  const panel = element.closest("[data-panel]").dataset.panel;
  const last = Number(offset) + Number(length) - 1;
  tip.replaceChildren(
    make("p", {}, make("b", { dir: "auto" }, shown(meaning, 300))),
    make("p", { class: "soft" }, `${panel}: ${field} (${part}), ${length === "1" ? `byte ${offset}` : `${length} bytes, ${offset} to ${last}`} in its direction`),
  );
  place(tip, element);
}

for (const kind of ["pointerover", "focusin"]) {
  exchanges.addEventListener(kind, (event) => {
    const element = event.target.closest("button.el");
    if (element) explain(element);
  });
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") tip.hidden = true;
});

if (recorded) { // both patterns stand in a report, and nothing else can be chosen
  go.hidden = true;
  for (const one of form.elements) one.disabled = one.name !== "pattern";
  form.addEventListener("change", () => location.reload());
}
offer(known.data.capture);
