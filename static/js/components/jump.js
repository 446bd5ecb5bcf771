/**
 * The jump box: any campaign or page by a few letters.
 *
 * @import { Store } from "../store.js"
 */
import { byId, setAttribute, setHtml } from "../lib/dom.js";
import { html } from "../lib/html.js";

const SHOWN = 12;

/** Returns what opens it. @param {Store} store */
export function registerJump(store) {
  const box = /** @type {HTMLDialogElement} */ (byId("jump"));
  const input = /** @type {HTMLInputElement} */ (byId("jump-input"));
  const list = byId("jump-list");
  let picked = 0;
  const show = () => {
    const text = input.value.trim().toLowerCase();
    const places = [
      { name: "Overview", note: "page", href: "/" },
      { name: "Campaigns", note: "page", href: "/campaigns" },
      ...[...store.campaigns.values()].map((c) => ({
        name: c.name,
        note: c.campaignId,
        href: `/campaigns/${c.campaignId}`,
      })),
    ].filter((place) => `${place.name} ${place.note}`.toLowerCase().includes(text));
    picked = Math.min(picked, Math.max(0, Math.min(places.length, SHOWN) - 1));
    const rows = places
      .slice(0, SHOWN)
      .map(
        (place, index) =>
          html`<li><a href="${place.href}" class="${index === picked && "is-picked"}"><span>${place.name}</span><span class="t3">${place.note}</span></a></li>`,
      );
    setHtml(list, rows.length ? html`${rows}` : html`<li class="t3">Nothing is called “${input.value}”.</li>`);
  };
  input.addEventListener("input", () => {
    picked = 0;
    show();
  });
  input.addEventListener("keydown", (event) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step) {
      event.preventDefault();
      picked = Math.max(0, picked + step);
      show();
    } else if (event.key === "Enter") {
      event.preventDefault();
      list.querySelectorAll("a")[picked]?.click();
    }
  });
  const open = () => {
    input.value = "";
    picked = 0;
    show();
    box.showModal();
    setAttribute(input, "aria-expanded", null);
  };
  return open;
}
