/** What lanes draw onto the canvas beside uPlot: hatch, limits, the live end. Colours are tokens, read per theme. */

/** @typedef {{ value: number, kind: "crit"|"warn"|"target", label: string }} Limit */
/** @typedef {any} Plot A uPlot instance. */

const FONT = "Inter, system-ui, sans-serif";

/** A token's value now. @param {string} name */
export function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A hex colour with an alpha. @param {string} hex @param {number} share */
export function translucent(hex, share) {
  return (
    hex +
    Math.round(share * 255)
      .toString(16)
      .padStart(2, "0")
  );
}

/**
 * Hatches a span of time: there is no data here.
 * @param {Plot} plot
 * @param {number} from
 * @param {number} to
 */
export function hatch(plot, from, to) {
  const { ctx, bbox } = plot;
  const left = Math.max(bbox.left, plot.valToPos(from, "x", true));
  const right = Math.min(bbox.left + bbox.width, plot.valToPos(to, "x", true));
  const width = right - left;
  if (width < 2) return;
  const px = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, bbox.top, width, bbox.height);
  ctx.clip();
  ctx.fillStyle = translucent(token("--hatch"), 0.35);
  ctx.fillRect(left, bbox.top, width, bbox.height);
  ctx.strokeStyle = token("--hatch");
  ctx.lineWidth = 1.5 * px;
  ctx.beginPath();
  for (let x = -bbox.height; x < width; x += 7 * px) {
    ctx.moveTo(left + x, bbox.top + bbox.height);
    ctx.lineTo(left + x + bbox.height, bbox.top);
  }
  ctx.stroke();
  ctx.restore();
}

/** Says what the hatch at the end means, where there is room. @param {Plot} plot @param {number} from @param {number} to */
export function waiting(plot, from, to) {
  const { ctx, bbox } = plot;
  const px = devicePixelRatio;
  const left = plot.valToPos(from, "x", true);
  const right = Math.min(bbox.left + bbox.width, plot.valToPos(to, "x", true));
  if (right - left < 90 * px) return;
  ctx.save();
  ctx.font = `520 ${11 * px}px ${FONT}`;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillStyle = token("--text-2");
  ctx.fillText("waiting for data", (left + right) / 2, bbox.top + bbox.height / 2);
  ctx.restore();
}

/** Tints what is beyond the limit. @param {Plot} plot @param {Limit[]} limits */
export function tint(plot, limits) {
  const { ctx, bbox } = plot;
  for (const limit of limits) {
    if (limit.kind !== "crit") continue;
    const y = Math.max(bbox.top, plot.valToPos(limit.value, "y", true));
    ctx.save();
    ctx.fillStyle = translucent(token("--crit"), 0.09);
    ctx.fillRect(bbox.left, bbox.top, bbox.width, y - bbox.top);
    ctx.restore();
  }
}

/** Draws limits with their labels. @param {Plot} plot @param {Limit[]} limits */
export function lines(plot, limits) {
  const { ctx, bbox } = plot;
  const px = devicePixelRatio;
  for (const limit of limits) {
    const y = Math.round(plot.valToPos(limit.value, "y", true)) + 0.5;
    if (y < bbox.top - 1 || y > bbox.top + bbox.height) continue;
    const color = token(limit.kind === "crit" ? "--crit" : limit.kind === "warn" ? "--warn" : "--text-3");
    ctx.save();
    ctx.strokeStyle = color;
    ctx.lineWidth = (limit.kind === "crit" ? 1.5 : 1) * px;
    ctx.setLineDash(limit.kind === "target" ? [px, 3 * px] : [6 * px, 4 * px]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.textAlign = "left";
    ctx.textBaseline = "alphabetic";
    ctx.font = `600 ${11 * px}px ${FONT}`;
    const below = (limit.kind === "warn" && limits.length > 1) || y - bbox.top < 18 * px;
    const textY = below ? y + 13 * px : y - 5 * px;
    ctx.globalAlpha = 0.86;
    ctx.fillStyle = token("--surface");
    ctx.fillRect(bbox.left + 4 * px, textY - 10 * px, ctx.measureText(limit.label).width + 8 * px, 13 * px);
    ctx.globalAlpha = 1;
    ctx.fillStyle = color;
    ctx.fillText(limit.label, bbox.left + 8 * px, textY);
    ctx.restore();
  }
}

/**
 * The newest point: filled while data comes, hollow when it is stale.
 * @param {Plot} plot
 * @param {number} time
 * @param {number} value
 * @param {string} color
 * @param {boolean} stale
 */
export function liveEnd(plot, time, value, color, stale) {
  const { ctx, bbox } = plot;
  const px = devicePixelRatio;
  const x = Math.min(plot.valToPos(time, "x", true), bbox.left + bbox.width);
  const y = plot.valToPos(value, "y", true);
  ctx.save();
  if (!stale) {
    ctx.fillStyle = translucent(color, 0.28);
    ctx.beginPath();
    ctx.arc(x, y, 6 * px, 0, 7);
    ctx.fill();
  }
  ctx.beginPath();
  ctx.arc(x, y, 3 * px, 0, 7);
  ctx.fillStyle = stale ? token("--surface") : color;
  ctx.fill();
  if (stale) {
    ctx.strokeStyle = color;
    ctx.lineWidth = 1.5 * px;
    ctx.stroke();
  }
  ctx.restore();
}
