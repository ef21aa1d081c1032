/**
 * Who one is, the rooms one is in, and which of the people's messages have been seen. After a lost connection it logs in and
 * joins again.
 */

import { LOGIN, ROOM } from './calls.js';
import { ChatError, remember } from './wire.js';

/** @typedef {import('./wire.js').Post} Post */
/** @typedef {{ user: string, node: string, unread: number }} LoginEvent  `unread`: direct messages that waited; they follow */
/** @typedef {{ requestId: string, seq: number }} AnswerHint */
/** @typedef {{ room: string, members: string[], messages: Post[], answers: AnswerHint[] }} RoomState */

/**
 * @typedef {object} PeopleOwner
 * @property {import('./calls.js').Calls} calls
 * @property {() => boolean} isOnline
 * @property {() => void} onChange                        there may be something to send
 * @property {(delayMs: number) => void} restoreLater
 * @property {() => void} renew                           another connection, at once, if there is one
 * @property {(event: LoginEvent) => void} onLogin
 * @property {(error: ChatError) => void} onLogout        the server does not let one in again
 * @property {(state: RoomState, again: boolean) => void} onJoined
 * @property {(room: string, error: ChatError | null) => void} onLeft
 * @property {(post: Post) => void} onPost                each once
 */

const SEEN_MAX = 4096;
/** The server takes no more in one message. */
const RECEIVED_MAX = 1000;

export class People {
  #owner;
  #retryMs;

  /** Who is logged in, or will be again. @type {string | null} */ user = null;
  /** Null: a proxy says who it is. @type {string | null} */ #token = null;
  #isWelcome = false;
  /** Those that one is in, or will be again; whether this connection is. @type {Map<string, boolean>} */ #rooms = new Map();
  /** Ids of messages, the oldest first. @type {Set<string>} */ #seen = new Set();
  /** Direct messages that the server may forget. @type {Set<string>} */ #received = new Set();

  /** @param {PeopleOwner} owner @param {number} retryMs before a login or join that failed for now is tried again */
  constructor(owner, retryMs) {
    this.#owner = owner;
    this.#retryMs = retryMs;
  }

  get rooms() { return [...this.#rooms.keys()]; }

  /** @param {string} user @param {string} token @returns {Promise<LoginEvent>} */
  login(user, token) {
    const { calls } = this.#owner;
    // A connection belongs to one user; but of whom a proxy speaks, it says on any other, too.
    const isTaken = this.#isWelcome ? this.#token !== null && user !== this.user : calls.has('login');
    if (isTaken) this.#owner.renew();
    calls.drop(({ key }) => key === 'login', new ChatError('closed', 'somebody else logs in', false));
    return new Promise((resolve, reject) => {
      calls.add(this.#loginCall({ type: 'login', user, token }, (reply) => {
        this.onWelcome(reply, token);
        resolve(loginEvent(reply));
      }, (error) => {
        reject(error);
        if (error.code !== 'closed') this.restore(); // as who one was
      }));
      this.#owner.onChange();
    });
  }

  /** @param {string} room @returns {Promise<RoomState>} */
  join(room) {
    return new Promise((resolve, reject) => {
      this.#owner.calls.add(this.#joinCall(room, resolve, reject));
      this.#owner.onChange();
    });
  }

