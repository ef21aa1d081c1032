/**
 * One answer on the protocol's side: which of its messages have come, and what the server has still to be told about it.
 * It sends nothing itself: `next` says what is due on this connection, and `ChatSocket` asks for it.
 */

import { Answer } from './answer.js';
import { Emitter } from './emitter.js';
import { ChatError } from './wire.js';

/** @typedef {import('./answer.js').AnswerEvents} AnswerEvents */
/** @typedef {import('./answer.js').AnswerResult} AnswerResult */
/** @typedef {import('./answer.js').AnswerState} AnswerState */
/** @typedef {import('./answer.js').AnswerStats} AnswerStats */
/** @typedef {import('./answer.js').StatusEvent} StatusEvent */

/**
 * @typedef {object} FeedOwner
 * @property {() => number} now
 * @property {(feed: AnswerFeed) => void} onChange  there may be something to send
 * @property {(feed: AnswerFeed) => void} onStop    `stop` was called
 * @property {(feed: AnswerFeed) => void} onKnown   the server has the question
 * @property {(feed: AnswerFeed) => void} onSettled
 */

/** A server that leaves gaps again and again on one connection is broken. */
const MAX_GAPS = 5;

export class AnswerFeed {
  #owner;
  /** @type {Emitter<AnswerEvents>} */ events = new Emitter();
  answer = new Answer(this);

  requestId;
  /** @type {import('./wire.js').Scope} */ scope;
  /** @type {string | null} */ message;
  regenerate;
  isOwn;

