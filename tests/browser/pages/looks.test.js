import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { openBrowser, openPage, pillSays } from "../support/browser.js";
import { Ringside } from "../support/ringside.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

let ringside, browser;
before(async () => {
  ringside = await Ringside.start();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await ringside?.stop();
});

for (const path of ["/login", "/", "/campaigns", "/campaigns/demo-solar-spring"]) {
  for (const [theme, width] of [["dark", 1440], ["light", 1440], ["dark", 390], ["light", 390]]) {
    test(`axe finds nothing on ${path}, ${theme}, ${width} px`, async () => {
      const page = await openPage(browser, ringside, { theme, width, path });
      if (path !== "/login") await pillSays(page, "LIVE");
      // A toast that fades in has another contrast each moment.
      await page.emulateMedia({ reducedMotion: "reduce" });
      // Evaluated through the debugger, which the content policy of the page does not bind.
      await page.evaluate(axe);
      const { violations } = await page.evaluate((rules) => axe.run(document, { runOnly: rules }), RULES);
      const told = violations.flatMap((v) => v.nodes.map((node) => `${v.id}: ${node.target} ${node.failureSummary}`));
      assert.deepEqual(told, []);
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    });
  }
}

for (const path of ["/login", "/", "/campaigns", "/campaigns/demo-solar-spring"]) {
  test(`nothing scrolls sideways on ${path} at 320 px`, async () => {
    const page = await openPage(browser, ringside, { width: 320, height: 640, path });
    if (path !== "/login") await pillSays(page, "LIVE");
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 320);
    await page.context().close();
  });
}