  /** @param {string} room @returns {Promise<void>} */
  leave(room) {
    this.#rooms.delete(room);
    // A join that waits is taken back; one that is under way is undone.
    this.#owner.calls.drop((call) => call.key === `join:${room}`, new ChatError('closed', `${room} was left`, false));
    if (!this.#owner.isOnline()) {
      this.#owner.onLeft(room, null);
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const left = () => {
        this.#rooms.delete(room);
        this.#owner.onLeft(room, null);
        resolve(undefined);
      };
      this.#owner.calls.add({
        key: `leave:${room}`,
        message: { type: 'leave', room },
        rank: ROOM,
        isReply: (reply) => reply.type === 'left' && reply.room === room,
        resolve: left,
        reject: (error) => (error.code === 'not_in_room' ? left() : reject(error)),
      });
      this.#owner.onChange();
    });
  }

  /** On a new connection, and when something could not be had: logs in and joins again. */
  restore() {
    const { calls } = this.#owner;
    if (this.user !== null && !this.#isWelcome) {
      if (calls.has('login')) return;
      const message = this.#token === null ? null : { type: 'login', user: this.user, token: this.#token };
      return calls.add(this.#loginCall(message, (reply) => this.onWelcome(reply), (error) => {
        if (error.code === 'closed') return; // taken back, not refused
        if (error.retryable) return this.#owner.restoreLater(this.#retryMs);
        for (const room of this.#rooms.keys()) this.#owner.onLeft(room, error);
        this.forget();
        this.#owner.onLogout(error);
      }));
    }
    for (const [room, isIn] of this.#rooms) {
      if (isIn || calls.has(`join:${room}`)) continue;
      calls.add(this.#joinCall(room, () => {}, (error) => {
        if (error.code === 'closed') return;
        if (error.retryable) return this.#owner.restoreLater(this.#retryMs);
        if (this.#rooms.delete(room)) this.#owner.onLeft(room, error);
      }));
    }
  }

  /** The rooms are those of a user. */
  #leaveAll() {
    this.#owner.calls.drop(({ rank }) => rank === ROOM, new ChatError('closed', 'somebody else has logged in', false));
    for (const room of [...this.#rooms.keys()]) {
      this.#rooms.delete(room);
      this.#owner.onLeft(room, null);
    }
  }

  connectionLost() {
    this.#isWelcome = false;
    for (const room of this.#rooms.keys()) this.#rooms.set(room, false);
  }

  /** Nobody, and nowhere. */
  forget() {
    this.user = null;
    this.#token = null;
    this.#isWelcome = false;
    this.#rooms.clear();
  }

  close() {
    this.forget();
    this.#seen.clear();
    this.#received.clear();
  }

  /** What the server has to be told, when nothing more important is. @returns {import('./wire.js').Message | null} */
  next() {
    if (!this.#isWelcome || this.#received.size === 0) return null;
    const messageIds = [...this.#received].slice(0, RECEIVED_MAX);
    for (const id of messageIds) this.#received.delete(id);
    return { type: 'received', messageIds };
  }

  /** Also unasked, when a proxy says who it is. @param {any} message @param {string | null} token */
  onWelcome(message, token = message.user === this.user ? this.#token : null) {
    if (this.user !== null && message.user !== this.user) this.#leaveAll();
    this.#token = token;
    this.user = message.user;
    this.#isWelcome = true;
    this.#owner.onLogin(loginEvent(message));
    this.restore(); // the rooms
  }

  /** @param {any} message */
  onMessage(message) {
    if (typeof message.messageId !== 'string' || typeof message.text !== 'string') return;
    const { type, ...post } = message;
    // One that comes again does so because the server does not know that it has come.
    if (post.to !== undefined && post.to === this.user) this.#received.add(post.messageId);
    if (this.remember(post.messageId)) this.#owner.onPost({ ...post, from: post.from ?? null });
  }

  /** @param {string} messageId @returns {boolean} whether it is new */
  remember(messageId) { return remember(this.#seen, messageId, SEEN_MAX); }

  /** False: it needs a login or a room that is about to be there again. @param {{ room?: string, to?: string }} target */
  isReady({ room, to }) {
    return this.#rooms.get(room ?? '') !== false && (to === undefined || this.user === null || this.#isWelcome);
  }

  /**
   * @param {import('./wire.js').Message | null} message
   * @param {(reply: any) => void} resolve
   * @param {(error: ChatError) => void} reject
   * @returns {import('./calls.js').Call}
   */
  #loginCall(message, resolve, reject) {
    const isReply = (/** @type {any} */ reply) => reply.type === 'welcome' && (message === null || reply.user === message.user);
    return { key: 'login', message, rank: LOGIN, isReply, resolve, reject };
  }

  /**
   * @param {string} room
   * @param {(state: RoomState) => void} resolve
   * @param {(error: ChatError) => void} reject
   * @returns {import('./calls.js').Call}
   */
  #joinCall(room, resolve, reject) {
    return {
      key: `join:${room}`,
      message: { type: 'join', room },
      rank: ROOM,
      isReply: (reply) => reply.type === 'joined' && reply.room === room,
      resolve: (reply) => {
        const again = this.#rooms.has(room);
        this.#rooms.set(room, true);
        const state = roomState(reply);
        // What was missed comes as if it came now; what was there before one came is history.
        for (const post of state.messages) {
          if (this.remember(post.messageId) && again) this.#owner.onPost(post);
        }
        this.#owner.onJoined(state, again);
        resolve(state);
      },
      reject,
    };
  }
}

/** @param {any} reply @returns {LoginEvent} */
function loginEvent({ user, node, unread }) {
  return { user, node: String(node ?? ''), unread: Number(unread ?? 0) };
}

/** @param {any} reply @returns {RoomState} */
function roomState({ room, members, messages, answers }) {
  const list = (/** @type {unknown} */ value) => (Array.isArray(value) ? value : []);
  return {
    room,
    members: list(members),
    messages: list(messages).map((post) => ({ ...post, from: post.from ?? null })),
    answers: list(answers),
  };
}
