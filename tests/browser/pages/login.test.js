import assert from "node:assert/strict";
import { test } from "node:test";

import { openPage } from "../support/browser.js";
import { openHouse } from "../support/house.js";
import { PASSWORD } from "../support/ringside.js";

let ringside, browser;
openHouse((house) => ({ ringside, browser } = house));

test("a wrong password is told in one sentence and the right one leads to where one wanted to go", async () => {
  const context = await browser.newContext({ baseURL: ringside.url });
  const page = await context.newPage();
  await page.goto("/campaigns");
  assert.match(page.url(), /\/login\?next=/);
  await page.getByLabel("Name").fill("admin");
  await page.getByLabel("Password").fill("not-the-password");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText(/Name or password is wrong\. \d tries left\./).waitFor();
  await page.getByLabel("Password").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/campaigns");
  await page.getByRole("heading", { name: "Campaigns", level: 1 }).waitFor();
  await context.close();
});

/** Opens the account panel and signs out. */
async function signOut(page) {
  await page.getByRole("button", { name: /^Account/ }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
}

test("signing out ends the login, with a script and without one", async () => {
  for (const script of [true, false]) {
    const page = await openPage(browser, ringside, { script });
    await signOut(page);
    await page.waitForURL(`${ringside.url}/login`);
    await page.goto("/campaigns");
    await page.waitForURL(/\/login\?next=/);
    await page.context().close();
  }
});
