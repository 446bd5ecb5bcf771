/**
 * Marks panels whose data is old: a dashed outline and a tag. The values stay readable.
 *
 * @import { Store } from "../store.js"
 * @import { ServerClock } from "../lib/clock.js"
 */
import { setHtml } from "../lib/dom.js";
import { html, icon } from "../lib/html.js";
import { duration } from "../lib/format.js";
import { STALE_MS } from "./connection.js";

/** Which room a panel lives on, where it isn't the page's own. @type {Record<string, string>} */
const ROOM_OF = { metrics: "metrics", health: "system" };

/** @param {Store} store @param {ServerClock} clock */
export function registerFreshness(store, clock) {
  const panels = [...document.querySelectorAll("[data-panel]")];
  const show = () => {
    if (store.paused) return;
    for (const panel of panels) {
      const room = ROOM_OF[panel.id];
      const at = room ? (store.roomAt.get(room) ?? NaN) : store.dataAt;
      const ageMs = clock.now() - at;
      const stale = ageMs > STALE_MS;
      panel.classList.toggle("is-stale", stale);
      setHtml(
        panel.querySelector(".stale-slot"),
        stale ? html`<span class="stale-tag">${icon("clock", "i-sm")}${duration(ageMs)} old</span>` : html``,
      );
    }
  };
  setInterval(show, 1000);
}
