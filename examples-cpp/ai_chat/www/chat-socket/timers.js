/** Time, so that a test can be its master, and timers with names. */

/**
 * @typedef {object} Clock
 * @property {(action: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {() => number} now  milliseconds, never going back
 */

/** Looks its functions up when they are called: a test may have replaced them meanwhile. @type {Clock} */
export const systemClock = {
  setTimeout: (action, ms) => globalThis.setTimeout(action, ms),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
  now: () => performance.now(),
};

/** One timer for each purpose. */
export class Timers {
  #clock;
  /** @type {Map<unknown, any>} */ #timers = new Map();

  /** @param {Clock} clock */
  constructor(clock) {
    this.#clock = clock;
  }

  /** Begins anew if it runs. @param {unknown} purpose @param {number} ms @param {() => void} action */
  start(purpose, ms, action) {
    this.stop(purpose);
    this.#timers.set(purpose, this.#clock.setTimeout(() => { this.#timers.delete(purpose); action(); }, ms));
  }

  /** @param {unknown} purpose */
  has(purpose) { return this.#timers.has(purpose); }

  /** @param {unknown} purpose */
  stop(purpose) {
    if (!this.has(purpose)) return;
    this.#clock.clearTimeout(this.#timers.get(purpose));
    this.#timers.delete(purpose);
  }

  stopAll() {
    for (const purpose of [...this.#timers.keys()]) this.stop(purpose);
  }
}
