// Makes elements. Texts are always text, never HTML: they may come from a peer.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export function make(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function draw(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

// A peer's text on one line: control characters are shown, not obeyed, and the rest of the line
// keeps its direction (the element that shows it should have dir="auto" or be a <bdi>).
export function shown(text, most = 120) {
  const short = text.length > most ? `${text.slice(0, most)}…` : text;
  return short.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200e\u200f]/g, (c) =>
    `\\u{${c.codePointAt(0).toString(16)}}`);
}
