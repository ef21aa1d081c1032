/**
 * Commands whose refusal does not name them: `login`, `join`, `leave`, `history`. So one at a time is under way, and an error that
 * names nothing is its.
 */

import { ChatError } from './wire.js';

/**
 * @typedef {object} Call
 * @property {string} key                         of two with one key only one waits
 * @property {import('./wire.js').Message | null} message  null: nothing to send, the server speaks unasked
 * @property {(reply: any) => boolean} isReply
 * @property {(reply: any) => void} resolve
 * @property {(error: ChatError) => void} reject
 * @property {number} rank                       LOGIN before ROOM before OTHER
 */

/** Ranks. A room needs the login; answers and messages wait for both. */
export const LOGIN = 0;
export const ROOM = 1;
export const OTHER = 2;

export class Calls {
  #timers;
  #timeout;
  #onTimeout;
  /** @type {Call[]} */ #queue = [];
  /** @type {Call | null} */ #current = null;

  /** @param {import('./timers.js').Timers} timers @param {number} timeout of a reply, ms @param {(call: Call) => void} onTimeout */
  constructor(timers, timeout, onTimeout) {
    this.#timers = timers;
    this.#timeout = timeout;
    this.#onTimeout = onTimeout;
  }

  /** What others have to wait for. */
  get isBusy() { return [this.#current, ...this.#queue].some((call) => call && call.rank < OTHER); }

  /** @param {string} key */
  has(key) { return this.#current?.key === key || this.#queue.some((call) => call.key === key); }

  /** Behind those of its rank. @param {Call} call */
  add(call) { this.#insert(call, (other) => other.rank > call.rank); }

  /** Takes back what waits. @param {(call: Call) => boolean} which @param {ChatError} error */
  drop(which, error) {
    const dropped = this.#queue.filter(which);
    this.#queue = this.#queue.filter((call) => !dropped.includes(call));
    for (const call of dropped) call.reject(error);
  }

  /** The next one to send. @returns {import('./wire.js').Message | null} */
  next() {
    if (this.#current) return null;
    this.#current = this.#queue.shift() ?? null;
    if (!this.#current) return null;
    this.#timers.start(this, this.#timeout, () => {
      const call = this.#take();
      call.reject(new ChatError('timeout', 'the server does not reply', true));
      this.#onTimeout(call);
    });
    return this.#current.message;
  }

  /** @param {any} message @returns {boolean} whether it was the reply */
  onReply(message) {
    if (!this.#current?.isReply(message)) return false;
    this.#take().resolve(message);
    return true;
  }

  /** @param {ChatError} error that names nothing @returns {boolean} whether there was something to refuse */
  onError(error) {
    if (!this.#current) return false;
    this.#take().reject(error);
    return true;
  }

  /** What was under way is sent again. */
  connectionLost() {
    if (!this.#current) return;
    const call = this.#take();
    this.#insert(call, (other) => other.rank >= call.rank);
  }

  /** @param {Call} call @param {(other: Call) => boolean} isBehind */
  #insert(call, isBehind) {
    const index = this.#queue.findIndex(isBehind);
    this.#queue.splice(index < 0 ? this.#queue.length : index, 0, call);
  }

  #take() {
    const call = /** @type {Call} */ (this.#current);
    this.#timers.stop(this);
    this.#current = null;
    return call;
  }
}
