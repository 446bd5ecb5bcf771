/**
 * Single-key shortcuts. They work while no field has focus, and can be switched off in the account panel.
 *
 *     registerKeys({ p: { does: "pause or resume", run: togglePause }, "g o": { … } });
 */
import { byId, setHtml } from "../lib/dom.js";
import { html } from "../lib/html.js";

const KEY = "ringside.keys";
const SECOND_KEY_WITHIN_MS = 1000;

/** @typedef {{ does: string, run: () => void }} Shortcut */

/** @param {EventTarget|null} target */
function isField(target) {
  return target instanceof HTMLElement && (target.matches("input, select, textarea") || target.isContentEditable);
}

/** @param {Record<string, Shortcut>} shortcuts By key, or two keys with a space between. */
export function registerKeys(shortcuts) {
  const sheet = /** @type {HTMLDialogElement} */ (byId("keys"));
  /** @type {Record<string, Shortcut>} */
  const all = { ...shortcuts, "?": { does: "show this list", run: () => sheet.showModal() } };
  setHtml(
    byId("keys-list"),
    html`${Object.entries(all).map(([keys, { does }]) => html`<dt>${keys.split(" ").map((key) => html`<span class="kbd">${key}</span>`)}</dt><dd>${does}</dd>`)}`,
  );
  byId("keys-open").addEventListener("click", () => sheet.showModal());

  const box = /** @type {HTMLInputElement} */ (byId("keys-on"));
  try {
    box.checked = localStorage.getItem(KEY) !== "off";
  } catch {
    // Not allowed to remember: on.
  }
  box.addEventListener("change", () => {
    try {
      localStorage.setItem(KEY, box.checked ? "on" : "off");
    } catch {
      // Holds until the page is left.
    }
  });

  let first = "";
  let firstAt = -Infinity;
  document.addEventListener("keydown", (event) => {
    if (event.key === "k" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      all["/"]?.run();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isField(event.target)) {
      if (event.key === "Escape") /** @type {HTMLElement} */ (event.target).blur();
      return;
    }
    if (!box.checked || document.querySelector("dialog[open]")) return;
    const pair = `${first} ${event.key}`;
    const keys = event.timeStamp - firstAt < SECOND_KEY_WITHIN_MS && pair in all ? pair : event.key;
    first = event.key;
    firstAt = event.timeStamp;
    const shortcut = all[keys];
    if (!shortcut) return;
    event.preventDefault();
    first = "";
    shortcut.run();
  });
}
