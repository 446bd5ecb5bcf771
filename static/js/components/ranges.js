/**
 * The range of the charts. It lives in the URL, so that a link shows what its sender saw.
 *
 * @import { Range } from "../series.js"
 */
import { byId, setAttribute } from "../lib/dom.js";

/** @type {Range[]} */
const RANGES = ["1m", "1h"];

/** @param {() => void} onChange @param {Range} usual The range where the URL asks for none. */
export function registerRanges(onChange, usual) {
  const group = byId("ranges");
  const asked = new URLSearchParams(location.search).get("range");
  let range = RANGES.find((one) => one === asked) ?? usual;
  const show = () => {
    for (const button of group.querySelectorAll("button")) {
      setAttribute(button, "aria-pressed", String(button.dataset.range === range));
    }
  };
  /** @param {Range} wanted */
  const pick = (wanted) => {
    range = wanted;
    const url = new URL(location.href);
    // Also where it is the usual one: what is usual changes as the floor gets older.
    url.searchParams.set("range", range);
    history.replaceState(null, "", url);
    show();
    onChange();
  };
  group.addEventListener("click", (event) => {
    const button = event.target instanceof Element && event.target.closest("button");
    const wanted = RANGES.find((one) => button && one === button.dataset.range);
    if (wanted) pick(wanted);
  });
  show();
  return { range: () => range, pick };
}
