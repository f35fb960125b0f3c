// Numbers and texts as people read them.

export const percent = (share) => `${(100 * share).toFixed(share > 0.995 && share < 1 ? 2 : 1)} %`;

export const number = (value, digits = 4) =>
  Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(digits)));

export const signed = (value) => `${value >= 0 ? "+" : "−"}${Math.abs(value).toFixed(2)}`;

export const milliseconds = (seconds) =>
  seconds === null ? "–" : seconds < 0.1 ? `${number(1000 * seconds, 3)} ms`
    : seconds < 1 ? `${Math.round(1000 * seconds)} ms` : `${number(seconds, 3)} s`;

/** A text as the server counts it: in code points, where JavaScript counts UTF-16 units. */
export class Points {
  constructor(text) {
    this.points = Array.from(text);
  }

  part(start, end) {
    return this.points.slice(start, end).join("");
  }

  get length() {
    return this.points.length;
  }
}
