import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { eventually, openBrowser, openPage, pillSays } from "../support/browser.js";
import { Scaled } from "../support/scaled.js";

let scaled, browser;
before(async () => {
  scaled = await Scaled.start();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await scaled?.stop();
});

/** What the page's sockets say and hear, one list for each socket. */
function listen(page) {
  const sockets = [];
  page.on("websocket", (socket) => {
    const said = { sent: [], heard: [] };
    sockets.push(said);
    socket.on("framesent", ({ payload }) => said.sent.push(JSON.parse(String(payload))));
    socket.on("framereceived", ({ payload }) => said.heard.push(JSON.parse(String(payload))));
  });
  return sockets;
}

const subscribed = (socket) => socket.sent.filter((message) => message.action === "subscribe");

/** Waits until the page is on another socket than the first so many, and that one has brought news. */
async function movesOn(page, sockets, count) {
  const until = Date.now() + 45_000;
  const moved = () => sockets.length > count && sockets.at(-1).heard.some((frame) => frame.type === "metrics_update");
  while (!moved()) {
    if (Date.now() > until) throw new Error(`still on socket ${sockets.length} of more than ${count}`);
    await page.waitForTimeout(50);
  }
  await pillSays(page, "LIVE");
}

test("a page goes on through the balancer when its gateway is killed, and when it drains", async () => {
  let sockets = [];
  const page = await openPage(browser, scaled, { prepare: (page) => (sockets = listen(page)) });
  await pillSays(page, "LIVE");
  await page.evaluate(() => (window.sameDocument = true));
  // Only one is left, so that is where the page is from now on, once it has come: its pill goes on saying LIVE meanwhile.
  await Promise.all([scaled.end("gateway1", "SIGTERM"), scaled.end("gateway2", "SIGTERM")]);
  await eventually("the page is at the last gateway", async () => (await scaled.sockets("gateway3")) === 1);
  await pillSays(page, "LIVE");
  await scaled.run("start");
  let before = sockets.length;
  await scaled.end("gateway3", "SIGKILL");
  await movesOn(page, sockets, before);
  await scaled.run("start");
  before = sockets.length;
  await Promise.all([scaled.end("gateway1", "SIGTERM"), scaled.end("gateway2", "SIGTERM")]);
  await movesOn(page, sockets, before);

  assert.equal(await page.evaluate(() => window.sameDocument), true, "without a reload");
  assert.ok(sockets.flatMap(({ heard }) => heard).some((frame) => frame.type === "bye"), "it was told to go");
  for (const socket of sockets.slice(1)) {
    for (const { room, cursor } of subscribed(socket)) {
      if (/^(campaign|calls):|^(alerts|notifications)$/.test(room)) assert.ok(cursor, `${room} is resumed by its cursor`);
    }
  }
  // Of each room, in the order in which the page heard it.
  const places = new Map();
  let attempts = 0;
  for (const frame of sockets.flatMap(({ heard }) => heard)) {
    assert.notEqual(frame.type, "reset", JSON.stringify(frame));
    if (frame.cursor) {
      const [epoch, offset] = frame.cursor.split(":");
      const place = places.get(frame.room) ?? { epoch, offset: -1 };
      assert.ok(place.epoch === epoch && Number(offset) >= place.offset, `${frame.room} went back to ${frame.cursor}`);
      places.set(frame.room, { epoch, offset: Number(offset) });
    }
    if (frame.room === "overview" && frame.aggregate) {
      const now = frame.aggregate.counters.attempts;
      assert.ok(now >= attempts, `attempts went back from ${attempts} to ${now}`);
      attempts = now;
    }
  }
  assert.ok(attempts > 0 && places.size > 0, "something was seen at all");
  const own = page.complaints.filter((text) => !/WebSocket connection|Failed to load resource/.test(text));
  assert.deepEqual(own, []);
  await page.context().close();
});

test("a browser that signs out while Redis is away is out, and is told that the login is not", async () => {
  const page = await openPage(browser, scaled);
  await pillSays(page, "LIVE");
  await scaled.end("redis", "SIGKILL");
  await page.getByRole("button", { name: /^Account/ }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("You are signed out here, but the login itself could not be ended now.").waitFor();
  const kept = (await page.context().cookies()).map(({ name }) => name);
  assert.ok(!kept.includes("ringside") && !kept.includes("ringside_refresh"), kept.join());
  await page.goto("/campaigns");
  await page.waitForURL(/\/login\?next=/);
  await page.context().close();
});
