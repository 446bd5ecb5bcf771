/**
 * The bell: what came as a notification, newest first, and how much of it is unread.
 *
 * @import { Store } from "../store.js"
 */
import { moment, toMinutes } from "../lib/clock.js";
import { byId, setAttribute, setHidden, setHtml, setText } from "../lib/dom.js";
import { html, icon } from "../lib/html.js";
import { badgeClass, noteIcon } from "./toasts.js";

/** @param {Store} store */
export function registerNotes(store) {
  let unread = 0;
  const count = () => {
    setHidden(byId("bell-count"), unread === 0);
    setText(byId("bell-count"), unread > 99 ? "99+" : String(unread));
    setAttribute(byId("bell"), "aria-label", unread ? `Notifications, ${unread} unread` : "Notifications");
  };
  store.on("note", () => {
    unread += 1;
    count();
  });
  byId("notes-panel").addEventListener("toggle", () => {
    unread = 0;
    count();
  });
  store.subscribe(["notes"], () => {
    const rows = store.notes.map(
      (note) =>
        html`<li>${icon(noteIcon(note))}<div><b>${note.title}</b>${note.status && html`<span class="status ${badgeClass(note.status)}">${note.status}</span>`}<p class="t3">${note.body}</p></div><time class="t3" datetime="${note.at}">${toMinutes(moment(note.at))}</time></li>`,
    );
    setHtml(byId("notes"), rows.length ? html`${rows}` : html`<li class="t3">None yet.</li>`);
  });
}
