/** Pinned campaigns: kept in this browser, shown first in tables and in the sidebar. */

const KEY = "ringside.pins";
/** @type {Set<string>} */
const pins = new Set(read());
/** @type {(() => void)[]} */
const hearers = [];

/** @returns {string[]} */
function read() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter((id) => typeof id === "string") : [];
  } catch {
    // Unreadable or forbidden: nothing is pinned.
    return [];
  }
}

/** @param {string} id */
export const isPinned = (id) => pins.has(id);

export const pinned = () => [...pins];

/** @param {() => void} tell */
export function onPins(tell) {
  hearers.push(tell);
}

/** @param {string} id */
export function togglePin(id) {
  if (!pins.delete(id)) pins.add(id);
  try {
    localStorage.setItem(KEY, JSON.stringify([...pins]));
  } catch {
    // Private windows may refuse; the pin holds until the page is left.
  }
  for (const tell of hearers) tell();
}
