// A report is one document with every view of every page. This script leaves the view that the
// address names, gives its data the place where source.js looks, and starts the page's script.
// Another view is another address after the #: the document is then loaded again.

const root = document.documentElement;
const views = [...document.querySelectorAll(".view")];

// The view whose choices all stand in the address: of several, the one with the most.
function viewOf(hash) {
  const [page, query] = hash.slice(1).split("?");
  const words = new URLSearchParams(query);
  const fitting = views.filter((view) => view.dataset.page === page).map((view) => {
    const own = [...new URLSearchParams(view.dataset.view.split("?")[1])];
    return { view, fits: own.every(([name, value]) => words.get(name) === value), size: own.length };
  });
  return fitting.filter((one) => one.fits).sort((a, b) => b.size - a.size)[0]?.view;
}

// The JSON in base64 of its gzip.
async function unpacked(element) {
  const bytes = Uint8Array.from(atob(element.textContent), (character) => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

const view = viewOf(location.hash) ?? views[0];
const page = view.dataset.page;
const common = JSON.parse(document.getElementById("recorded").textContent);
for (const one of views) if (one !== view) one.remove();
for (const style of document.querySelectorAll("style")) if (!style.dataset.pages.split(" ").includes(page)) style.remove();
const data = view.querySelector(":scope > script");
const { known, streams } = await unpacked(data);
const answers = {};
for (const name of new Set([page, "reference"])) { // which has the index of the search
  const packed = document.querySelector(`[data-answers="${name}"]`);
  if (packed) Object.assign(answers, await unpacked(packed));
}
data.textContent = JSON.stringify({ panels: common.panels, ...known });
data.id = "known";
document.getElementById("recorded").textContent = JSON.stringify({ answers, streams });
root.dataset.report = "live";
document.body.className = `page-${page}`;
document.querySelector(`nav [data-page="${page}"]`).setAttribute("aria-current", "page");

const words = new URLSearchParams(location.hash.split("?")[1]);
if (["light", "dark"].includes(words.get("look"))) root.dataset.look = words.get("look");
root.toggleAttribute("data-big", words.get("big") === "1");
document.getElementById("big").setAttribute("aria-pressed", String(words.get("big") === "1"));

window.addEventListener("beforeprint", () => { // on paper nothing can be opened
  for (const one of document.querySelectorAll("details")) one.open = true;
});
window.addEventListener("hashchange", () => {
  if (viewOf(location.hash)) location.reload();
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  const href = link?.getAttribute("href") ?? "";
  if (href === "#main") {
    event.preventDefault();
    document.getElementById("main").focus();
  } else if (href.startsWith("/")) {
    event.preventDefault();
    location.hash = href.slice(1).split("#")[0];
  }
});

for (const name of common.scripts[page]) await import(`triptych/${name}`);
root.dataset.ready = "1";
