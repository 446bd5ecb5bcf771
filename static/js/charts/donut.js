/** The donut: arcs clockwise from 12 o'clock with gaps, as `gateway/src/pages/outcomes.rs` draws them. */

const CENTER = 74;
const RADIUS = 65.5;
const GAP_PX = 2;
const TAU = 2 * Math.PI;
const SMALLEST_ARC = TAU / 360;

/**
 * A path for each share.
 * @param {number[]} shares
 */
export function donutArcs(shares) {
  if (shares.length === 1) {
    const [top, bottom] = [CENTER - RADIUS, CENTER + RADIUS];
    return [`M${CENTER} ${top}A${RADIUS} ${RADIUS} 0 1 1 ${CENTER} ${bottom}A${RADIUS} ${RADIUS} 0 1 1 ${CENTER} ${top}`];
  }
  const gap = GAP_PX / RADIUS;
  const room = TAU - gap * shares.length;
  const widened = shares.map((share) => Math.max(share * room, SMALLEST_ARC));
  const scale = room / widened.reduce((sum, width) => sum + width, 0);
  /** @param {number} angle */
  const point = (angle) =>
    `${(CENTER + RADIUS * Math.sin(angle)).toFixed(2)} ${(CENTER - RADIUS * Math.cos(angle)).toFixed(2)}`;
  let at = gap / 2;
  return widened.map((unscaled) => {
    const width = unscaled * scale;
    const path = `M${point(at)}A${RADIUS} ${RADIUS} 0 ${width > TAU / 2 ? 1 : 0} 1 ${point(at + width)}`;
    at += width + gap;
    return path;
  });
}
