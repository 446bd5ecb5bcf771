/** Writes the pictures of the README: `npm run shots`. */
import { mkdirSync } from "node:fs";

import { openBrowser, openPage, pillSays } from "./support/browser.js";
import { Ringside } from "./support/ringside.js";

const FOLDER = new URL("../../docs/images/", import.meta.url).pathname;
const SHOTS = [
  { name: "overview-dark", path: "/", theme: "dark", width: 1440, height: 900 },
  { name: "overview-light", path: "/", theme: "light", width: 1440, height: 900 },
  { name: "campaign-light", path: "/campaigns/demo-solar-spring", theme: "light", width: 1440, height: 900 },
  { name: "overview-phone", path: "/", theme: "dark", width: 390, height: 844 },
];
/** So long the floor runs before its picture is taken: lanes with nothing in them show nothing. */
const WARM_UP_MS = Number(process.env.WARM_UP_MS ?? 180_000);

mkdirSync(FOLDER, { recursive: true });
const ringside = await Ringside.start();
const browser = await openBrowser();
try {
  await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
  for (const { name, ...wishes } of SHOTS) {
    const page = await openPage(browser, ringside, wishes);
    await pillSays(page, "LIVE");
    await page.locator("#lanes canvas").first().waitFor();
    await page.screenshot({ path: `${FOLDER}${name}.png` });
    await page.context().close();
  }
} finally {
  await browser.close();
  await ringside.stop();
}
