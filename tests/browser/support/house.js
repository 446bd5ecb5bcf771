/** What most files of page tests begin with and end: the product with its simulated floor, and a browser. */
import { after, before } from "node:test";

import { openBrowser } from "./browser.js";
import { Ringside } from "./ringside.js";

/**
 * Both are there before the first test of the file and gone after its last.
 * @param {(house: { ringside: Ringside, browser: import("playwright-core").Browser }) => void} isOpen
 */
export function openHouse(isOpen) {
  let ringside, browser;
  before(async () => {
    ringside = await Ringside.start();
    browser = await openBrowser();
    isOpen({ ringside, browser });
  });
  after(async () => {
    await browser?.close();
    await ringside?.stop();
  });
}
