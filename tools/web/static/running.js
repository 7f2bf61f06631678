// What runs now, at the head of every page: a link to each, and a button that stops it.

import { keepInLinks } from "./address.js";
import { make } from "./dom.js";
import { ask } from "./source.js";

const place = document.getElementById("running");

export function showRunning(all) {
  const shown = new URLSearchParams(location.search).get("run"); // it has its own button
  const runs = all.filter((run) => !shown || run.asked.run !== shown);
  place.hidden = !runs.length;
  place.replaceChildren(
    make("b", {}, `${shown ? "Also running" : "Running"}: ${runs.length}`),
    ...runs.map((run) => {
      const stop = make("button", { type: "button", "aria-label": `Stop: ${run.text}` }, "Stop");
      stop.addEventListener("click", () => {
        stop.disabled = true;
        return ask("stop", run.asked, run.page);
      });
      return make("span", { class: "run" }, make("a", { href: run.address, "data-keep": "look big" }, run.text), " ", stop);
    }),
  );
  keepInLinks();
}
