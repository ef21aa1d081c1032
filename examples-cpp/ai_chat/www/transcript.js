/** The conversation as data, kept for the tab (a reload shows it again), together with the session that the server knows it by. */

import { newSessionId } from './chat-socket.js';

/** @typedef {{ role: 'user', text: string, at: number }} UserTurn */
/**
 * @typedef {{ role: 'assistant', text: string, at: number, question: string, problem?: { code: string, message: string },
 *   status: 'streaming' | import('./chat-socket.js').EndReason }} AssistantTurn
 */
/** @typedef {UserTurn | AssistantTurn} Turn */

const KEY = 'wsengine-chat';
/** Older turns are not kept over a reload. */
const KEEP_TURNS = 200;

export class Transcript {
  #storage;
  sessionId = '';
  /** @type {Turn[]} */ turns = [];

  /** @param {Storage | null} storage  null where the browser grants none: the conversation then lives as long as the page */
  constructor(storage) {
    this.#storage = storage;
    const kept = this.#load();
    this.sessionId = typeof kept?.sessionId === 'string' ? kept.sessionId : newSessionId();
    this.turns = Array.isArray(kept?.turns) ? kept.turns : [];
    // The page was closed in the middle of this answer.
    for (const turn of this.turns) if (turn.role === 'assistant' && turn.status === 'streaming') turn.status = 'interrupted';
    this.save();
  }

  /** @template {Turn} T @param {T} turn @returns {T} */
  add(turn) {
    this.turns.push(turn);
    this.save();
    return turn;
  }

  /** @param {Turn} turn */
  remove(turn) {
    this.turns = this.turns.filter((other) => other !== turn);
    this.save();
  }

  /** Begins another conversation. */
  restart() {
    this.sessionId = newSessionId();
    this.turns = [];
    this.save();
  }

  save() {
    try {
      this.#storage?.setItem(KEY, JSON.stringify({ sessionId: this.sessionId, turns: this.turns.slice(-KEEP_TURNS) }));
    } catch {
      // Storage is full: the conversation goes on, only a reload loses it.
    }
  }

  /** @returns {{ sessionId?: unknown, turns?: unknown } | null} */
  #load() {
    try {
      return JSON.parse(this.#storage?.getItem(KEY) ?? 'null');
    } catch {
      return null;
    }
  }
}
