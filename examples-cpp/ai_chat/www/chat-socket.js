/**
 * The chat's client: docs/PROTOCOL.md over a WebSocket that comes back by itself. No DOM and no dependencies: take this file
 * and the folder beside it into any page.
 *
 *   const chat = new ChatSocket({ url: chatUrl(location) });
 *   chat.on('state', ({ state }) => …);
 *   chat.connect();
 *
 *   const answer = chat.ask('Hello', { sessionId });
 *   for await (const piece of answer) show(piece);
 *   const { finishReason, usage, error } = await answer.result;
 *
 * Questions and messages may be sent without a connection: they wait. Answers go on where they were when a connection is lost,
 * and after a reload of the page, too:
 *
 *   sessionStorage.setItem('answer', JSON.stringify(answer));                       // when the page goes
 *   const answer = chat.continue(JSON.parse(sessionStorage.getItem('answer')));     // when it is back
 */

import { AnswerFeed } from './chat-socket/answer-feed.js';
import { Calls, OTHER } from './chat-socket/calls.js';
import { Connection } from './chat-socket/connection.js';
import { Emitter } from './chat-socket/emitter.js';
import { Outbox } from './chat-socket/outbox.js';
import { People } from './chat-socket/people.js';
import { Timers, systemClock } from './chat-socket/timers.js';
import { ChatError, SUBPROTOCOL, newId, remember } from './chat-socket/wire.js';

export { backoffDelay } from './chat-socket/connection.js';
export { ChatError, SUBPROTOCOL, newId };

/** @typedef {import('./chat-socket/answer.js').Answer} Answer */
/** @typedef {import('./chat-socket/answer.js').AnswerResult} AnswerResult */
/** @typedef {import('./chat-socket/answer.js').AnswerState} AnswerState */
/** @typedef {import('./chat-socket/answer.js').AnswerStats} AnswerStats */
/** @typedef {import('./chat-socket/answer.js').AnswerStatus} AnswerStatus */
/** @typedef {import('./chat-socket/connection.js').ConnectionState} ConnectionState */
/** @typedef {import('./chat-socket/connection.js').StateEvent} StateEvent */
/** @typedef {import('./chat-socket/people.js').LoginEvent} LoginEvent */
/** @typedef {import('./chat-socket/wire.js').Post} Post */
/** @typedef {import('./chat-socket/wire.js').Turn} Turn */
/** @typedef {import('./chat-socket/wire.js').Usage} Usage */

/** @typedef {{ node: string, store: 'memory' | 'redis', degraded: boolean }} ServiceEvent  `degraded`: the shared store cannot be reached */
/** @typedef {{ room: string, user: string, online: boolean }} PresenceEvent */
/** @typedef {{ room: string, members: string[], messages: Post[], answers: Answer[] }} Room  as it was when one came; `answers`: under way */
/** @typedef {{ id: string, messageId: string, delivered?: boolean }} Sent  `delivered`: to a connection at that moment; of direct messages only */

/**
 * - `state` of the connection
 * - `latency`: of a ping, there and back
 * - `service`: about the server, on every connection and when it changes
 * - `problem`: an error that belongs to no answer, message or call
 * - `login`: logged in, also again after a lost connection, or by a proxy; `logout`: not let in again
 * - `joined`: in a room, `again` after a lost connection (what was missed comes as `message` events); `left`, with an error if not by `leave`
 * - `message`: of a person or about an answer, each once
 * - `presence`: somebody came or went
 * - `answer`: somebody else's question in a room is being answered
 *
 * @typedef {{
 *   state: StateEvent,
 *   latency: { ms: number },
 *   service: ServiceEvent,
 *   problem: ChatError,
 *   login: LoginEvent,
 *   logout: { error: ChatError },
 *   joined: Room & { again: boolean },
 *   left: { room: string, error: ChatError | null },
 *   message: Post,
 *   presence: PresenceEvent,
 *   answer: { answer: Answer },
 * }} ChatEvents
 */

