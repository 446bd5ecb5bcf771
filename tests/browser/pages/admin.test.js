import assert from "node:assert/strict";
import { test } from "node:test";

import { axeFindsNothing } from "../support/axe.js";
import { eventually, openPage, pillSays } from "../support/browser.js";
import { openHouse } from "../support/house.js";

const SHOWS = ["users", "tokens", "keys", "sessions", "audit"];

let ringside, browser;
openHouse((house) => ({ ringside, browser } = house));

/** A busy machine has alerts, and their toasts lie over what is clicked here. */
const withoutToasts = (page) =>
  page.addInitScript(() =>
    addEventListener("DOMContentLoaded", () => document.getElementById("toasts")?.setAttribute("hidden", "")),
  );

/** An admin's page, alive. */
async function openAdmin(wishes = {}) {
  const page = await openPage(browser, ringside, { path: "/admin", prepare: withoutToasts, ...wishes });
  await pillSays(page, "LIVE");
  return page;
}

/** A page of somebody who signs in through the form. */
async function signIn(name, password) {
  const context = await browser.newContext({ baseURL: ringside.url });
  const page = await context.newPage();
  await withoutToasts(page);
  await page.goto("/");
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${ringside.url}/`);
  return page;
}

/** Asks for a secret and takes what is shown once. */
async function takeSecret(page) {
  const once = page.getByRole("dialog").filter({ hasText: "It is shown this once." });
  await once.waitFor();
  const secret = await once.locator("input").first().inputValue();
  await page.keyboard.press("Escape");
  assert.ok(await once.isVisible(), "a slip of the finger does not lose it");
  await once.getByRole("button", { name: "I have it" }).click();
  await once.waitFor({ state: "hidden" });
  assert.ok(!(await page.content()).includes(secret), "it is nowhere in the page any more");
  return secret;
}

test("a user who was just added signs in, and is signed out within seconds when their login is ended", async () => {
  const admin = await openAdmin();
  await admin.getByRole("button", { name: "Add user…" }).click();
  const form = admin.getByRole("dialog", { name: "Add user" });
  await form.getByLabel("Name").fill("not a name");
  await form.getByRole("button", { name: "Add" }).click();
  await form.getByText("An account's name is 1 to 64 letters").waitFor();
  await form.getByLabel("Name").fill("bob");
  await form.getByLabel("Campaigns").fill("demo-solar-spring");
  await form.getByRole("button", { name: "Add" }).click();
  const password = await takeSecret(admin);
  const row = admin.getByRole("row", { name: /^bob/ });
  await row.getByText("demo-solar-spring").waitFor();
  await admin.getByText("bob can sign in now.").waitFor();

  const bob = await signIn("bob", password);
  await pillSays(bob, "LIVE");
  assert.equal(await bob.getByRole("link", { name: "Admin" }).count(), 0, "what one may not do is not offered");
  const answer = await bob.goto("/admin");
  assert.equal(answer.status(), 403);
  await bob.getByText("Only auditors and admins may read this.").waitFor();
  await bob.goto("/");
  await pillSays(bob, "LIVE");

  await admin.getByRole("link", { name: "Logins" }).click();
  await admin.getByRole("button", { name: /^End… the login of bob/ }).click();
  await admin.getByRole("dialog", { name: "End the login of bob?" }).getByRole("button", { name: "End login" }).click();
  await admin.getByText("The login of bob has ended.").waitFor();
  assert.equal(await admin.getByRole("row", { name: /^bob/ }).count(), 0);
  await bob.waitForURL("**/login?**");
  await bob.getByText("Your sign-in has ended.").waitFor();

  await admin.getByRole("link", { name: "Audit log" }).click();
  await admin.getByRole("row").filter({ hasText: "session.end" }).filter({ hasText: "bob" }).first().waitFor();
  const refused = "Failed to load resource: the server responded with a status of 400 (Bad Request)";
  assert.deepEqual(admin.complaints, [refused], "the name that was none, and nothing else");
  await bob.context().close();
  await admin.context().close();
});

test("a wallboard's token is issued, shown once, copied, listed and revoked", async () => {
  const page = await openAdmin({ path: "/admin?show=tokens" });
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"], { origin: ringside.url });
  await page.getByRole("button", { name: "Issue token…" }).click();
  const form = page.getByRole("dialog", { name: "Issue token" });
  await form.getByLabel("A screen on a wall").check();
  assert.ok(await form.getByLabel("Role").isHidden(), "a wallboard has no role to choose");
  await form.getByLabel("Name").fill("Hall");
  await form.getByLabel("Days").fill("30");
  await form.getByRole("button", { name: "Issue", exact: true }).click();
  await page.getByRole("button", { name: "Copy Token" }).click();
  await page.getByText("Copied.").waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  const token = await takeSecret(page);
  assert.match(token, /^rsw_/);
  assert.equal(copied, token);
  const row = page.getByRole("row", { name: /^Hall/ });
  await row.getByText("overview").waitFor();
  const wall = await browser.newContext({ baseURL: ringside.url });
  assert.equal((await wall.request.post("/auth/login", { data: { token } })).status(), 200);
  await row.getByRole("button").click();
  const ask = page.getByRole("dialog", { name: "Revoke Hall?" });
  await ask.getByRole("button", { name: "Cancel" }).click();
  assert.equal(await row.count(), 1, "nothing happens that was not confirmed");
  await row.getByRole("button").click();
  await ask.getByRole("button", { name: "Revoke" }).click();
  await page.getByText("The token Hall is revoked.").waitFor();
  assert.equal(await row.count(), 0);
  assert.equal((await wall.request.post("/auth/login", { data: { token } })).status(), 401);
  assert.deepEqual(page.complaints, []);
  await wall.close();
  await page.context().close();
});

test("an API key is issued from the page and sends events until it is revoked", async () => {
  const page = await openAdmin({ path: "/admin?show=keys" });
  await page.getByRole("button", { name: "Issue key…" }).click();
  const form = page.getByRole("dialog", { name: "Issue API key" });
  await form.getByLabel("Source").fill("pbx-9");
  await form.getByRole("button", { name: "Issue" }).click();
  const key = await takeSecret(page);
  const send = async () => {
    const event = { id: crypto.randomUUID(), at: new Date().toISOString(), type: "metric", name: "revenue", value: 1 };
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    return (await fetch(`${ringside.url}/ingest/events`, { method: "POST", headers, body: JSON.stringify(event) })).status;
  };
  assert.equal(await send(), 200);
  await page.getByRole("row", { name: /^pbx-9/ }).getByRole("button").click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.getByText("The key of pbx-9 is revoked.").waitFor();
  await eventually("the key is refused", async () => (await send()) === 401);
  await page.context().close();
});

test("a user is locked and removed by keyboard alone, and the focus stays where one is", async () => {
  const page = await openAdmin();
  const made = await page.context().request.post("/admin/users", { data: { name: "zoe", role: "viewer", campaigns: "*" } });
  assert.equal(made.status(), 201);
  await page.reload();
  await pillSays(page, "LIVE");
  const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim() ?? "");
  const tabTo = async (text) => {
    for (let presses = 0; presses < 60; presses += 1) {
      if ((await focused()) === text) return;
      await page.keyboard.press("Tab");
    }
    assert.fail(`no way to ${text} by Tab; at ${await focused()}`);
  };
  await tabTo("Change… zoe");
  await page.keyboard.press("Enter");
  await tabTo("Lock…");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Lock zoe?" }).waitFor();
  await tabTo("Lock");
  await page.keyboard.press("Enter");
  await page.getByText("zoe is locked.").waitFor();
  assert.equal(await focused(), "Change… zoe");
  await page.getByRole("row", { name: /^zoe/ }).getByText("Locked").waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "zoe" }).waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await focused(), "Change… zoe");
  await page.keyboard.press("Enter");
  await tabTo("Remove…");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Remove zoe?" }).waitFor();
  await tabTo("Remove");
  await page.keyboard.press("Enter");
  await page.getByText("zoe is removed.").waitFor();
  assert.equal(await page.getByRole("row", { name: /^zoe/ }).count(), 0);
  assert.equal(await focused(), "Users", "where the row was, the list is");
  await page.context().close();
});

test("who belongs to several tenants chooses one in the account panel, and a refusal is told there", async () => {
  const page = await openAdmin();
  const tenants = [{ tenant: "default", role: "admin" }, { tenant: "other", role: "viewer" }];
  await page.route("**/auth/me", (route) => route.fulfill({ json: { tenant: "default", tenants } }));
  await page.getByRole("button", { name: "Account, admin" }).click();
  const asked = page.waitForRequest("**/auth/tenant");
  await page.getByLabel("Tenant").selectOption("other");
  assert.deepEqual((await asked).postDataJSON(), { tenant: "other" });
  await page.getByText("This account belongs to no such tenant.").waitFor();
  await page.context().close();
});

test("an auditor reads everything and is offered no change", async () => {
  const admin = await openAdmin();
  const made = await admin.context().request.post("/admin/users", { data: { name: "odd", role: "auditor", campaigns: "*" } });
  const odd = await signIn("odd", (await made.json()).password);
  for (const show of SHOWS) {
    await odd.goto(`/admin?show=${show}`);
    await pillSays(odd, "LIVE");
    assert.equal(await odd.locator("main button[data-do]").count(), 0, show);
    await axeFindsNothing(odd);
  }
  const [download] = await Promise.all([odd.waitForEvent("download"), odd.getByRole("link", { name: "Export CSV" }).click()]);
  assert.match(download.suggestedFilename(), /^ringside_audit_default_.*\.csv$/);
  await odd.context().close();
  await admin.context().close();
});

for (const [theme, width] of [["dark", 1440], ["light", 1440], ["dark", 390], ["light", 390]]) {
  test(`axe finds nothing on the lists and forms, ${theme}, ${width} px`, async () => {
    const page = await openAdmin({ theme, width });
    const request = page.context().request;
    await request.post("/admin/tokens", { data: { kind: "wallboard", name: "Hall", page: "overview" } });
    for (const show of SHOWS) {
      await page.goto(`/admin?show=${show}`);
      await pillSays(page, "LIVE");
      await axeFindsNothing(page);
      const button = page.locator("#list [data-do]").first();
      if (await button.count()) {
        await button.click();
        await axeFindsNothing(page);
      }
    }
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });
}

test("nothing scrolls sideways at 320 px", async () => {
  const page = await openAdmin({ width: 320, height: 640 });
  for (const show of SHOWS) {
    await page.goto(`/admin?show=${show}`);
    await pillSays(page, "LIVE");
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 320, show);
  }
  await page.context().close();
});
