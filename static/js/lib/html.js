/**
 * The one way to make HTML from data: a tag that escapes whatever is put in.
 *
 *     list.innerHTML = String(html`<li title="${name}">${rows.map((row) => html`<b>${row}</b>`)}</li>`);
 */

const ENTITIES = /** @type {Record<string, string>} */ ({
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
});

/** Text that is HTML already. */
export class Html {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }

  toString() {
    return this.text;
  }
}

/**
 * @param {unknown} value
 * @returns {string}
 */
function render(value) {
  if (value === null || value === undefined || value === false) return "";
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(render).join("");
  return String(value).replace(/[&<>"']/g, (letter) => ENTITIES[letter]);
}

/**
 * @param {TemplateStringsArray} strings
 * @param {...unknown} values
 */
export function html(strings, ...values) {
  return new Html(strings.reduce((text, part, index) => text + render(values[index - 1]) + part));
}

/**
 * An icon of the page's sprite.
 * @param {string} name
 * @param {string} [classes]
 */
export function icon(name, classes = "") {
  return html`<svg class="i ${classes}" aria-hidden="true"><use href="#i-${name}" /></svg>`;
}