/**
 * @typedef {object} ChatSocketOptions
 * @property {string} url                            ws: or wss: address of the chat
 * @property {string} [sessionId]                    of questions that name no other
 * @property {Partial<typeof DEFAULT_TIMING>} [timing]
 * @property {number} [maxQueue]                     questions and messages that wait for the server; 100
 * @property {number} [maxPerSecond]                 messages to the server, which refuses more than 50; 24
 * @property {string[]} [protocols]
 * @property {new (url: string, protocols: string[]) => WebSocket} [WebSocket]  for tests, as what follows
 * @property {() => number} [random]                 in [0, 1)
 * @property {import('./chat-socket/timers.js').Clock} [clock]
 */

/** All in milliseconds. */
export const DEFAULT_TIMING = {
  /** Bound of the first wait before connecting again; it doubles with every failure. */
  backoffFirst: 500,
  backoffMax: 15_000,
  /** A connection that is not open by then is given up. */
  connectTimeout: 10_000,
  /** Only a connection that lived this long resets the backoff, so that a server that accepts and drops is not hammered. */
  stableAfter: 5_000,
  pingInterval: 20_000,
  /** A connection on which nothing came for so long after a ping is dead. */
  pongTimeout: 8_000,
  /** An answer that the server does not end for so long after a stop is over without it. */
  stopTimeout: 10_000,
  /** Of a login, a join, a history. */
  replyTimeout: 10_000,
  /** Before a login or join that was lost with the connection, and is refused for now, is tried again. */
  restoreRetry: 5_000,
  /** What could not be sent for so long is given up. */
  queueTtl: 10 * 60_000,
};

const SETTLED_MAX = 1000;
const STRANGERS_MAX = 100;
const WINDOW_MS = 1_000;
const TOO_BIG = 1009;

/**
 * The chat's address on the host that served the page.
 * @param {{ protocol: string, host: string }} location
 */
export function chatUrl(location) {
  return `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}/ws/chat`;
}

export class ChatSocket {
  #sessionId;
  #timing;
  #maxPerSecond;
  #clock;
  #timers;
  /** @type {Emitter<ChatEvents>} */ #events = new Emitter();
  #connection;
  #calls;
  #outbox;
  #people;

  /** Those under way, by requestId. @type {Map<string, AnswerFeed>} */ #feeds = new Map();
  /** Ids of those that are over, so that what still comes of them is known as theirs. @type {Set<string>} */ #settled = new Set();
  /** Ids of others that have been heard of. @type {Set<string>} */ #strangers = new Set();
  /** @type {ServiceEvent | null} */ #service = null;
  /** @type {number | null} */ #latency = null;
  #sentInWindow = 0;

