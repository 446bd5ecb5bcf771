import assert from "node:assert/strict";
import { test } from "node:test";

import { eventually, openPage, pillSays } from "../support/browser.js";
import { openHouse } from "../support/house.js";

let ringside, browser;
openHouse((house) => ({ ringside, browser } = house));

test("a gateway that dies is said so, and its return needs no reload", async () => {
  const page = await openPage(browser, ringside);
  await pillSays(page, "LIVE");
  await page.evaluate(() => (window.sameDocument = true));
  await ringside.kill();
  await pillSays(page, "CONNECTING");
  // The age passes ten seconds, and panels say that they are stale.
  await page.locator("#hour-h ~ .stale-slot .stale-tag").waitFor({ timeout: 25_000 });
  await ringside.run();
  await pillSays(page, "LIVE", 60_000);
  assert.equal(await page.evaluate(() => window.sameDocument), true);
  await page.locator("#hour-h ~ .stale-slot .stale-tag").waitFor({ state: "detached" });
  await page.context().close();
});

test("who can't sign out is told so and stays where it is seen", async () => {
  const page = await openPage(browser, ringside);
  await pillSays(page, "LIVE");
  await ringside.kill();
  await page.getByRole("button", { name: /^Account/ }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("Signing out did not work: this browser is still signed in. Try again in a moment.").waitFor();
  assert.equal(page.url(), `${ringside.url}/`);
  await ringside.run();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(`${ringside.url}/login`);
  await page.context().close();
});

test("a page whose login can't be renewed right now stays, and goes on once it can be", async () => {
  let away = true;
  let asked = 0;
  const page = await openPage(browser, ringside, {
    prepare: async (page) => {
      await page.routeWebSocket(/\/ws$/, (socket) => (away ? socket.close({ code: 4401 }) : socket.connectToServer()));
      await page.route("**/poll?*", (route) => (away ? route.fulfill({ status: 401, json: { code: "unauthorized" } }) : route.continue()));
      await page.route("**/auth/refresh", (route) => {
        asked += 1;
        return away ? route.fulfill({ status: 503, json: { code: "unavailable" } }) : route.continue();
      });
    },
  });
  await page.evaluate(() => (window.sameDocument = true));
  await eventually("it asks again and again", () => asked >= 3);
  assert.equal(page.url(), `${ringside.url}/`, "where nobody can sign in, nobody is sent to the sign-in");
  away = false;
  await pillSays(page, "LIVE", 60_000);
  assert.equal(await page.evaluate(() => window.sameDocument), true);
  await page.context().close();
});

test("a refused socket falls back to polling and comes back by itself", async () => {
  let refused = true;
  const page = await openPage(browser, ringside, {
    prepare: (page) =>
      page.routeWebSocket(/\/ws$/, (socket) => (refused ? socket.close({ code: 1011 }) : socket.connectToServer())),
  });
  await pillSays(page, "POLLING");
  const before = await page.locator("#feed-rows li time").first().getAttribute("datetime");
  await page.waitForFunction(
    (was) => document.querySelector("#feed-rows li time")?.getAttribute("datetime") !== was,
    before,
  );
  refused = false;
  await page.locator("#conn").click();
  await page.getByRole("button", { name: "Reconnect now" }).click();
  await pillSays(page, "LIVE");
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});
