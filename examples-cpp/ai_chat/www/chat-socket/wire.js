/** The words of the protocol (docs/PROTOCOL.md) that a client's user meets, and how a message is read. */

export const SUBPROTOCOL = 'wsengine-chat.v1';

/** One WebSocket message; a server closes the connection at a larger one, so it is never sent. In bytes. */
export const MAX_WIRE_BYTES = 1024 * 1024;

/** @typedef {{ type: string, [field: string]: any }} Message  JSON, in either direction */
/** @typedef {{ prompt_tokens: number, completion_tokens: number, total_tokens: number }} Usage */
/** @typedef {{ role: 'user' | 'assistant', content: string, requestId?: string, finish_reason?: string }} Turn */
/** @typedef {{ sessionId: string, room?: undefined } | { room: string, sessionId?: undefined }} Scope  where an answer belongs */

/**
 * What a person wrote, or a question to the model (`requestId`), or the model's answer (`from` null, `requestId`, `finish_reason`).
 * @typedef {object} Post
 * @property {string} messageId
 * @property {string | null} from
 * @property {string} [to]          one of these two
 * @property {string} [room]
 * @property {string} text
 * @property {number} at            milliseconds since 1970
 * @property {string} [requestId]
 * @property {string} [finish_reason]
 */

/**
 * What went wrong. `code` is one of docs/PROTOCOL.md, or made here:
 *
 * - `closed`: `close()` was called, or somebody else has logged in
 * - `expired`: it waited for a connection for longer than `queueTtl`
 * - `queue_full`: too much waits for the connection already
 * - `timeout`: the server does not reply
 * - `bad_reply`: the server sent nonsense
 * - `answer_failed`: an answer that was fetched from the history had failed; why is not kept
 */
export class ChatError extends Error {
  /**
   * @param {string} code
   * @param {string} message     for people, in English
   * @param {boolean} retryable  the same may succeed later
   */
  constructor(code, message, retryable) {
    super(message);
    this.name = 'ChatError';
    this.code = code;
    this.retryable = retryable;
  }

  toJSON() { return { code: this.code, message: this.message, retryable: this.retryable }; }

  /** @param {any} json of the server, or of `toJSON` */
  static from(json) {
    return new ChatError(String(json.code), typeof json.message === 'string' ? json.message : '', json.retryable === true);
  }
}

/** @param {unknown} data @returns {Message | null} null: nonsense */
export function parse(data) {
  if (typeof data !== 'string') return null;
  try {
    const value = JSON.parse(data);
    return typeof value?.type === 'string' ? value : null;
  } catch {
    return null;
  }
}

/**
 * Adds to a set that keeps the last `max`.
 * @param {Set<string>} set @param {string} value @param {number} max
 * @returns {boolean} whether it is new
 */
export function remember(set, value, max) {
  if (set.has(value)) return false;
  set.add(value);
  if (set.size > max) set.delete(/** @type {string} */ (set.values().next().value));
  return true;
}

/**
 * A random UUID. `randomUUID` exists in secure contexts only; a page on plain http and another host than localhost has none.
 * @param {{ randomUUID?: () => string, getRandomValues: (bytes: Uint8Array) => Uint8Array }} source
 * @returns {string}
 */
export function newId(source = /** @type {any} */ (globalThis.crypto)) {
  if (typeof source.randomUUID === 'function') return source.randomUUID();
  const bytes = source.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
