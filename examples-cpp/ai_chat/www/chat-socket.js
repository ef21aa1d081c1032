/**
 * The chat's connection: one WebSocket, its JSON protocol, and reconnecting.
 *
 * There is no DOM in here, so any page can use it and tests can drive it with a fake socket and fake timers.
 *
 *   const chat = new ChatSocket({ url: chatUrl(location), sessionId: newSessionId() });
 *   chat.on('token', ({ content }) => …);
 *   chat.on('end', ({ reason }) => …);
 *   chat.open();
 *   chat.send('Hello');
 *
 * Nothing is queued: what cannot be sent now is refused, and `send` says why.
 */

/** @typedef {'connecting' | 'online' | 'waiting' | 'closed'} ConnectionState  `waiting`: for the next try to connect */
/** @typedef {{ state: ConnectionState, attempt: number, retryInMs: number | null }} StateEvent  `attempt`: failures in a row */
/** @typedef {{ content: string }} TokenEvent */
/** @typedef {{ code: string, message: string }} ProblemEvent  an error message of the server, or `bad_reply` when it sent nonsense */
/** @typedef {'done' | 'stopped' | 'failed' | 'interrupted'} EndReason  `failed`: a problem came first; `interrupted`: the connection was lost */
/** @typedef {{ reason: EndReason }} EndEvent */
/** @typedef {{ state: StateEvent, token: TokenEvent, problem: ProblemEvent, end: EndEvent }} ChatEvents */
/** @typedef {{ ok: true } | { ok: false, reason: 'empty' | 'busy' | 'offline' }} SendResult */

/**
 * @typedef {object} ChatSocketOptions
 * @property {string} url                       ws: or wss: address of the chat
 * @property {string} sessionId                 sent with every message
 * @property {Partial<typeof DEFAULT_TIMING>} [timing]
 * @property {new (url: string) => WebSocket} [WebSocket]  for tests
 * @property {() => number} [random]            in [0, 1); for tests
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
  /** A stop that the server has not confirmed by then means that the connection is dead. */
  stopTimeout: 5_000,
  /** After an error, the closing `done` is awaited this long. */
  errorGrace: 2_000,
};

/**
 * The wait before try number `attempt` (0 = the first): exponential, and somewhere in the upper half, so that the pages of
 * a restarted server do not all come back at the same instant.
 * @param {number} attempt
 * @param {() => number} random
 * @param {{ backoffFirst: number, backoffMax: number }} timing
 */
export function backoffDelay(attempt, random, timing = DEFAULT_TIMING) {
  const bound = Math.min(timing.backoffMax, timing.backoffFirst * 2 ** Math.min(attempt, 30));
  return Math.round(bound / 2 + (bound / 2) * random());
}

/**
 * The chat's address on the host that served the page.
 * @param {{ protocol: string, host: string }} location
 */
export function chatUrl(location) {
  return `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}/ws/chat`;
}

/**
 * A random UUID. `randomUUID` exists in secure contexts only; a page on plain http and another host than localhost has none.
 * @param {{ randomUUID?: () => string, getRandomValues: (bytes: Uint8Array) => Uint8Array }} source
 * @returns {string}
 */
