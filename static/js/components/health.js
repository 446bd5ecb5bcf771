/**
 * System health: a group of rows for each host.
 *
 * @import { Store } from "../store.js"
 * @import { Host } from "../ringside-client.js"
 */
import { byId, setHidden, setHtml, setText } from "../lib/dom.js";
import { html } from "../lib/html.js";
import { bytes, percent, UNKNOWN } from "../lib/format.js";

const DEGRADED_PERCENT = 90;

/** @typedef {{ name: string, used: number|null, value: string, note: string }} HealthRow */

/** @param {Host} host @returns {HealthRow[]} */
function healthRows(host) {
  const share = (/** @type {number|null} */ used) => percent(used === null ? null : used / 100);
  const speed = (/** @type {number|null} */ value) => (value === null ? UNKNOWN : `${bytes(value)}/s`);
  const load = host.load[0];
  const cores =
    host.cores === null
      ? "cores unknown"
      : load === null || load === undefined
        ? `${host.cores} cores`
        : `${host.cores} cores, load ${load.toFixed(1)}`;
  /** @type {HealthRow[]} */
  const rows = [
    { name: "CPU", used: host.cpuPercent, value: share(host.cpuPercent), note: cores },
    {
      name: "Memory",
      used: host.memoryPercent,
      value: bytes(host.memoryUsedBytes),
      note: `of ${bytes(host.memoryTotalBytes)}`,
    },
    ...host.disks.map((disk) => ({
      name: "Disk",
      used: disk.usedPercent,
      value: share(disk.usedPercent),
      note: disk.mount,
    })),
  ];
  if (host.rxBytesPerS !== null || host.txBytesPerS !== null) {
    rows.push({
      name: "Network",
      used: null,
      value: speed(host.rxBytesPerS),
      note: `in, ${speed(host.txBytesPerS)} out`,
    });
  }
  return rows;
}

/** @param {HealthRow} row */
const isDegraded = (row) => row.used !== null && row.used >= DEGRADED_PERCENT;

/** @param {HealthRow} row */
function healthRow(row) {
  const [tone, sign, word] = isDegraded(row) ? ["warn", "triangle", "degraded"] : ["good", "checkc", "healthy"];
  const bar =
    row.used === null
      ? html`<span></span>`
      : html`<svg class="bar c-neutral" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="8" /><rect class="fillc" width="${row.used.toFixed(1)}" height="8" /></svg>`;
  return html`<li><span class="${tone}"><svg class="i" role="img" aria-label="${word}"><use href="#i-${sign}" /></svg></span><span class="nm">${row.name}</span>${bar}<span class="val">${row.value}<small>${row.note}</small></span></li>`;
}

/** @param {Store} store */
export function registerHealth(store) {
  store.subscribe(["hosts"], () => {
    const groups = store.hosts.map((host) => ({ host: host.host, rows: healthRows(host) }));
    if (groups.length === 0) return;
    setHtml(
      byId("hosts"),
      html`${groups.map((group) => html`<h3 class="host-h">${group.host}</h3><ul class="health">${group.rows.map(healthRow)}</ul>`)}`,
    );
    const degraded = groups.flatMap((group) => group.rows).filter(isDegraded).length;
    setHidden(byId("degraded"), degraded === 0);
    setText(byId("degraded-n"), `${degraded} degraded`);
  });
}
