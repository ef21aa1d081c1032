/** What the model says to one question, as the module's user sees it. `AnswerFeed` is its other side. */

/** @typedef {import('./answer-feed.js').AnswerFeed} AnswerFeed */
/** @typedef {import('./wire.js').ChatError} ChatError */
/** @typedef {import('./wire.js').Usage} Usage */

/**
 * - `waiting`: for a connection
 * - `asked`: sent, and nothing came back yet
 * - `queued`: the server's limits are reached; `position` is the place in its queue, 1 is next
 * - `thinking`: the model has the question
 * - `retrying`: the model's server is asked again in `retryAfter` seconds
 * - `streaming`: text comes
 * - `done`: all of it is there, or it failed; see `result`
 * @typedef {'waiting' | 'asked' | 'queued' | 'thinking' | 'retrying' | 'streaming' | 'done'} AnswerStatus
 */
/** @typedef {{ status: AnswerStatus, position?: number, retryAfter?: number }} StatusEvent */

/**
 * @typedef {object} AnswerResult
 * @property {string} text               what came, also when it was stopped or failed
 * @property {string} finishReason       the model's own word (`stop`, `length`, …), `cancelled`, or `error`
 * @property {Usage | null} usage        if the model told
 * @property {ChatError | null} error
 */

/**
 * @typedef {object} AnswerStats
 * @property {number | null} firstPieceMs     from the sending of the question to the first text; null: not seen from here
 * @property {number} durationMs              from the sending of the question to the last text so far
 * @property {number} pieces
 * @property {number | null} tokensPerSecond  after the first piece; while it streams a piece counts as a token, in the end what the model told counts
 */

/**
 * All that another page needs to go on with the answer: JSON.
 * @typedef {object} AnswerState
 * @property {string} requestId
 * @property {string} [sessionId]    one of these two
 * @property {string} [room]
 * @property {string | null} message  the question; null: another asked
 * @property {string} regenerate     the requestId of the answer that this one replaces, or nothing
 * @property {number} after           seq of the last message that is in `text`
 * @property {string} [answerId]     which text the server streamed
 * @property {string} text
 * @property {{ code: string, message: string, retryable: boolean } | null} error
 * @property {boolean} stopping       `stop` was called, and not confirmed
 * @property {{ finishReason: string, usage: Usage | null } | null} end  null: it is under way
 */

/** @typedef {{ piece: { content: string }, status: StatusEvent, end: AnswerResult }} AnswerEvents */

export class Answer {
  #feed;

  /** Made by `ChatSocket`. @param {AnswerFeed} feed */
  constructor(feed) {
    this.#feed = feed;
  }

  get requestId() { return this.#feed.requestId; }
  /** Undefined in a room. */
  get sessionId() { return this.#feed.scope.sessionId; }
  /** Undefined in a session. */
  get room() { return this.#feed.scope.room; }
  /** The question; null when another asked and it is not known. */
  get message() { return this.#feed.message; }
  /** Whether it was asked here. */
  get isOwn() { return this.#feed.isOwn; }

  /** What has come so far. */
  get text() { return this.#feed.text; }
  get status() { return this.#feed.status; }
  get isDone() { return this.#feed.result !== null; }
  /** `stop` was called, and the end has not come yet. */
  get isStopping() { return this.#feed.stopWanted && !this.isDone; }
  /** @returns {AnswerStats} */
  get stats() { return this.#feed.stats(); }

  /** Settles when the answer is over, however it ends; never rejects. @returns {Promise<AnswerResult>} */
  get result() { return this.#feed.over; }

  /**
   * `piece`: text came; `status` changed; `end`: the last event.
   * @template {keyof AnswerEvents} Name
   * @param {Name} name
   * @param {(event: AnswerEvents[Name]) => void} listener
   * @returns {() => void} takes the listener away again
   */
  on(name, listener) { return this.#feed.events.on(name, listener); }

  /**
   * The model is cancelled; what it had said already still comes. Without a connection that happens at the next one; a question that
   * was never sent is not sent at all. False when there is nothing to stop (any more).
   */
  stop() { return this.#feed.stop(); }

  /** For `ChatSocket.continue`, in this page or another one. @returns {AnswerState} */
  toJSON() { return this.#feed.toJSON(); }

  /**
   * The text from its beginning, piece by piece; a slow reader gets what came meanwhile as one. Ends with the answer, however that ends:
   * `result` says how. `pieces(answer.text.length)`: only what comes from now on.
   * @param {number} from
   * @returns {AsyncGenerator<string, void, undefined>}
   */
  async *pieces(from = 0) {
    let pending = this.text.slice(from);
    let wake = () => {};
    const offPiece = this.on('piece', ({ content }) => { pending += content; wake(); });
    const offEnd = this.on('end', () => wake());
    try {
      for (;;) {
        if (pending !== '') {
          const piece = pending;
          pending = '';
          yield piece;
        } else if (this.isDone) {
          return;
        } else {
          await new Promise((resolve) => { wake = () => resolve(undefined); });
        }
      }
    } finally {
      offPiece();
      offEnd();
    }
  }

  [Symbol.asyncIterator]() { return this.pieces(); }
}