export function newSessionId(source = /** @type {any} */ (globalThis.crypto)) {
  if (typeof source.randomUUID === 'function') return source.randomUUID();
  const bytes = source.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

export class ChatSocket {
  /** @type {Required<typeof DEFAULT_TIMING>} */ #timing;
  /** @type {new (url: string) => WebSocket} */ #WebSocket;
  /** @type {() => number} */ #random;
  #url;
  #sessionId;

  /** @type {ConnectionState} */ #state = 'closed';
  /** @type {WebSocket | null} */ #socket = null;
  #attempt = 0;
  /** The answer under way, if any. @type {null | { stopping: boolean, failed: boolean }} */ #answer = null;

  /** One timer for each purpose. @type {Map<string, ReturnType<typeof setTimeout>>} */ #timers = new Map();
  /** @type {Map<string, Set<(event: any) => void>>} */ #listeners = new Map();

  /** @param {ChatSocketOptions} options */
  constructor({ url, sessionId, timing = {}, WebSocket = globalThis.WebSocket, random = Math.random }) {
    this.#url = url;
    this.#sessionId = sessionId;
    this.#timing = { ...DEFAULT_TIMING, ...timing };
    this.#WebSocket = WebSocket;
    this.#random = random;
  }

  get state() { return this.#state; }
  get sessionId() { return this.#sessionId; }

  /** True from a successful `send` to its `end` event. */
  get answering() { return this.#answer !== null; }

  /**
   * @template {keyof ChatEvents} Name
   * @param {Name} name
   * @param {(event: ChatEvents[Name]) => void} listener
   * @returns {() => void} takes the listener away again
   */
  on(name, listener) {
    const set = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, set.add(listener));
    return () => set.delete(listener);
  }

  /** Connects, and from now on connects again whenever the connection is lost. */
  open() {
    if (this.#state === 'closed') this.#connect();
  }

  /** Closes for good, until `open`. An answer under way ends as interrupted. */
  close() {
    if (this.#state === 'closed') return;
    this.#abandonSocket();
    this.#setState('closed');
    this.#endAnswer('interrupted');
  }

  /** Does not wait for the rest of the backoff. */
  reconnectNow() {
    if (this.#state === 'waiting') this.#connect();
  }

  /**
   * Asks the server for an answer. Nothing is kept when that is not possible now.
   * @param {string} message
   * @returns {SendResult}
   */
  send(message) {
    if (message.trim() === '') return { ok: false, reason: 'empty' };
    if (this.#answer) return { ok: false, reason: 'busy' };
    if (!this.#transmit({ type: 'chat', sessionId: this.#sessionId, message })) return { ok: false, reason: 'offline' };
    this.#answer = { stopping: false, failed: false };
    return { ok: true };
  }

  /** Ends the answer under way: no token follows, the `end` event does. False when there is nothing to stop. */
  stop() {
    if (!this.#answer || this.#answer.stopping) return false;
    this.#answer.stopping = true;
    this.#transmit({ type: 'stop' });
    this.#startTimer('stop', this.#timing.stopTimeout, () => this.#lost());
    return true;
  }

  /** The next `send` belongs to another conversation. @param {string} sessionId */
  startSession(sessionId) {
    this.#sessionId = sessionId;
  }

  // ---- connection ----

  #connect() {
    this.#abandonSocket();
    this.#setState('connecting');
    /** @type {WebSocket} */ let socket;
    try {
      socket = new this.#WebSocket(this.#url);
    } catch {
      return this.#lost();
    }
    this.#socket = socket;
    // A socket that was given up may still fire: only the current one counts.
    const current = () => this.#socket === socket;
    socket.onopen = () => current() && this.#opened();
    socket.onmessage = ({ data }) => current() && this.#received(data);
    socket.onclose = () => current() && this.#lost();
    socket.onerror = () => {}; // always followed by close, which says the same
    this.#startTimer('connect', this.#timing.connectTimeout, () => this.#lost());
  }

  #opened() {
    this.#stopTimer('connect');
    this.#startTimer('stable', this.#timing.stableAfter, () => { this.#attempt = 0; });
    this.#setState('online');
  }

  #lost() {
    this.#abandonSocket();
    const retryInMs = backoffDelay(this.#attempt, this.#random, this.#timing);
    this.#attempt += 1;
    this.#startTimer('reconnect', retryInMs, () => this.#connect());
    this.#setState('waiting', retryInMs);
    this.#endAnswer('interrupted');
  }

  #abandonSocket() {
    for (const name of [...this.#timers.keys()]) this.#stopTimer(name);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  // ---- protocol ----

  /** @param {object} message */
  #transmit(message) {
    if (this.#state !== 'online' || this.#socket?.readyState !== 1 /* OPEN */) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** @param {unknown} data */
  #received(data) {
    const message = parse(data);
    if (message?.type === 'stream' && typeof message.content === 'string') this.#onStream(message.content, message.done === true);
    else if (message?.type === 'error' && typeof message.code === 'string') this.#onError(message.code, String(message.message ?? ''));
    else if (message === null || message.type === 'stream' || message.type === 'error') this.#onError('bad_reply', '');
    // Any other type is from a newer server and none of our business.
  }

  /** @param {string} content @param {boolean} done */
  #onStream(content, done) {
    const answer = this.#answer;
    if (!answer) return; // the late end of an answer that was given up
    if (content !== '' && !answer.stopping && !answer.failed) this.#emit('token', { content });
    if (done) this.#endAnswer('done');
  }

  /** @param {string} code @param {string} message */
  #onError(code, message) {
    const answer = this.#answer;
    if (answer?.failed) return; // one report an answer is enough
    if (answer && !answer.stopping) {
      answer.failed = true;
      this.#startTimer('grace', this.#timing.errorGrace, () => this.#endAnswer('failed'));
    }
    if (!answer?.stopping) this.#emit('problem', { code, message });
  }

  /** @param {EndReason} reason */
  #endAnswer(reason) {
    const answer = this.#answer;
    if (!answer) return;
    this.#answer = null;
    this.#stopTimer('stop');
    this.#stopTimer('grace');
    this.#emit('end', { reason: answer.stopping ? 'stopped' : answer.failed ? 'failed' : reason });
  }

  // ---- events and timers ----

  /** @param {ConnectionState} state @param {number | null} retryInMs */
  #setState(state, retryInMs = null) {
    this.#state = state;
    this.#emit('state', { state, attempt: this.#attempt, retryInMs });
  }

  /** @template {keyof ChatEvents} Name @param {Name} name @param {ChatEvents[Name]} event */
  #emit(name, event) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) listener(event);
  }

  /** @param {string} name @param {number} ms @param {() => void} action */
  #startTimer(name, ms, action) {
    this.#stopTimer(name);
    this.#timers.set(name, setTimeout(() => { this.#timers.delete(name); action(); }, ms));
  }

  /** @param {string} name */
  #stopTimer(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

/** @param {unknown} data @returns {any} the JSON object, or null */
function parse(data) {
  if (typeof data !== 'string') return null;
  try {
    const value = JSON.parse(data);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}
