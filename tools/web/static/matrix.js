// Which rows and columns of the lab's matrix are shown. What is chosen stands in the address.

import { choose, chosen } from "./address.js";
import { seek } from "./find.js";

export function filterMatrix(form) {
  const [find, theme, differ, outcomes] = ["find", "theme", "differ", "outcomes"].map((id) => document.getElementById(id));
  const elsewhere = document.getElementById("elsewhere");
  const boxes = [...form.querySelectorAll("[name=panel]")];
  const rows = [...document.querySelectorAll(".matrix tbody tr")];
  const now = chosen();

  find.value = (now.get("find") ?? "").slice(0, find.maxLength);
  theme.value = now.get("theme") ?? "";
  differ.checked = now.get("differ") === "1";
  outcomes.checked = now.get("outcomes") === "1" || differ.checked;
  const hidden = (now.get("without") ?? "").split(" ");
  for (const box of boxes) box.checked = !hidden.includes(box.value);

  const without = () => boxes.filter((box) => !box.checked).map((box) => box.value);

  function show() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const left = new Set(without());
    document.documentElement.dataset.outcomes = outcomes.checked ? "shown" : "hidden";
    for (const cell of document.querySelectorAll(".matrix .outcome")) cell.hidden = left.has(cell.dataset.panel);
    let count = 0;
    for (const row of rows) {
      const text = `${row.dataset.name} ${row.dataset.find} ${row.querySelector(".question").textContent}`.toLowerCase();
      const ofTheme = !theme.value || row.closest(".theme").dataset.theme === theme.value;
      const fits = ofTheme && words.every((word) => text.includes(word)) && (!differ.checked || differs(row, left));
      row.hidden = !fits;
      count += fits;
    }
    for (const section of document.querySelectorAll(".theme"))
      section.hidden = ![...section.querySelectorAll("tbody tr")].some((row) => !row.hidden);
    document.getElementById("count").textContent = `${count} of ${rows.length} experiments`;
    elsewhere.hidden = !words.length;
    elsewhere.textContent = `Search all pages for “${find.value.trim()}”`;
  }

  form.addEventListener("input", (event) => {
    if (event.target === differ && differ.checked) outcomes.checked = true;
    if (event.target === outcomes && !outcomes.checked) differ.checked = false;
    choose({
      find: find.value.trim(),
      theme: theme.value,
      differ: differ.checked ? "1" : "",
      outcomes: outcomes.checked ? "1" : "",
      without: without().join(" "),
    });
    show();
  });
  elsewhere.addEventListener("click", () => seek(find.value.trim()));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  show();
}

// Whether the outcomes that are shown differ in more than numbers.
function differs(row, left) {
  const cells = [...row.querySelectorAll("td.outcome")].filter((cell) => !left.has(cell.dataset.panel));
  const seen = cells.map((cell) => cell.querySelector(".seen")?.textContent.replace(/\d+([.,]\d+)*/g, "#"));
  return new Set(seen.filter(Boolean)).size > 1;
}
