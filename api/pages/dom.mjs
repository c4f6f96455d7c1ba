// Elements, made of names, attributes and text. The only place that puts text into the page, and it makes text nodes only.

import { pieces, start } from "./text.mjs";

const SVG = "http://www.w3.org/2000/svg";
const CLIPPED = 300; // characters of one text that are shown before somebody asks for more

/** An element. `on…` attributes are listeners; null, undefined and false leave an attribute or a child out. */
export function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same of SVG. */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * Text from telemetry or from people: what cannot be seen is written out, and its direction turns nothing around it.
 * @param {{keep?: string, code?: boolean}} how `keep`: see `pieces`; `code`: in the order of its characters, as a machine reads it
 */
export function shown(text, { keep = "", code = false } = {}) {
  const parts = pieces(String(text), keep).map((piece) =>
    piece.isEscape ? el("span", { class: "escape", title: "written out: cannot be seen" }, piece.text) : piece.text);
  return el(code ? "code" : "bdi", {}, ...parts);
}

/** Code that may be long: its beginning, and a button for the rest. */
export function clipped(text) {
  const whole = String(text);
  const box = el("span", { class: "clipped" }, shown(start(whole, CLIPPED), { code: true }));
  if (whole.length > CLIPPED) {
    const button = el("button", { type: "button", class: "more" }, `… all ${whole.length} characters`);
    button.addEventListener("click", () => box.replaceChildren(shown(whole, { code: true })));
    box.append(" ", button);
  }
  return box;
}

/** A part of the page by its id. */
export function part(id) {
  return document.getElementById(id);
}
