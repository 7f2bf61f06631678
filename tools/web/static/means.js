// A word that is explained says what it means: under the pointer, and with the keyboard. A click on
// a term keeps the note, and does not jump; the note has a link to the whole. Without scripts the
// word's title and its own link do.

import { make } from "./dom.js";
import { place } from "./tip.js";

const note = make("aside", { class: "tip", id: "means", "aria-label": "What the word means", hidden: true });
let shown = null;

function explain(word) {
  if (word === shown) return;
  forget();
  if (word.title) { // the browser's own note would stand beside ours
    word.dataset.says = word.title;
    word.removeAttribute("title");
  }
  const more = { href: word.getAttribute("href"), tabindex: "-1" };
  note.replaceChildren(make("p", {}, word.dataset.says), make("p", {}, make("a", more, "In the reference")));
  word.setAttribute("aria-describedby", "means");
  shown = word;
  place(note, word);
}

function forget() {
  shown?.removeAttribute("aria-describedby");
  shown = null;
  note.hidden = true;
  note.removeAttribute("data-kept");
}

const wordAt = (event) => event.target.closest?.("a.means");

export function explainWords() {
  document.body.append(note);
  document.addEventListener("pointerover", (event) => {
    const word = wordAt(event);
    if (word) explain(word);
    else if (shown && shown !== document.activeElement && !note.hasAttribute("data-kept")) forget();
  });
  document.addEventListener("focusin", (event) => {
    if (wordAt(event)) explain(wordAt(event));
  });
  document.addEventListener("focusout", (event) => {
    if (wordAt(event) === shown && !note.hasAttribute("data-kept")) forget();
  });
  document.addEventListener("click", (event) => {
    const word = wordAt(event);
    const pointed = event.detail > 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (!word?.matches(".term") || !pointed) return;
    event.preventDefault();
    explain(word);
    note.setAttribute("data-kept", "");
  });
  document.addEventListener("pointerdown", (event) => {
    if (!wordAt(event) && !note.contains(event.target)) forget();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") forget();
  });
}
