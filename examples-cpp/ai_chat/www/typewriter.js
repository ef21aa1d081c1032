/**
 * Paces text that arrives in bursts: a share of what waits is shown in every animation frame, so that it flows,
 * and nothing waits longer than MAX_LAG_MS.
 */

const SMOOTHING_MS = 90;
export const MAX_LAG_MS = 250;

/** A character that belongs to the one before it: combining marks, variation selectors, skin tones, joiners. */
const EXTENDS = /^[\p{M}\p{Emoji_Modifier}\u200d\ufe0e\ufe0f]/u;

/**
 * The first index at or after `index` where `text` can be cut without tearing a character.
 * @param {string} text
 * @param {number} index
 */
export function cutPoint(text, index) {
  while (index > 0 && index < text.length) {
    const insidePair = /[\ud800-\udbff]/.test(text[index - 1]) && /[\udc00-\udfff]/.test(text[index]);
    const afterJoiner = text[index - 1] === '\u200d';
    const next = String.fromCodePoint(/** @type {number} */ (text.codePointAt(index)));
    if (!insidePair && !afterJoiner && !EXTENDS.test(next)) break;
    index += 1;
  }
  return Math.min(index, text.length);
}

export class Typewriter {
  #write;
  #instant;
  #pending = '';
  /** What arrived when: `end` counts characters of `#pending`. @type {{ end: number, due: number }[]} */ #arrivals = [];
  #frame = 0;
  #lastStep = 0;

  /**
   * @param {(text: string) => void} write   shows the next piece
   * @param {() => boolean} instant          true: show everything at once (reduced motion, hidden page)
   */
  constructor(write, instant) {
    this.#write = write;
    this.#instant = instant;
  }

  /** @param {string} text */
  push(text) {
    const now = performance.now();
    this.#pending += text;
    this.#arrivals.push({ end: this.#pending.length, due: now + MAX_LAG_MS });
    if (this.#instant()) return this.flush();
    if (this.#frame) return;
    this.#lastStep = now;
    this.#frame = requestAnimationFrame((time) => this.#step(time));
  }

  /** Shows all that waits, now. */
  flush() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const text = this.#pending;
    this.#pending = '';
    this.#arrivals = [];
    if (text) this.#write(text);
  }

  /** @param {number} now */
  #step(now) {
    if (this.#instant()) return this.flush();
    const elapsed = Math.max(1, now - this.#lastStep);
    this.#lastStep = now;
    let count = Math.ceil(this.#pending.length * (1 - Math.exp(-elapsed / SMOOTHING_MS)));
    for (const { end, due } of this.#arrivals) if (due <= now) count = Math.max(count, end);
    count = cutPoint(this.#pending, count);

    const text = this.#pending.slice(0, count);
    this.#pending = this.#pending.slice(count);
    this.#arrivals = this.#arrivals.map(({ end, due }) => ({ end: end - count, due })).filter(({ end }) => end > 0);
    this.#frame = this.#pending ? requestAnimationFrame((time) => this.#step(time)) : 0;
    this.#write(text);
  }
}