  /** @param {ChatSocketOptions} options */
  constructor({
    url, sessionId, timing = {}, maxQueue = 100, maxPerSecond = 24, protocols = [SUBPROTOCOL],
    WebSocket = globalThis.WebSocket, random = Math.random, clock = systemClock,
  }) {
    this.#sessionId = sessionId;
    this.#timing = { ...DEFAULT_TIMING, ...timing };
    this.#maxPerSecond = maxPerSecond;
    this.#clock = clock;
    this.#timers = new Timers(clock);
    this.#connection = new Connection({ url, protocols, WebSocket, timing: this.#timing, random, clock }, {
      onOpen: () => this.#opened(),
      onMessage: (message) => this.#received(message),
      onLost: (code) => this.#lost(code),
      onState: (event) => this.#events.emit('state', event),
      onLatency: (ms) => { this.#latency = ms; this.#events.emit('latency', { ms }); },
    });
    // Without a reply nobody knows who is logged in and in which rooms: only a new connection is sure to be without.
    this.#calls = new Calls(this.#timers, this.#timing.replyTimeout, ({ rank }) => (rank < OTHER ? this.#connection.lose() : this.#pump()));
    this.#outbox = new Outbox(this.#timers, maxQueue, this.#timing.queueTtl);
    this.#people = new People({
      calls: this.#calls,
      isOnline: () => this.state === 'online',
      onChange: () => this.#pump(),
      restoreLater: (ms) => this.#timers.start('restore', ms, () => this.#restore()),
      renew: () => this.#renew(),
      onLogin: (event) => this.#loggedIn(event),
      onLogout: (error) => this.#events.emit('logout', { error }),
      onJoined: (room, again) => this.#joined(room, again),
      onLeft: (room, error) => this.#left(room, error),
      onPost: (post) => this.#posted(post),
    }, this.#timing.restoreRetry);
  }

  // ---- the connection ----

  /** @returns {ConnectionState} */
  get state() { return this.#connection.state; }
  /** Of the last ping, in milliseconds. */
  get latency() { return this.#latency; }
  /** What the server last said about itself. */
  get service() { return this.#service; }

  /**
   * @template {keyof ChatEvents} Name
   * @param {Name} name
   * @param {(event: ChatEvents[Name]) => void} listener
   * @returns {() => void} takes the listener away again
   */
  on(name, listener) { return this.#events.on(name, listener); }

  /** Connects, and from now on connects again whenever the connection is lost. */
  connect() { this.#connection.connect(); }

  /**
   * No connection until `connect`, which goes on with everything that is under way or waits. For pages that are put aside: answers
   * are kept by the server for a while.
   */
  disconnect() { this.#connection.disconnect(); }

  /** Does not wait for the rest of the backoff. For `online` events, and pages that are looked at again. */
  reconnectNow() { this.#connection.reconnectNow(); }

  /** For good: what is under way or waits ends with the error `closed`; logins and rooms are forgotten. */
  close() {
    this.#connection.disconnect();
    this.#timers.stopAll();
    const error = new ChatError('closed', 'the chat was closed', true);
    this.#outbox.close(error);
    this.#calls.drop(() => true, error);
    for (const feed of [...this.#feeds.values()]) feed.settle('error', null, error);
    this.#people.close();
  }

  // ---- answers ----

  /** Those under way, in the order in which they were asked. @returns {Answer[]} */
  get answers() { return [...this.#feeds.values()].map(({ answer }) => answer); }

  /** Questions and messages that the server has not confirmed. */
  get waiting() { return this.#outbox.size; }

  /**
   * Asks the model, in a session or a room that one is in. Without a connection the question waits. What goes wrong is in the
   * answer's `result`.
   * @param {string} message
   * @param {{ sessionId?: string, room?: string, regenerate?: string, requestId?: string }} [options]
   *   `regenerate`: the requestId of the last exchange, which this one replaces; `requestId`: asking twice with one asks once
   * @returns {Answer}
   */
  ask(message, { sessionId = this.#sessionId, room, regenerate = '', requestId = newId() } = {}) {
    if (message === '') throw new TypeError('there is no message');
    const existing = this.#feeds.get(requestId);
    if (existing) return existing.answer;
    const feed = this.#newFeed({ requestId, scope: scopeOf(sessionId, room), message, regenerate, isOwn: true });
    this.#enqueue(feed);
    return feed.answer;
  }

  /**
   * Goes on with an answer of which another page has kept `toJSON()`. Text that the server does not stream any more is taken from the
   * history of the session.
   * @param {AnswerState} state
   * @returns {Answer}
   */
  continue(state) {
    const existing = this.#feeds.get(state.requestId);
    if (existing) return existing.answer;
    const { requestId, message, regenerate } = state;
    const feed = this.#newFeed({ requestId, scope: scopeOf(state.sessionId, state.room), message, regenerate, isOwn: message !== null });
    feed.restore(state);
    if (feed.stopWanted) feed.isKnown = true; // a question that is not wanted any more is not asked again
    if (!feed.result && !feed.isKnown) this.#enqueue(feed);
    this.#pump();
    return feed.answer;
  }

  /** What was said in a session, oldest first. @param {string} [sessionId] @returns {Promise<Turn[]>} */
  history(sessionId = this.#sessionId) {
    return new Promise((resolve, reject) => {
      this.#calls.add({
        key: `history:${sessionId}`,
        message: { type: 'history', sessionId },
        rank: OTHER,
        isReply: (reply) => reply.type === 'history' && reply.sessionId === sessionId,
        resolve: (reply) => resolve(Array.isArray(reply.turns) ? reply.turns : []),
        reject,
      });
      this.#pump();
    });
  }

  // ---- people ----

  /** Who is logged in, or will be again when there is a connection. */
  get user() { return this.#people.user; }
  /** Those that one is in, or will be again. */
  get rooms() { return this.#people.rooms; }

  /**
   * The first login of a name decides on its token: a secret of 16 to 128 bytes, to be kept. Waits for a connection; from then
   * on every connection is logged in. As somebody else it is on a new connection, out of all rooms; refused, one stays who one was.
   * @param {string} user @param {string} token
   * @returns {Promise<LoginEvent>} rejects with a ChatError
   */
  login(user, token) { return this.#people.login(user, token); }

  /** Forgets who is logged in, and the rooms. On a new connection, as a connection belongs to one user. */
  logout() {
    const { state } = this;
    this.#connection.disconnect();
    this.#people.forget();
    this.#calls.drop(({ rank }) => rank < OTHER, new ChatError('closed', 'logged out', false));
    if (state !== 'closed') this.#connection.connect();
  }

  /** Into a room, on this and all connections to come; needs a login. @param {string} room @returns {Promise<Room>} */
  async join(room) {
    const state = await this.#people.join(room);
    return { ...state, answers: this.#answersOf(state) };
  }

  /** Answers of others in that room end here. @param {string} room @returns {Promise<void>} */
  leave(room) { return this.#people.leave(room); }

  /**
   * To a person or a room; needs a login. Without a connection it waits. What was sent is stored: it is not lost.
   * @param {{ to: string, text: string, id?: string } | { room: string, text: string, id?: string }} message
   *   `id`: sending twice with one sends once
   * @returns {Promise<Sent>} rejects with a ChatError
   */
  message({ id = newId(), ...rest }) {
    return new Promise((resolve, reject) => {
      const message = { type: 'message', ...rest, id };
      this.#outbox.add({
        id: `message:${id}`,
        from: this.user,
        message: () => message,
        isReady: () => this.#people.isReady(message),
        reject,
        confirm: ({ messageId, delivered }) => {
          this.#people.remember(messageId);
          resolve({ id, messageId, ...(delivered === undefined ? {} : { delivered }) });
        },
      }, message);
      this.#pump();
    });
  }

  #renew() {
    if (this.state !== 'online') return;
    this.#connection.lose();
    this.#connection.reconnectNow();
  }

  /** @param {LoginEvent} event */
  #loggedIn(event) {
    this.#outbox.drop(({ from }) => (from ?? event.user) !== event.user, new ChatError('closed', 'somebody else has logged in', true));
    this.#events.emit('login', event);
  }

  // ---- what is sent ----

  #opened() {
    this.#sentInWindow = 1; // the ping
    this.#timers.start('window', WINDOW_MS, () => this.#newWindow());
    this.#restore();
  }

  #newWindow() {
    this.#sentInWindow = 0;
    this.#pump();
  }

  #restore() {
    this.#people.restore();
    this.#pump();
  }

  /** @param {number} code */
  #lost(code) {
    this.#calls.connectionLost();
    this.#people.connectionLost();
    for (const feed of this.#feeds.values()) {
      feed.connectionLost();
      this.#timers.stop(feed);
      if (feed.stopWanted) this.#withdraw(feed);
    }
    this.#outbox.connectionLost(code === TOO_BIG);
  }

  /** Says what there is to say, in its order, and not too fast. */
  #pump() {
    while (this.state === 'online') {
      if (this.#sentInWindow >= this.#maxPerSecond) return;
      const message = this.#calls.next() ?? (this.#calls.isBusy ? null : this.#next());
      if (!message || !this.#connection.send(message)) return;
      if (this.#sentInWindow === 0) this.#timers.start('window', WINDOW_MS, () => this.#newWindow());
      this.#sentInWindow += 1;
      if (message.type === 'stop') this.#watchStop(this.#feeds.get(message.requestId));
    }
  }

  #next() {
    for (const feed of this.#feeds.values()) {
      const message = this.#people.isReady(feed.scope) ? feed.next() : null;
      if (message) return message;
    }
    return this.#outbox.next() ?? this.#people.next();
  }

  /** @param {AnswerFeed} feed */
  #enqueue(feed) {
    this.#outbox.add({
      id: feed.requestId,
      message: () => feed.question(),
      isReady: () => !feed.isHeld && this.#people.isReady(feed.scope),
      reject: (error) => feed.settle('error', null, error),
    }, { message: feed.message });
    this.#pump();
  }

  // ---- what comes ----

  /** @param {import('./chat-socket/wire.js').Message | null} message */
  #received(message) {
    if (!message) return this.#events.emit('problem', new ChatError('bad_reply', 'the server sent something that is not understood', false));
    switch (message.type) {
      case 'stream':
      case 'status': this.#onAnswer(message); break;
      case 'error': this.#onError(message); break;
      case 'ack': this.#outbox.take(`message:${message.id}`)?.confirm?.(message); break;
      case 'message': this.#people.onMessage(message); break;
      case 'presence': this.#events.emit('presence', { room: message.room, user: message.user, online: message.online === true }); break;
      case 'service': this.#onService(message); break;
      case 'welcome': if (!this.#calls.onReply(message)) this.#people.onWelcome(message); break;
      default: this.#calls.onReply(message);
      // Any other type is from a newer server and none of our business.
    }
    this.#pump();
  }

  /** @param {any} message */
  #onAnswer(message) {
    const feed = this.#feeds.get(message.requestId);
    if (!feed) return this.#onStranger(message.requestId);
    if (message.type === 'status') feed.onStatus(message);
    else if (!feed.onStream(message)) this.#connection.lose();
  }

  /**
   * The late end of an answer that was given up; or the beginning of one in a room, that overtook its question.
   * @param {unknown} requestId
   */
  #onStranger(requestId) {
    if (typeof requestId === 'string' && !this.#settled.has(requestId)) remember(this.#strangers, requestId, STRANGERS_MAX);
  }

  /** @param {any} message */
  #onError(message) {
    if (message.code === 'too_fast') return this.#connection.lose(); // everything is said again, after a while and slower
    const error = ChatError.from(message);
    const feed = this.#feeds.get(message.requestId);
    if (feed) {
      if (error.code === 'shutting_down' && this.#canHold(feed)) this.#hold(feed);
      else if (error.code === 'unknown_request' && message.seq === undefined && this.#canRecover(feed)) this.#recover(feed, error);
      else if (!feed.onError(message)) this.#connection.lose();
    } else if (message.id !== undefined) {
      const item = this.#outbox.take(`message:${message.id}`);
      if (item) item.reject(error);
      else this.#events.emit('problem', error);
    } else if (message.requestId === undefined) {
      if (!this.#calls.onError(error)) this.#events.emit('problem', error);
    } else if (!this.#settled.has(message.requestId)) {
      this.#events.emit('problem', error);
    }
  }

  /** @param {any} message */
  #onService({ node, store, degraded }) {
    const wasDegraded = this.#service?.degraded === true;
    this.#service = { node: String(node), store, degraded: degraded === true };
    this.#events.emit('service', this.#service);
    if (wasDegraded && !degraded) this.#restore();
  }

  // ---- the life of an answer ----

  /** @param {ConstructorParameters<typeof AnswerFeed>[0]} of */
  #newFeed(of) {
    const feed = new AnswerFeed(of, {
      now: () => this.#clock.now(),
      onChange: () => this.#pump(),
      onStop: () => this.#stop(feed),
      onKnown: () => this.#outbox.take(of.requestId),
      onSettled: () => this.#forget(feed),
    });
    this.#feeds.set(of.requestId, feed);
    return feed;
  }

  /** @param {AnswerFeed} feed */
  #stop(feed) {
    if (!feed.wasSent && !feed.isKnown) return feed.settle('cancelled');
    if (!feed.isAttached) this.#withdraw(feed);
    this.#pump();
  }

  /** The stop was sent. A dead connection swallows it; a server that has it ends the answer. @param {AnswerFeed | undefined} feed */
  #watchStop(feed) {
    this.#sentInWindow += 1;
    const ping = this.#connection.ping();
    this.#timers.start(feed, this.#timing.stopTimeout, () => {
      if (this.#connection.hasPong(ping)) feed?.settle('cancelled');
      else this.#connection.lose();
    });
  }

  /** Its question may have arrived before the connection was lost. If it has not, it must not now. @param {AnswerFeed} feed */
  #withdraw(feed) {
    this.#outbox.take(feed.requestId);
    feed.isKnown = true;
  }

  /** @param {AnswerFeed} feed */
  #forget(feed) {
    this.#feeds.delete(feed.requestId);
    this.#outbox.take(feed.requestId);
    this.#timers.stop(feed);
    remember(this.#settled, feed.requestId, SETTLED_MAX);
  }

  /** @param {AnswerFeed} feed */
  #canHold(feed) {
    return feed.message !== null && feed.after === 0 && !feed.stopWanted;
  }

  /** A server that is about to end lets answers finish, but begins none: the question is for the next connection. @param {AnswerFeed} feed */
  #hold(feed) {
    feed.hold();
    if (!this.#outbox.has(feed.requestId)) this.#enqueue(feed);
    if (![...this.#feeds.values()].some(({ isAttached }) => isAttached)) this.#connection.lose();
  }

  /** @param {AnswerFeed} feed */
  #canRecover(feed) {
    return feed.isKnown && feed.scope.sessionId !== undefined && !feed.stopWanted;
  }

  /** An answer that is not kept any more is in the history, if it was finished. @param {AnswerFeed} feed @param {ChatError} error */
  #recover(feed, error) {
    feed.isRecovering = true;
    this.history(feed.scope.sessionId).then((turns) => {
      const question = turns.findIndex(({ role, requestId }) => role === 'user' && requestId === feed.requestId);
      const answer = question < 0 ? undefined : turns[question + 1];
      if (answer?.role === 'assistant') feed.complete(answer.content, answer.finish_reason ?? 'stop');
      else feed.settle('error', null, error);
    }, () => feed.settle('error', null, error));
  }

  // ---- rooms ----

  /** @param {import('./chat-socket/people.js').RoomState} state @param {boolean} again */
  #joined(state, again) {
    // Those that ended meanwhile are among the messages; the others stream.
    for (const post of state.messages) {
      const feed = post.requestId === undefined || post.from !== null ? undefined : this.#feeds.get(post.requestId);
      if (feed && !state.answers.some(({ requestId }) => requestId === feed.requestId)) feed.complete(post.text, post.finish_reason ?? 'stop');
    }
    for (const { requestId } of state.answers) {
      const question = state.messages.find((post) => post.requestId === requestId && post.from !== null);
      this.#watch(requestId, state.room, question?.text ?? null);
    }
    this.#events.emit('joined', { ...state, answers: this.#answersOf(state), again });
  }

  /** An answer that another has asked for. @param {string} requestId @param {string} room @param {string | null} message */
  #watch(requestId, room, message) {
    if (this.#feeds.has(requestId) || this.#settled.has(requestId)) return;
    const feed = this.#newFeed({ requestId, scope: { room }, message, isOwn: false });
    feed.isKnown = true;
    feed.isAttached = !this.#strangers.delete(requestId); // the server sends it unasked, but what came too early was dropped
    this.#events.emit('answer', { answer: feed.answer });
  }

  /** @param {import('./chat-socket/people.js').RoomState} state */
  #answersOf({ answers }) {
    return answers.flatMap(({ requestId }) => this.#feeds.get(requestId)?.answer ?? []);
  }

  /** @param {string} room @param {ChatError | null} error */
  #left(room, error) {
    for (const feed of [...this.#feeds.values()]) {
      if (feed.scope.room === room && !feed.isOwn) feed.settle('error', null, error ?? new ChatError('not_in_room', `${room} was left`, false));
    }
    this.#events.emit('left', { room, error });
  }

  /** @param {Post} post */
  #posted(post) {
    this.#events.emit('message', post);
    if (post.requestId !== undefined && post.room !== undefined && post.from !== null) this.#watch(post.requestId, post.room, post.text);
  }
}

/** @param {string | undefined} sessionId @param {string | undefined} room @returns {import('./chat-socket/wire.js').Scope} */
function scopeOf(sessionId, room) {
  if (room !== undefined) return { room };
  if (sessionId === undefined) throw new TypeError('an answer needs a sessionId or a room');
  return { sessionId };
}
