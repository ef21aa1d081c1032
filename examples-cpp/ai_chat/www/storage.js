/** What the browser keeps. A browser that refuses storage, or has no room, is no error: what cannot be kept lives as long as the page. */

export const PREFIX = 'wsengine-chat.';

/** @param {'localStorage' | 'sessionStorage'} kind @returns {Storage | null} null where the browser refuses */
export function storage(kind) {
  try {
    return globalThis[kind] ?? null;
  } catch {
    return null;
  }
}

export class Shelf {
  #storage;

  /** @param {Storage | null} storage */
  constructor(storage) {
    this.#storage = storage;
  }

  /** @param {string} key @returns {any} null: nothing, or nothing that can be read */
  get(key) {
    try {
      return JSON.parse(this.#storage?.getItem(PREFIX + key) ?? 'null');
    } catch {
      return null;
    }
  }

  /** @param {string} key @param {unknown} value @returns {boolean} false: it was not kept */
  set(key, value) {
    try {
      this.#storage?.setItem(PREFIX + key, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  }

  /** @param {string} key */
  remove(key) {
    try {
      this.#storage?.removeItem(PREFIX + key);
    } catch {
      // Then it stays.
    }
  }
}
