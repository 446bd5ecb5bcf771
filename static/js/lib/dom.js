/** Small steps in the document that change only what is different, so that a still page costs nothing. */

/**
 * An element that the template promises.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/**
 * @param {Element|null|undefined} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

/**
 * @param {Element|null|undefined} element
 * @param {string} name
 * @param {string|null} value
 */
export function setAttribute(element, name, value) {
  if (!element || element.getAttribute(name) === value) return;
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

/** @type {WeakMap<Element, string>} */
const written = new WeakMap();

/**
 * Replaces what is in an element, where it is not what was put there last.
 * @param {Element|null|undefined} element
 * @param {import("./html.js").Html} content
 */
export function setHtml(element, content) {
  const text = String(content);
  if (!element || written.get(element) === text) return;
  written.set(element, text);
  element.innerHTML = text;
}

/**
 * @param {Element|null|undefined} element
 * @param {boolean} hidden
 */
export function setHidden(element, hidden) {
  if (element instanceof HTMLElement && element.hidden !== hidden) element.hidden = hidden;
}

/**
 * One of the two live regions. `polite` for what changed, `assertive` for a new critical.
 * @param {"polite"|"assertive"} region
 * @param {string} text
 */
export function say(region, text) {
  setText(byId(region), text);
}
