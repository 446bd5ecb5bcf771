/**
 * How numbers read. `gateway/src/pages/number.rs` is the same for the first paint;
 * both are held to `tests/fixtures/formats.json`. Unknown is an en dash, never 0, blank or NaN.
 */

export const UNKNOWN = "–";
const THIN = "\u202f";

/** @typedef {number|null|undefined} Maybe */

/**
 * @param {Maybe} value
 * @returns {value is number}
 */
const known = (value) => typeof value === "number" && Number.isFinite(value);

/** Half away from zero. @param {number} value @param {number} digits */
function roundTo(value, digits) {
  const scale = 10 ** digits;
  return (Math.sign(value) * Math.round(Math.abs(value) * scale)) / scale;
}

/** @param {string} text */
const minus = (text) => text.replace("-", "−");

/** Every digit, with separators. @param {Maybe} value */
export function full(value) {
  if (!known(value)) return UNKNOWN;
  const digits = String(Math.abs(Math.trunc(value)));
  return (value <= -1 ? "−" : "") + digits.replace(/\B(?=(\d{3})+$)/g, ",");
}

/** @param {number} value */
function shortened(value) {
  const size = Math.abs(value);
  const [divisor, letter] = size < 999_950 ? [1e3, "K"] : size < 999_950_000 ? [1e6, "M"] : [1e9, "B"];
  return minus(roundTo(value / Number(divisor), 1).toFixed(1) + letter);
}

/** Exact to 9,999, then `18.4K`, `1.2M`. @param {Maybe} value */
export function count(value) {
  if (!known(value)) return UNKNOWN;
  return Math.abs(value) < 10_000 ? full(value) : shortened(value);
}

/** A share as percent. What is not zero never reads as zero. @param {Maybe} share */
export function percent(share) {
  if (!known(share)) return UNKNOWN;
  const value = share * 100;
  if (value > 0 && value < 0.05) return "<0.1%";
  return minus(`${roundTo(value, 1).toFixed(1)}%`);
}

/** Per second: one decimal below 100, then none. @param {Maybe} value */
export function rate(value) {
  if (!known(value)) return UNKNOWN;
  const tenths = roundTo(value, 1);
  return tenths < 100 ? `${tenths.toFixed(1)}/s` : `${count(Math.round(value))}/s`;
}

/** Two units at most: `0.4s`, `48s`, `3m 12s`, `4h 02m`, `9d 6h`. @param {Maybe} ms */
export function duration(ms) {
  if (!known(ms)) return UNKNOWN;
  const whole = Math.max(0, Math.trunc(ms));
  const seconds = Math.floor(whole / 1000);
  if (whole === 0) return "0s";
  if (seconds === 0) return `0.${Math.floor(whole / 100)}s`;
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${seconds % 60}s`;
  const minutes = Math.floor((seconds % 3600) / 60);
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h ${String(minutes).padStart(2, "0")}m`;
  return `${Math.floor(seconds / 86_400)}d ${Math.floor((seconds % 86_400) / 3600)}h`;
}

/** How old data is: tenths below ten seconds. @param {Maybe} ms */
export function age(ms) {
  if (!known(ms)) return UNKNOWN;
  const whole = Math.max(0, ms);
  return whole < 9950 ? `${(whole / 1000).toFixed(1)}s` : duration(whole);
}

/** `184 ms`, from a second on `2.3s`. @param {Maybe} ms */
export function latency(ms) {
  if (!known(ms)) return UNKNOWN;
  return Math.round(ms) < 1000 ? `${Math.round(ms)}${THIN}ms` : `${roundTo(ms / 1000, 1).toFixed(1)}s`;
}

/** Binary powers: `20.2 GB`. @param {Maybe} value */
export function bytes(value) {
  if (!known(value)) return UNKNOWN;
  if (value < 1024) return `${Math.round(value)}${THIN}B`;
  let rest = value / 1024;
  for (const unit of ["KB", "MB", "GB"]) {
    if (roundTo(rest, 1) < 1000) return `${roundTo(rest, 1).toFixed(1)}${THIN}${unit}`;
    rest /= 1024;
  }
  return `${roundTo(rest, 1).toFixed(1)}${THIN}TB`;
}

/** A number of which nothing is known. @param {Maybe} value */
export function decimal(value) {
  if (!known(value)) return UNKNOWN;
  if (Math.abs(value) >= 10_000) return shortened(value);
  const digits = Math.abs(value) < 10 ? 2 : 1;
  const rounded = roundTo(value, digits);
  const fraction = Math.abs(rounded - Math.trunc(rounded))
    .toFixed(digits)
    .replace(/^0+/, "")
    .replace(/0+$/, "")
    .replace(/\.$/, "");
  const sign = rounded < 0 && Math.trunc(rounded) === 0 ? "−" : "";
  return `${sign}${full(Math.trunc(rounded))}${fraction}`;
}

/** @param {string} text @returns {[string, string]} */
function splitUnit(text) {
  const [number, unit] = text.split(THIN);
  if (unit !== undefined) return [number, unit];
  return text.endsWith("s") ? [text.slice(0, -1), "s"] : [text, ""];
}

/**
 * A generic metric's value and its unit, to be set apart.
 * @param {number} value
 * @param {string} unit
 * @returns {[string, string]}
 */
export function metric(value, unit) {
  switch (unit) {
    case "ms":
      return splitUnit(latency(value));
    case "bytes":
    case "B":
      return splitUnit(bytes(value));
    case "bytes/s":
    case "B/s": {
      const [number, size] = splitUnit(bytes(value));
      return [number, `${size}/s`];
    }
    case "%":
      return [minus(roundTo(value, 1).toFixed(1)), "%"];
    default:
      return [decimal(value), unit];
  }
}

/** The same as one text. @param {number} value @param {string} unit */
export function metricText(value, unit) {
  const [number, shown] = metric(value, unit);
  if (!shown) return number;
  return shown === "%" ? `${number}%` : `${number}${THIN}${shown}`;
}

/** The value of an alert. Shares are fractions. @param {number} value @param {string} unit */
export function alertValue(value, unit) {
  if (unit === "ratio" || unit === "fraction") return percent(value);
  if (unit === "%") return percent(value / 100);
  if (unit === "/s") return rate(value);
  return metricText(value, unit);
}
