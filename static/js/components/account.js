/** The account panel: signing out, and what has no room in a phone's header. */
import { byId } from "../lib/dom.js";

export function registerAccount() {
  byId("signout").addEventListener("click", async () => {
    await fetch("/auth/logout", { method: "POST" }).catch(() => null);
    location.assign("/login");
  });
  for (const button of document.querySelectorAll("[data-press]")) {
    button.addEventListener("click", () => byId(button.getAttribute("data-press") ?? "").click());
  }
}
