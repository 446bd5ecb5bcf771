/**
 * Toasts: at most three, the newest on top, the rest as "+2 more". Criticals stay until dismissed.
 *
 * @import { Store } from "../store.js"
 * @import { Alert, Note } from "../ringside-client.js"
 */
import { byId, setText } from "../lib/dom.js";
import { html, icon } from "../lib/html.js";
import { alertValue } from "../lib/format.js";
import { placeOf, SEVERITY_ICON } from "./alerts.js";

const SHOWN = 3;
const LEAVES_AFTER_MS = 10_000;

/** @typedef {{ icon: string, severity: string, title: string, text: string, badge: string|null, stays: boolean }} Message */

/** What a notification's category looks like. @type {Record<string, string>} */
const CATEGORY_ICON = { booking: "booking", car: "car", hotel: "hotel", flight: "flight", system: "bolt", metric: "metric" };

/** @param {Note} note */
export function noteIcon(note) {
  return CATEGORY_ICON[note.kind ?? ""] ?? CATEGORY_ICON[note.category] ?? "note";
}

/** The class of a status badge: confirmed is good, pending waits, canceled is over. @param {string|null} status */
export function badgeClass(status) {
  switch (status) {
    case "confirmed":
    case "completed":
      return "st-ok";
    case "pending":
    case "changed":
      return "st-info";
    case "cancelled":
    case "canceled":
    case "failed":
      return "st-paused";
    default:
      return "st-stopped";
  }
}

export class Toasts {
  /** @type {{ element: HTMLElement, timer: number, stays: boolean }[]} */
  #toasts = [];
  #place = byId("toasts");
  #more = document.createElement("button");

  /** @param {Store} store */
  constructor(store) {
    this.store = store;
  }

  start() {
    this.#more.className = "btn btn-sm toast-more";
    this.#more.type = "button";
    this.#more.addEventListener("click", () => this.#clear());
    this.store.on("alert", (/** @type {Alert} */ alert) => this.#alert(alert));
    this.store.on("note", (/** @type {Note} */ note) => this.#note(note));
  }

  /** @param {Alert} alert */
  #alert(alert) {
    const place = placeOf(this.store, alert);
    const value = alertValue(alert.value, alert.unit);
    const limit = alertValue(alert.threshold, alert.unit);
    const firing = alert.state === "firing";
    this.show({
      icon: firing ? SEVERITY_ICON[alert.severity] : "checkc",
      severity: firing ? alert.severity : "ok",
      title: alert.title,
      text: `${place ? `${place}, ` : ""}${firing ? "firing" : "resolved"} at ${value}, limit ${limit}.`,
      badge: null,
      stays: firing && alert.severity === "critical",
    });
  }

  /** @param {Note} note */
  #note(note) {
    this.show({
      icon: noteIcon(note),
      severity: note.severity,
      title: note.title,
      text: note.body ?? "",
      badge: note.status,
      stays: note.severity === "critical",
    });
  }

  /** @param {Message} message */
  show(message) {
    const element = document.createElement("div");
    const grave = message.severity === "critical";
    element.className = `toast sev-${message.severity} ${grave ? "is-err" : message.severity === "ok" ? "is-ok" : ""}`;
    element.setAttribute("role", grave ? "alert" : "status");
    element.innerHTML = String(
      html`${icon(message.icon)}<div><b>${message.title}</b>${message.badge && html`<span class="status ${badgeClass(message.badge)}">${message.badge}</span>`}<p>${message.text}</p></div><button class="btn btn-ghost btn-icon btn-sm" type="button" aria-label="Dismiss">${icon("x")}</button>`,
    );
    const toast = { element, timer: 0, stays: message.stays };
    element.querySelector("button")?.addEventListener("click", () => this.#leave(toast));
    element.addEventListener("pointerenter", () => clearTimeout(toast.timer));
    element.addEventListener("pointerleave", () => this.#wind(toast));
    element.addEventListener("focusin", () => clearTimeout(toast.timer));
    element.addEventListener("focusout", () => this.#wind(toast));
    this.#toasts.unshift(toast);
    this.#wind(toast);
    this.#draw();
  }

  /** @param {{ element: HTMLElement, timer: number, stays: boolean }} toast */
  #wind(toast) {
    clearTimeout(toast.timer);
    if (!toast.stays) toast.timer = window.setTimeout(() => this.#leave(toast), LEAVES_AFTER_MS);
  }

  /** @param {{ element: HTMLElement, timer: number }} toast */
  #leave(toast) {
    clearTimeout(toast.timer);
    this.#toasts = this.#toasts.filter((one) => one !== toast);
    this.#draw();
  }

  #clear() {
    for (const toast of this.#toasts) clearTimeout(toast.timer);
    this.#toasts = [];
    this.#draw();
  }

  #draw() {
    const shown = this.#toasts.slice(0, SHOWN).map((toast) => toast.element);
    const more = this.#toasts.length - SHOWN;
    for (const element of [...this.#place.children]) {
      if (element !== this.#more && !shown.includes(/** @type {HTMLElement} */ (element))) element.remove();
    }
    shown.forEach((element, index) => {
      if (this.#place.children[index] !== element) this.#place.insertBefore(element, this.#place.children[index] ?? null);
    });
    if (more > 0) {
      setText(this.#more, `+${more} more, dismiss all`);
      this.#place.append(this.#more);
    } else this.#more.remove();
  }
}
