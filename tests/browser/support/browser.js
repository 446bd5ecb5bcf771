/** Chromium, contexts that are signed in, and a page that remembers what it complained about. */
import { chromium } from "playwright-core";

import { PASSWORD } from "./ringside.js";

const FLAGS =
  "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";

export function openBrowser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS.split(" ") });
}

/**
 * A signed-in page. `page.complaints` holds console errors and violations of the content policy.
 * @param {{ theme?: string, width?: number, height?: number, script?: boolean, path?: string }} [wishes]
 */
export async function openPage(browser, ringside, wishes = {}) {
  const { theme = "dark", width = 1440, height = 900, script = true, path = "/", prepare } = wishes;
  const context = await browser.newContext({
    baseURL: ringside.url,
    viewport: { width, height },
    javaScriptEnabled: script,
  });
  await context.addCookies([{ name: "ringside_theme", value: theme, url: ringside.url }]);
  const login = await context.request.post("/auth/login", { data: { username: "admin", password: PASSWORD } });
  if (!login.ok()) throw new Error(`login: ${login.status()} ${await login.text()}`);
  const page = await context.newPage();
  page.complaints = [];
  page.on("console", (message) => message.type() === "error" && page.complaints.push(message.text()));
  page.on("pageerror", (error) => page.complaints.push(error.message));
  await prepare?.(page);
  await page.goto(path);
  return page;
}

/** Waits until the pill says a word. */
export function pillSays(page, word, timeout = 45_000) {
  return page.waitForFunction(
    (wanted) => document.querySelector("#conn b")?.textContent?.startsWith(wanted),
    word,
    { timeout },
  );
}

/** Waits until something holds that can only be asked for again and again. */
export async function eventually(what, holds, timeout = 45_000) {
  for (const until = Date.now() + timeout; Date.now() < until; ) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`not in time: ${what}`);
}
