/**
 * The account panel: another tenant, signing out, and what has no room in a phone's header.
 *
 * @import { RingsideClient } from "../ringside-client.js"
 */
import { byId, setHidden, setHtml, setText } from "../lib/dom.js";
import { html } from "../lib/html.js";

const otherTabs = new BroadcastChannel("ringside-tenant");

/** @param {RingsideClient} client Which is not to hear that its login has ended from anybody else. */
export function registerAccount(client) {
  byId("signout").addEventListener("submit", (event) => {
    event.preventDefault();
    void signOut(client);
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

/** Nobody leaves believing to be out who is not. @param {RingsideClient} client */
async function signOut(client) {
  const error = byId("signout-error");
  setText(error, "");
  client.close();
  const answer = await fetch("/auth/logout", { method: "POST" }).catch(() => null);
  if (answer?.ok) return location.assign("/login");
  // A problem with a code is told by Ringside itself, which has taken the cookies away all the same; whatever stands
  // before it and answers in its place has not.
  const problem = await answer?.json().catch(() => null);
  if (answer && answer.status >= 500 && problem?.code) return location.assign("/login?error=not_ended");
  client.connect();
  setText(error, "Signing out did not work: this browser is still signed in. Try again in a moment.");
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
