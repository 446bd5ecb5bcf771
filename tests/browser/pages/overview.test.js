import assert from "node:assert/strict";
import { test } from "node:test";

import { eventually, openPage, pillSays } from "../support/browser.js";
import { openHouse } from "../support/house.js";

let ringside, browser;
openHouse((house) => ({ ringside, browser } = house));

const figure = (page, id) => page.locator(`[data-kpi=${id}] [data-part=value]`).textContent();

test("the first paint has its numbers without a script", async () => {
  const page = await openPage(browser, ringside, { script: false });
  assert.match(await figure(page, "active"), /^[\d,.]+K?$/);
  assert.ok((await page.locator("#campaign-rows tr").count()) >= 3);
  assert.ok((await page.locator("#bars [data-outcome]").count()) >= 3);
  assert.ok((await page.locator("#donut-arcs path").count()) >= 3);
  assert.ok((await page.locator("#feed-rows li").count()) >= 1);
  // A host needs two looks at its clocks to say how busy it is; a page that came before that says so.
  await eventually("the host reports", async () => {
    await page.reload();
    return /CPU.*Memory/s.test(await page.locator("#hosts").textContent());
  });
  await page.context().close();
});

test("numbers move within two seconds and nothing is complained about", async () => {
  const page = await openPage(browser, ringside);
  await pillSays(page, "LIVE");
  // A busy machine may stop the page for longer now and then, but not each time.
  await eventually("numbers move within two seconds", async () => {
    const before = await page.locator("#feed-rows li time").first().getAttribute("datetime");
    const moved = page.waitForFunction(
      (was) => document.querySelector("#feed-rows li time")?.getAttribute("datetime") !== was,
      before,
      { timeout: 2000 },
    );
    return moved.then(() => true, () => false);
  });
  await page.locator("#lanes canvas").first().waitFor();
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test("the first load weighs less than 120 KB", async () => {
  const page = await openPage(browser, ringside, { path: "/login" });
  // A debug build packs its files when the first browser comes; packed ones are sent with their length.
  const isPacked = async () => {
    const script = document.querySelector("script[src]")?.getAttribute("src") ?? "";
    const answer = await fetch(script, { cache: "no-store" });
    return answer.headers.get("content-length") !== null;
  };
  await eventually("the files are packed", () => page.evaluate(isPacked));
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.setCacheDisabled", { cacheDisabled: true });
  // What is compressed are the bodies; headers are counted apart and told too.
  let weight = 0;
  let headers = 0;
  const heads = new Map();
  session.on("Network.responseReceived", ({ requestId, response }) => heads.set(requestId, response.encodedDataLength));
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const head = heads.get(requestId) ?? 0;
    headers += head;
    weight += encodedDataLength - head;
  });
  await page.goto("/", { waitUntil: "networkidle" }).catch(() => {});
  await pillSays(page, "LIVE");
  const told = `${(weight / 1000).toFixed(1)} KB of bodies, ${(headers / 1000).toFixed(1)} KB of headers`;
  console.log(`first load of the overview: ${told}`);
  assert.ok(weight > 20_000 && weight < 120_000, told);
  await page.context().close();
});

test("pause holds the page still and counts, resume jumps to now", async () => {
  const page = await openPage(browser, ringside);
  await pillSays(page, "LIVE");
  await page.keyboard.press("p");
  await pillSays(page, "PAUSED");
  assert.match(await page.title(), /^Paused · /);
  const still = await page.locator("#feed-rows").innerHTML();
  await page.waitForFunction(() => Number.parseInt(document.querySelector("#conn .via")?.textContent ?? "0", 10) > 5);
  assert.equal(await page.locator("#feed-rows").innerHTML(), still);
  await page.getByRole("button", { name: "Resume live updates" }).click();
  await pillSays(page, "LIVE");
  await page.waitForFunction((was) => document.querySelector("#feed-rows")?.innerHTML !== was, still);
  await page.context().close();
});

test("a booking shows up as a toast, at the bell and in words", async () => {
  const page = await openPage(browser, ringside);
  await pillSays(page, "LIVE");
  await page.locator("#sound").click();
  assert.equal(await page.locator("#sound").getAttribute("aria-label"), "Alert sound: on");
  await ringside.ingest({
    id: `note-${Date.now()}`,
    type: "notification",
    at: new Date().toISOString(),
    category: "booking",
    kind: "car",
    status: "confirmed",
    severity: "info",
    title: "Booking 31337 confirmed <b>",
    body: "7 days",
  });
  const toast = page.locator(".toast", { hasText: "Booking 31337 confirmed <b>" });
  await toast.waitFor();
  assert.equal(await toast.locator(".status").textContent(), "confirmed");
  assert.match(await toast.locator("use").first().getAttribute("href"), /car/);
  await page.getByRole("button", { name: /Notifications/ }).click();
  await page.locator("#notes").getByText("Booking 31337 confirmed <b>").waitFor();
  await page.waitForFunction(() => Number(document.querySelector("#sound")?.getAttribute("data-played")) >= 1);
  await page.context().close();
});

test("a theme is kept and painted by the server", async () => {
  const page = await openPage(browser, ringside);
  await page.keyboard.press("t");
  assert.equal(await page.locator("html").getAttribute("data-theme"), "light");
  const answer = await page.request.get("/");
  assert.match(await answer.text(), /<html lang="en" data-theme="light"/);
  await page.reload();
  assert.equal(await page.locator("html").getAttribute("data-theme"), "light");
  await page.context().close();
});

test("the keyboard reaches the skip link, the shortcuts and the chart", async () => {
  const page = await openPage(browser, ringside);
  await pillSays(page, "LIVE");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Skip to content");
  await page.keyboard.press("?");
  const sheet = page.getByRole("dialog", { name: "Keyboard shortcuts" });
  await sheet.waitFor();
  await page.keyboard.press("Escape");
  await sheet.waitFor({ state: "hidden" });
  await page.keyboard.press("1");
  await page.waitForURL("**range=1m**");
  // The chart comes once its font is there.
  await page.locator("#lanes canvas").first().waitFor();
  await page.locator("#lanes").focus();
  await page.keyboard.press("ArrowLeft");
  await page.locator(".tip h4").waitFor();
  await page.keyboard.press("f");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "campaign-filter");
  await page.keyboard.type("solar");
  await page.waitForFunction(() => document.querySelectorAll("#campaign-rows tr:not([hidden])").length === 1);
  await page.context().close();
});