  /** @type {AnswerResult | null} */ result = null;
  /** @type {(result: AnswerResult) => void} */ #settleOver = () => {};
  /** @type {Promise<AnswerResult>} */ over = new Promise((resolve) => { this.#settleOver = resolve; });
  text = '';
  /** @type {import('./answer.js').AnswerStatus} */ status = 'waiting';
  /** The numbered error that came before the end. @type {ChatError | null} */ error = null;
  /** Seq of the last message that has been taken in. */
  after = 0;
  /** Which text it is: the server that goes on with it must have the same. */
  answerId = '';

  /** The question was sent, on any connection. */
  wasSent = false;
  /** The server has spoken of it: it is resumed, not asked again. */
  isKnown = false;
  /** This connection was told to send it. */
  isAttached = false;
  /** This server does not take the question any more, the next one will. */
  isHeld = false;
  stopWanted = false;
  #stopSent = false;
  /** It is fetched from the history; the server does not keep it as an answer any more. */
  isRecovering = false;
  #gaps = 0;
  #awaitsResume = false;

  /** @type {number | null} */ #sentAt = null;
  #firstAt = 0;
  #lastAt = 0;
  #pieces = 0;
  #isWhole = true; // all of it came to this object, none to an earlier page

  /**
   * @param {{ requestId: string, scope: import('./wire.js').Scope, message: string | null, regenerate?: string, isOwn: boolean }} of
   * @param {FeedOwner} owner
   */
  constructor({ requestId, scope, message, regenerate = '', isOwn }, owner) {
    this.requestId = requestId;
    this.scope = scope;
    this.message = message;
    this.regenerate = regenerate;
    this.isOwn = isOwn;
    this.#owner = owner;
  }

  /** @param {AnswerState} state */
  restore(state) {
    this.after = state.after;
    this.answerId = state.answerId ?? '';
    this.text = state.text;
    this.stopWanted = state.stopping;
    this.wasSent = true;
    this.isKnown = state.after > 0 || state.message === null;
    this.#isWhole = state.after === 0;
    this.error = state.error && ChatError.from(state.error);
    if (state.end) this.settle(state.end.finishReason, state.end.usage, this.error);
  }

  /** @returns {AnswerState} */
  toJSON() {
    const { requestId, scope, message, regenerate, after, answerId, text, result } = this;
    const error = (result ? result.error : this.error)?.toJSON() ?? null;
    const end = result && { finishReason: result.finishReason, usage: result.usage };
    return { requestId, ...scope, message, regenerate, after, ...(answerId ? { answerId } : {}), text, error, stopping: this.stopWanted && !result, end };
  }

  /** @returns {AnswerStats} */
  stats() {
    const streamed = this.#lastAt - this.#firstAt;
    const told = this.#isWhole ? this.result?.usage?.completion_tokens : undefined;
    const sentAt = this.#sentAt;
    const seenFromStart = this.#isWhole && this.#pieces > 0 && sentAt !== null;
    return {
      firstPieceMs: seenFromStart ? this.#firstAt - sentAt : null,
      durationMs: this.#pieces > 0 ? this.#lastAt - (sentAt ?? this.#firstAt) : 0,
      pieces: this.#pieces,
      tokensPerSecond: streamed > 0 ? ((told ?? this.#pieces) - 1) / (streamed / 1000) : null,
    };
  }

  // ---- to the server ----

  /** There is another connection, or none. */
  connectionLost() {
    this.isAttached = false;
    this.isHeld = false;
    this.#stopSent = false;
    this.#gaps = 0;
    this.#awaitsResume = false;
  }

  /** What this connection has to be told, besides the question. @returns {import('./wire.js').Message | null} */
  next() {
    if (this.isKnown && !this.isAttached && !this.isRecovering) {
      this.isAttached = true;
      this.#begin();
      const message = { type: 'resume', requestId: this.requestId, ...this.scope, after: this.after };
      return this.answerId ? { ...message, answerId: this.answerId } : message;
    }
    if (this.stopWanted && !this.#stopSent && this.isAttached) {
      this.#stopSent = true;
      return { type: 'stop', requestId: this.requestId, ...this.scope };
    }
    return null;
  }

  /** The question, and this connection has it now. */
  question() {
    this.wasSent = true;
    this.isAttached = true;
    this.#begin();
    if (this.status === 'waiting') this.#setStatus({ status: 'asked' });
    const message = { type: 'chat', requestId: this.requestId, ...this.scope, message: this.message };
    return this.regenerate ? { ...message, regenerate: this.regenerate } : message;
  }

  stop() {
    if (this.result || this.stopWanted) return false;
    this.stopWanted = true;
    this.#owner.onStop(this);
    return true;
  }

  /** The question goes to the next server. */
  hold() {
    this.isHeld = true;
    this.isKnown = false;
    this.isAttached = false;
    this.#setStatus({ status: 'waiting' });
  }

  #begin() {
    this.#sentAt ??= this.#owner.now();
  }

  // ---- from the server ----

  /** @param {any} message of the type `status` */
  onStatus({ status, position, retryAfter }) {
    this.#known();
    if (this.text !== '' || !['queued', 'thinking', 'retrying'].includes(status)) return;
    this.#setStatus({
      status,
      ...(typeof position === 'number' ? { position } : {}),
      ...(typeof retryAfter === 'number' ? { retryAfter } : {}),
    });
  }

  /** @param {any} message of the type `stream` @returns {boolean} false: this server cannot be understood */
  onStream({ seq, content, done, finish_reason: finishReason, usage, answerId }) {
    if (this.isHeld) return true; // the end of what was refused
    this.#known();
    if (typeof content !== 'string' || typeof done !== 'boolean') return this.#nonsense();
    if (seq === undefined && done) {
      // The end of what was refused is no part of an answer, and has no number. Its error came before and settled this.
      if (!this.isRecovering) this.#nonsense();
      return true;
    }
    if (!isSeq(seq)) return this.#nonsense();
    if (!this.#isNext(seq)) return this.#gaps <= MAX_GAPS;
    this.#note(answerId);
    this.#add(content);
    if (done) this.settle(String(finishReason ?? 'stop'), usage ?? null, this.error);
    return true;
  }

  /** @param {any} message of the type `error` @returns {boolean} false: this server cannot be understood */
  onError(message) {
    this.#known();
    if (message.seq !== undefined) {
      if (!isSeq(message.seq)) return this.#nonsense();
      if (!this.#isNext(message.seq)) return this.#gaps <= MAX_GAPS;
      this.#note(message.answerId);
    }
    this.error = ChatError.from(message);
    if (message.seq === undefined) this.settle('error', null, this.error); // refused; a `stream` without seq follows, and says nothing more
    return true;
  }

  /** All of the text, from where finished answers are kept. @param {string} text @param {string} finishReason */
  complete(text, finishReason) {
    if (text.startsWith(this.text)) this.#add(text.slice(this.text.length));
    // Else it was too long to be kept whole, and there is more of it here.
    const failed = finishReason === 'error';
    this.settle(finishReason, null, failed ? new ChatError('answer_failed', 'the answer failed', true) : null);
  }

  /** The last thing that happens. @param {string} finishReason @param {AnswerResult['usage']} usage @param {ChatError | null} error */
  settle(finishReason, usage = null, error = null) {
    if (this.result) return;
    // Whoever stops an answer gets no error, whatever crossed the stop.
    const stopped = this.stopWanted && error !== null;
    this.result = { text: this.text, finishReason: stopped ? 'cancelled' : finishReason, usage, error: stopped ? null : error };
    this.status = 'done';
    this.#owner.onSettled(this);
    this.events.emit('status', { status: 'done' });
    this.events.emit('end', this.result);
    this.#settleOver(this.result);
  }

  /** The next one in order; what has come already is dropped, and what is missing asked for. @param {number} seq */
  #isNext(seq) {
    if (seq > this.after + 1 && !this.#awaitsResume) {
      this.#gaps += 1;
      this.#awaitsResume = true;
      this.isAttached = false;
      this.#owner.onChange(this);
    }
    if (seq !== this.after + 1) return false;
    this.after = seq;
    this.#awaitsResume = false;
    return true;
  }

  /** Of the first message. @param {unknown} answerId */
  #note(answerId) {
    if (this.after === 1 && typeof answerId === 'string') this.answerId = answerId;
  }

  /** @param {string} content */
  #add(content) {
    if (content === '') return;
    this.#lastAt = this.#owner.now();
    if (this.#pieces === 0) this.#firstAt = this.#lastAt;
    this.#pieces += 1;
    this.text += content;
    this.#setStatus({ status: 'streaming' });
    this.events.emit('piece', { content });
  }

  #known() {
    if (this.isKnown) return;
    this.isKnown = true;
    this.#owner.onKnown(this);
  }

  #nonsense() {
    this.settle('error', null, new ChatError('bad_reply', 'the server sent something that is not understood', false));
    return true;
  }

  /** @param {StatusEvent} event */
  #setStatus(event) {
    if (this.status === 'streaming' && event.status === 'streaming') return;
    this.status = event.status;
    this.events.emit('status', event);
  }
}

/** @param {unknown} seq */
function isSeq(seq) {
  return typeof seq === 'number' && Number.isSafeInteger(seq) && seq >= 1;
}
