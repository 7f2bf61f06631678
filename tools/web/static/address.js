// What is chosen on a page stands in its address: a link shows the same, and so does a reload.
// In a report every page is the same file: what is chosen stands behind the #, as in #lab?find=dies.

const report = document.getElementById("recorded") !== null;
const PAUSE_MS = 100; // browsers refuse an address that changes more often
let written = 0;
let waiting = null; // the next address, and what is chosen in it

export function chosen() {
  return new URLSearchParams(waiting ? waiting.now : report ? location.hash.split("?")[1] : location.search);
}

function address(page, words) {
  const query = words.toString();
  return query ? `${page}?${query}` : page;
}

// Changes some of what is chosen; an empty value takes it out of the address. With `step` the
// browser's Back leads to what was chosen before.
export function choose(changes, step = false) {
  const now = chosen();
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === null || value === undefined) now.delete(name);
    else now.set(name, value);
  }
  waiting = { now, step: step || waiting?.step, address: address(report ? location.hash.split("?")[0] || "#" : location.pathname, now) };
  const pause = written + PAUSE_MS - Date.now();
  if (pause <= 0) write();
  else setTimeout(write, pause);
  keepInLinks(now);
}

function write() {
  if (!waiting) return;
  history[waiting.step ? "pushState" : "replaceState"](null, "", waiting.address);
  written = Date.now();
  waiting = null;
}
window.addEventListener("pagehide", write);

// Links with data-keep="a b" carry a and b along.
export function keepInLinks(now = chosen()) {
  for (const link of document.querySelectorAll("a[data-keep]")) {
    const href = link.getAttribute("href");
    const end = href.indexOf("#", 1) < 0 ? href.length : href.indexOf("#", 1);
    const [page, words] = href.slice(0, end).split("?");
    const to = new URLSearchParams(words);
    for (const name of link.dataset.keep.split(" ")) {
      if (now.has(name)) to.set(name, now.get(name));
      else to.delete(name);
    }
    link.setAttribute("href", address(page, to) + href.slice(end));
  }
}
