/** The account panel: another tenant, signing out, and what has no room in a phone's header. */
import { byId, setHidden, setHtml, setText } from "../lib/dom.js";
import { html } from "../lib/html.js";

const otherTabs = new BroadcastChannel("ringside-tenant");

export function registerAccount() {
  byId("signout").addEventListener("click", async () => {
    await fetch("/auth/logout", { method: "POST" }).catch(() => null);
    location.assign("/login");
  });
  for (const button of document.querySelectorAll("[data-press]")) {
    button.addEventListener("click", () => byId(button.getAttribute("data-press") ?? "").click());
  }
  byId("account-panel").addEventListener("beforetoggle", (event) => {
    if (/** @type {ToggleEvent} */ (event).newState === "open") void listTenants();
  });
  byId("tenant").addEventListener("change", switchTenant);
  // The other tabs of this login show a tenant that it does not look at any more.
  otherTabs.addEventListener("message", () => location.assign("/"));
}

/** Most accounts belong to one tenant, and have nothing to choose. */
async function listTenants() {
  const answer = await fetch("/auth/me").catch(() => null);
  if (!answer?.ok) return;
  /** @type {{ tenant: string, tenants: { tenant: string, role: string }[] }} */
  const { tenant, tenants } = await answer.json();
  const options = tenants.map(
    (other) => html`<option value="${other.tenant}"${other.tenant === tenant && html` selected`}>${other.tenant}, ${other.role}</option>`,
  );
  setHtml(byId("tenant"), html`${options}`);
  setHidden(byId("tenants"), tenants.length < 2);
}

async function switchTenant() {
  const select = /** @type {HTMLSelectElement} */ (byId("tenant"));
  const answer = await fetch("/auth/tenant", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ tenant: select.value }),
  }).catch(() => null);
  // Everything on this page is the other tenant's: begin with a new one.
  if (answer?.ok) {
    otherTabs.postMessage("another tenant");
    location.assign("/");
  } else setText(byId("tenant-error"), (await answer?.json().catch(() => null))?.detail ?? "Ringside does not answer. Try again.");
}
