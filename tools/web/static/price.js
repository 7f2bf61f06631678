// The page Price: what takes some seconds to count is asked for when the page is there.

import { keepInLinks } from "./address.js";
import { ask, known, recorded } from "./source.js";

const runs = document.getElementById("runs");
const state = document.getElementById("state");

async function fill(id, question, body, meanwhile) {
  const place = document.getElementById(id);
  const wait = place.querySelector(".wait");
  if (wait) wait.textContent = meanwhile;
  place.setAttribute("aria-busy", "true");
  try {
    const { html } = await ask(question, body);
    const made = new DOMParser().parseFromString(html, "text/html"); // made with the page's own template
    place.replaceChildren(...made.body.childNodes);
    keepInLinks();
  } catch (problem) {
    (wait ?? state).textContent = problem.message;
  }
  place.removeAttribute("aria-busy");
}

runs.addEventListener("click", async () => {
  runs.disabled = true;
  state.textContent = "The programs run, panel after panel; strace counts their system calls.";
  await fill("size", "size", { runs: true }, "");
  state.textContent = "";
  runs.disabled = false;
});

if (!recorded) {
  runs.hidden = false;
  if (!known.data.counted) await fill("lines", "lines", {}, "The lines of all panels are being counted.");
  if (!known.data.marked) await fill("each", "marked", {}, "The marked lines are being read.");
  if (!known.data.sized) await fill("size", "size", {}, "The sources are being counted.");
}
