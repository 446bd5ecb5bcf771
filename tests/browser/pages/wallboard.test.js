import assert from "node:assert/strict";
import { test } from "node:test";

import { openPage, pillSays } from "../support/browser.js";
import { openHouse } from "../support/house.js";

let ringside, browser;
openHouse((house) => ({ ringside, browser } = house));

test("a screen on a wall opens its address, shows its page without numbers, and goes dark when it is revoked", async () => {
  const admin = await openPage(browser, ringside);
  const issued = await admin.request.post("/admin/tokens", { data: { kind: "wallboard", name: "Hall 2", page: "overview" } });
  const { token: { id }, text: token } = await issued.json();
  const context = await browser.newContext({ baseURL: ringside.url });
  const wall = await context.newPage();
  const asked = [];
  wall.on("request", (request) => asked.push(request.url()));
  await wall.goto(`/login#wallboard=${token}`);
  await wall.waitForURL(`${ringside.url}/`);
  await pillSays(wall, "LIVE");
  assert.ok(asked.length > 3 && asked.every((url) => !url.includes(token)), "the token is in no address that was asked for");
  await wall.goBack().catch(() => null);
  assert.ok(!wall.url().includes(token), "nor in the way back");

  await wall.goto("/campaigns");
  assert.equal(wall.url(), `${ringside.url}/`, "it has one page");
  await pillSays(wall, "LIVE");
  const frames = await wall.evaluate(() => document.getElementById("frames").textContent);
  assert.ok(!frames.includes('"to":"') && !frames.includes('"agent":"'), "nobody's number, and nobody's name");

  assert.equal((await admin.request.delete(`/admin/tokens/${id}`)).status(), 204);
  await wall.waitForURL(/\/login/);
  await wall.goto(`/login#wallboard=${token}`);
  await wall.getByText("This token is not valid here").waitFor();
});

test("whoever is signed in is asked before a link makes a wallboard of the browser", async () => {
  const page = await openPage(browser, ringside);
  const issued = await page.request.post("/admin/tokens", { data: { kind: "wallboard", name: "Hall 3", page: "overview" } });
  const { text: token } = await issued.json();
  const me = async () => (await page.request.get("/auth/me")).json();
  // With a token that is over, the login goes on all the same.
  for (const gone of [[], [{ name: "ringside" }]]) {
    for (const cookie of gone) await page.context().clearCookies(cookie);
    await page.goto("about:blank");
    await page.goto(`/login#wallboard=${token}`);
    await page.getByText("This browser is signed in as admin.").waitFor();
    assert.equal(await page.getByLabel("Password").isVisible(), false);
    await page.getByRole("link", { name: "Stay signed in" }).click();
    await page.waitForURL(`${ringside.url}/`);
    assert.equal((await me()).user, "admin", "nothing has happened to it");
  }

  await page.goto("about:blank");
  await page.goto(`/login#wallboard=${token}`);
  await page.getByText("This browser is signed in as admin.").waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL(`${ringside.url}/`);
  assert.equal((await me()).role, "wallboard");

  // Switched on again, a screen asks nobody.
  await page.goto("about:blank");
  await page.goto(`/login#wallboard=${token}`);
  await page.waitForURL(`${ringside.url}/`);
  await pillSays(page, "LIVE");
  assert.deepEqual(page.complaints.filter((text) => !/401/.test(text)), []);
  await page.context().close();
});

test("another tab of a login that switched its tenant begins anew", async () => {
  const page = await openPage(browser, ringside);
  const other = await page.context().newPage();
  await other.goto("/campaigns");
  await pillSays(other, "LIVE");
  await page.evaluate(() => new BroadcastChannel("ringside-tenant").postMessage("another tenant"));
  await other.waitForURL(`${ringside.url}/`);
});
