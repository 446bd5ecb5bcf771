/**
 * The pause button: freezes every automatic change on the page, counts what is held, and jumps to now when let go.
 *
 * @import { Store } from "../store.js"
 */
import { byId, setAttribute, setHtml } from "../lib/dom.js";
import { icon } from "../lib/html.js";

/** @param {Store} store */
export function registerPause(store) {
  const button = byId("pause");
  const title = document.title;
  const toggle = () => {
    if (store.paused) store.resume();
    else store.pause();
    setAttribute(button, "aria-pressed", String(store.paused));
    setAttribute(button, "aria-label", store.paused ? "Resume live updates" : "Pause live updates");
    setHtml(button, icon(store.paused ? "play" : "pause"));
    document.title = store.paused ? `Paused · ${title}` : title;
    document.documentElement.classList.toggle("is-paused", store.paused);
  };
  button.addEventListener("click", toggle);
  return toggle;
}
