/** The y scale of a lane: round, from zero, quick to grow and slow to shrink, so that the picture does not breathe. */

const SHRINK_AFTER_MS = 30_000;
const ROUND = [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10];
const PERCENT = [4, 5, 6, 8, 10, 15, 20, 30, 40, 60, 80, 100];

/**
 * The next round value.
 * @param {number} value
 * @param {boolean} percent
 */
function roundTop(value, percent) {
  if (percent) return PERCENT.find((top) => top >= value) ?? 100;
  if (value <= 4) return 4;
  const power = 10 ** Math.floor(Math.log10(value));
  return (ROUND.find((step) => step * power >= value) ?? 10) * power;
}

export class Scale {
  #top = 0;
  #smallerSince = 0;

  /** @param {boolean} percent */
  constructor(percent) {
    this.percent = percent;
  }

  /**
   * The scale's end for what is to be shown.
   * @param {number} greatest
   * @param {number} nowMs
   */
  top(greatest, nowMs) {
    const wanted = roundTop(greatest * (this.percent ? 1 : 1.08), this.percent);
    if (wanted >= this.#top) {
      this.#top = wanted;
      this.#smallerSince = nowMs;
    } else if (nowMs - this.#smallerSince > SHRINK_AFTER_MS) {
      this.#top = wanted;
      this.#smallerSince = nowMs;
    }
    return this.#top;
  }
}
