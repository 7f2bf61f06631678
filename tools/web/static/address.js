// What is chosen on a page stands in its address: a link shows the same, and so does a reload.

export function chosen() {
  return new URLSearchParams(location.search);
}

// Changes some of what is chosen; an empty value takes it out of the address.
export function choose(changes) {
  const now = chosen();
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === null || value === undefined) now.delete(name);
    else now.set(name, value);
  }
  const words = now.toString();
  try {
    history.replaceState(null, "", words ? `?${words}` : location.pathname);
  } catch {
    // a report opened as a file: some browsers keep its address as it is
  }
  keepInLinks(now);
}

// Links with data-keep="a b" carry a and b along.
export function keepInLinks(now = chosen()) {
  for (const link of document.querySelectorAll("a[data-keep]")) {
    const to = new URL(link.href, location.href);
    for (const name of link.dataset.keep.split(" ")) {
      if (now.has(name)) to.searchParams.set(name, now.get(name));
      else to.searchParams.delete(name);
    }
    link.setAttribute("href", `${to.pathname}${to.search}${to.hash}`);
  }
}
