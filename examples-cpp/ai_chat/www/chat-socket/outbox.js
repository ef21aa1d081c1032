/**
 * Questions and messages that the server has not confirmed, in the order in which they were made. All of them have ids by which the
 * server knows them again, so after a lost connection they are simply sent again.
 */

import { ChatError, MAX_WIRE_BYTES } from './wire.js';

/**
 * @typedef {object} Item
 * @property {string} id                         of the question or message
 * @property {() => import('./wire.js').Message} message  to send
 * @property {() => boolean} isReady             false: it has to wait, and lets others pass
 * @property {(error: ChatError) => void} reject  it is not sent any more
 * @property {(reply: any) => void} [confirm]
 * @property {string | null} [from]              who says it, if that matters
 */

export class Outbox {
  #timers;
  #max;
  #ttl;
  /** @type {{ item: Item, isSent: boolean }[]} */ #entries = [];

  /** @param {import('./timers.js').Timers} timers @param {number} max @param {number} ttl ms */
  constructor(timers, max, ttl) {
    this.#timers = timers;
    this.#max = max;
    this.#ttl = ttl;
  }

  /** Items that wait. */
  get size() { return this.#entries.length; }

  /** @param {Item} item @param {object} message a look at it, for its size */
  add(item, message) {
    if (this.#entries.length >= this.#max) {
      return item.reject(new ChatError('queue_full', `${this.#max} questions and messages wait for the connection already`, true));
    }
    if (new TextEncoder().encode(JSON.stringify(message)).length > MAX_WIRE_BYTES) {
      return item.reject(new ChatError('message_too_long', `more than ${MAX_WIRE_BYTES} bytes`, false));
    }
    this.#entries.push({ item, isSent: false });
    this.#timers.start(item, this.#ttl, () => {
      this.take(item.id)?.reject(new ChatError('expired', 'there was no connection for too long', true));
    });
  }

  /** The next one to send; it stays here until it is taken. @returns {import('./wire.js').Message | null} */
  next() {
    const entry = this.#entries.find(({ item, isSent }) => !isSent && item.isReady());
    if (!entry) return null;
    entry.isSent = true;
    return entry.item.message();
  }

  /** @param {string} id */
  has(id) { return this.#entries.some(({ item }) => item.id === id); }

  /** @param {string} id @returns {Item | undefined} */
  take(id) {
    const index = this.#entries.findIndex(({ item }) => item.id === id);
    if (index < 0) return undefined;
    const [{ item }] = this.#entries.splice(index, 1);
    this.#timers.stop(item);
    return item;
  }

  /** @param {boolean} wasTooLong something that was sent was more than the server takes */
  connectionLost(wasTooLong) {
    const sent = this.#entries.filter(({ isSent }) => isSent);
    for (const entry of sent) entry.isSent = false;
    if (!wasTooLong) return;
    for (const { item } of sent) {
      this.take(item.id)?.reject(new ChatError('message_too_long', 'the server does not take messages of this size', false));
    }
  }

  /** @param {(item: Item) => boolean} which @param {ChatError} error */
  drop(which, error) {
    for (const { item } of this.#entries.filter((entry) => which(entry.item))) this.take(item.id)?.reject(error);
  }

  /** @param {ChatError} error */
  close(error) { this.drop(() => true, error); }
}
