// Figures as people read them: durations, moments, bytes, rates, shares.
// In: nanoseconds, counts. Out: text. Not here: where it stands.

const UNITS_OF_TIME = [
  [1e9, "s"],
  [1e6, "ms"],
  [1e3, "µs"],
  [1, "ns"],
];
const DIGITS = 4;
const PREFIXES = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
  [1, ""],
];

export const whole = (count) => count.toLocaleString("en-US", { maximumFractionDigits: 0 });
export const share = (part) =>
  part > 0 && part < 0.0005 ? "< 0.1 %" : `${(100 * part).toFixed(part < 0.0995 && part ? 1 : 0)} %`;
export const bytes = (count) => `${scaled(count)}B`;
export const rate = (perSecond, unit) => `${scaled(perSecond)}${unit}/s`;
export const flops = (count) => `${scaled(count)}FLOP`;

export function duration(nanoseconds, digits = DIGITS) {
  const [size, unit] = unitOf(nanoseconds);
  return `${significant(nanoseconds / size, digits)} ${unit}`;
}

// A moment of the launch, so that two that are `apart` nanoseconds from each other look different.
export function moment(nanoseconds, apart = 1) {
  const [size, unit] = unitOf(Math.max(nanoseconds, apart));
  const digits = Math.max(0, Math.ceil(Math.log10(size / apart) - 1e-9));
  return `${(nanoseconds / size).toFixed(Math.min(digits, 9))} ${unit}`;
}

function unitOf(nanoseconds) {
  return UNITS_OF_TIME.find(([size]) => Math.abs(nanoseconds) >= size) ?? UNITS_OF_TIME.at(-1);
}

function scaled(value) {
  const [size, prefix] = PREFIXES.find(([size]) => value >= size) ?? PREFIXES.at(-1);
  return `${significant(value / size)} ${prefix}`;
}

function significant(value, digits = DIGITS) {
  const before = Math.abs(value) < 1 ? 1 : Math.floor(Math.log10(Math.abs(value))) + 1;
  return Number.isInteger(value) ? String(value) : value.toFixed(Math.max(0, digits - before));
}
