/**
 * What a page of another site can do with somebody's login, in a real browser: nothing. It is tried from another host,
 * where the browser itself keeps the cookie back, and from another port of the same host, where it sends the cookie along
 * and it is we who refuse.
 */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { eventually, openBrowser, openPage, pillSays } from "../support/browser.js";
import { PASSWORD, Ringside } from "../support/ringside.js";

let ringside, browser, stranger, friend;
before(async () => {
  stranger = await openStranger();
  friend = await openStranger();
  ringside = await Ringside.start({ environment: { RINGSIDE_CORS_ORIGINS: JSON.stringify([friend.farOrigin]) } });
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await ringside?.stop();
  stranger?.server.close();
  friend?.server.close();
});

/** Another site: it has one page, whatever it is asked for. */
function openStranger() {
  const page = "<!doctype html><title>elsewhere</title><body><p>Another site.</p></body>";
  const server = createServer((_, answer) => answer.setHeader("content-type", "text/html").end(page));
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, () => {
      const { port } = server.address();
      resolve({ server, farOrigin: `http://localhost:${port}`, nearOrigin: `http://127.0.0.1:${port}` });
    });
  });
}

/** A page of that site in a browser that is logged in with us. */
async function openElsewhere(origin) {
  const own = await openPage(browser, ringside);
  const page = await own.context().newPage();
  await page.goto(origin);
  return { own, page };
}

/** What a page really sends to us and is answered, also where the browser keeps that from it. */
async function watchWire(page) {
  const sent = { cookies: [], statuses: [] };
  const wire = await page.context().newCDPSession(page);
  const ours = new Set();
  wire.on("Network.requestWillBeSentExtraInfo", ({ requestId, headers }) => {
    if (headers.Host !== new URL(ringside.url).host) return;
    ours.add(requestId);
    sent.cookies.push("Cookie" in headers);
  });
  wire.on("Network.responseReceivedExtraInfo", ({ requestId, statusCode }) => {
    if (ours.has(requestId)) sent.statuses.push(statusCode);
  });
  await wire.send("Network.enable");
  return sent;
}

/** Whether the login still counts. */
const isSignedIn = async (page) => (await page.context().request.get("/auth/me")).ok();

/** How a socket ends, or that it opens. */
const openSocket = (page, url) =>
  page.evaluate(
    (url) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url.replace("http", "ws") + "/ws");
        socket.onopen = () => {
          socket.close();
          resolve("open");
        };
        socket.onclose = (event) => resolve(event.code);
      }),
    url,
  );

