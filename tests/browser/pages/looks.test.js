import assert from "node:assert/strict";
import { test } from "node:test";

import { axeFindsNothing } from "../support/axe.js";
import { openPage, pillSays } from "../support/browser.js";
import { openHouse } from "../support/house.js";

let ringside, browser;
openHouse((house) => ({ ringside, browser } = house));

for (const path of ["/login", "/", "/campaigns", "/campaigns/demo-solar-spring"]) {
  for (const [theme, width] of [["dark", 1440], ["light", 1440], ["dark", 390], ["light", 390]]) {
    test(`axe finds nothing on ${path}, ${theme}, ${width} px`, async () => {
      const page = await openPage(browser, ringside, { theme, width, path });
      if (path !== "/login") await pillSays(page, "LIVE");
      await axeFindsNothing(page);
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