for (const [where, isNear] of [
  ["another host", false],
  ["another port of the same host", true],
]) {
  const originOf = () => (isNear ? stranger.nearOrigin : stranger.farOrigin);

  test(`a page of ${where} can't open a socket`, async () => {
    const { own, page } = await openElsewhere(originOf());
    const cookies = await own.context().cookies(ringside.url);
    assert.ok(cookies.some(({ name }) => name === "ringside"), "somebody is logged in");
    assert.equal(await openSocket(page, ringside.url), 1006);
    assert.equal(await openSocket(own, ringside.url), "open", "our own page can");
    await own.context().close();
  });

  test(`a page of ${where} can't post, neither with a script nor with a form`, async () => {
    const { own, page } = await openElsewhere(originOf());
    const post = (options) =>
      page.evaluate(
        ([url, options]) =>
          fetch(`${url}/auth/logout`, { method: "POST", credentials: "include", ...options }).then(
            (answer) => answer.type,
            () => "refused",
          ),
        [ringside.url, options],
      );
    const json = { body: "{}", headers: { "content-type": "application/json" } };
    const plain = { body: "{}", headers: { "content-type": "text/plain" }, mode: "no-cors" };
    for (const options of [json, plain]) assert.equal(await post(options), "refused");
    assert.ok(await isSignedIn(own), "nobody was logged out");
    const submit = async (path, fields) => {
      await page.goto(originOf());
      const answered = page.waitForEvent("response", (answer) => answer.request().method() === "POST");
      const shown = page.waitForURL(ringside.url + path);
      await page.evaluate(
        ([action, fields]) => {
          const form = Object.assign(document.createElement("form"), { method: "post", action });
          for (const [name, value] of fields) {
            form.append(Object.assign(document.createElement("input"), { name, value }));
          }
          document.body.append(form);
          form.submit();
        },
        [ringside.url + path, fields],
      );
      await shown;
      return (await answered).status();
    };
    const login = [["username", "admin"], ["password", PASSWORD]];
    assert.equal(await submit("/auth/login", login), 403, "nobody is logged in as somebody else");
    assert.equal(await submit("/auth/logout", []), 403);
    assert.ok(await isSignedIn(own), "nobody was logged out");
    assert.equal(await own.evaluate(() => fetch("/auth/logout", { method: "POST" }).then((answer) => answer.ok)), true);
    assert.equal(await isSignedIn(own), false, "our own page can");
    await own.context().close();
  });

  test(`a page of ${where} can't read, neither with a script nor as one`, async () => {
    const { own, page } = await openElsewhere(originOf());
    const sent = await watchWire(page);
    const read = (path, mode) =>
      page.evaluate(
        ([url, mode]) => fetch(url, { mode, credentials: "include" }).then((answer) => answer.text(), () => "refused"),
        [ringside.url + path, mode],
      );
    for (const path of ["/poll?rooms=alerts&wait=0", "/", "/admin/connections"]) {
      assert.equal(await read(path, "cors"), "refused", path);
      assert.ok(["refused", ""].includes(await read(path, "no-cors")), path);
    }
    await eventually("all have been answered", () => sent.statuses.length >= 6);
    assert.ok(sent.cookies.every((cookie) => cookie === isNear), `${sent.cookies}: only from near the cookie comes along`);
    if (isNear) assert.ok(sent.statuses.every((status) => status === 403), `${sent.statuses}: it was of no use`);
    const asScript = (path) =>
      page.evaluate(
        (src) =>
          new Promise((resolve) => {
            const script = document.createElement("script");
            Object.assign(script, { src, onload: () => resolve("loaded"), onerror: () => resolve("refused") });
            document.body.append(script);
          }),
        ringside.url + path,
      );
    for (const path of ["/auth/me", "/static/vendor/uplot/uPlot.iife.min.js"]) {
      assert.equal(await asScript(path), "refused", path);
    }
    await own.context().close();
  });

  test(`a page of ${where} can't frame ours, and may link to it`, async () => {
    const { own, page } = await openElsewhere(originOf());
    const complaints = [];
    page.on("console", (message) => complaints.push(message.text()));
    await page.evaluate((url) => {
      document.body.append(Object.assign(document.createElement("iframe"), { src: url }));
    }, ringside.url);
    await eventually("the browser says why", () => complaints.some((text) => text.includes("frame-ancestors")));
    const frame = page.frames().find((frame) => frame !== page.mainFrame());
    assert.equal(await frame.locator("#conn").count(), 0, "nothing of our page is in it");
    await page.evaluate((url) => {
      document.body.append(Object.assign(document.createElement("a"), { href: url, textContent: "a link" }));
    }, ringside.url);
    await page.getByText("a link").click();
    await page.waitForURL(`${ringside.url}/**`);
    await pillSays(page, "LIVE");
    await own.context().close();
  });
}

test("a page of a listed origin reads with a token, and is a stranger everywhere else", async () => {
  const { own, page } = await openElsewhere(friend.farOrigin);
  const [{ value: token }] = (await own.context().cookies(ringside.url)).filter(({ name }) => name === "ringside");
  const read = (path) =>
    page.evaluate(
      ([url, token]) =>
        fetch(url, { headers: { authorization: `Bearer ${token}` } }).then((answer) => answer.status, () => "refused"),
      [ringside.url + path, token],
    );
  assert.equal(await read("/analytics/stats"), 200);
  assert.equal(await read("/poll?rooms=alerts&wait=0"), "refused");
  for (const origin of [friend.nearOrigin, stranger.farOrigin]) {
    await page.goto(origin);
    assert.equal(await read("/analytics/stats"), "refused", `${origin} is not listed`);
  }
  await own.context().close();
});

test("over TLS one logs in, the cookie insists on it, and the page is live", async () => {
  const secure = await Ringside.start({ tls: true });
  try {
    const context = await browser.newContext({ baseURL: secure.url, ignoreHTTPSErrors: true });
    const page = await context.newPage();
    const complaints = [];
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    const shown = await page.goto("/login");
    assert.equal(shown.headers()["strict-transport-security"], "max-age=31536000");
    await page.getByLabel("Name").fill("admin");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.keyboard.press("Enter");
    await page.waitForURL(`${secure.url}/`);
    const cookie = (await context.cookies()).find(({ name }) => name === "__Host-ringside");
    assert.ok(cookie?.secure && cookie.httpOnly && cookie.path === "/" && cookie.sameSite === "Lax", JSON.stringify(cookie));
    await pillSays(page, "LIVE");
    assert.deepEqual(complaints, []);
    await context.close();
  } finally {
    await secure.stop();
  }
});
