/**
 * One WebSocket at a time: connecting again when it is lost, and finding out that it is dead.
 *
 * A network that went away without a word leaves a socket that looks open for many minutes. So the server is pinged, and
 * when it says nothing at all for a while, the connection counts as lost.
 */

import { Timers } from './timers.js';
import { parse } from './wire.js';

/** @typedef {'connecting' | 'online' | 'waiting' | 'closed'} ConnectionState  `waiting`: for the next try to connect */
/** @typedef {{ state: ConnectionState, attempt: number, retryInMs: number | null }} StateEvent  `attempt`: failures in a row */

/**
 * @typedef {object} ConnectionTiming  all in milliseconds
 * @property {number} backoffFirst    bound of the first wait before connecting again; it doubles with every failure
 * @property {number} backoffMax
 * @property {number} connectTimeout  a connection that is not open by then is given up
 * @property {number} stableAfter     only a connection that lived this long resets the backoff
 * @property {number} pingInterval
 * @property {number} pongTimeout     a connection on which nothing came for so long after a ping is dead
 */

/**
 * @typedef {object} ConnectionHandler
 * @property {() => void} onOpen
 * @property {(message: import('./wire.js').Message | null) => void} onMessage  null: nonsense
 * @property {(code: number) => void} onLost    the close code; 0 without one. Also after `disconnect`
 * @property {(event: StateEvent) => void} onState  behind onOpen and onLost
 * @property {(ms: number) => void} onLatency
 */

/**
 * The wait before try number `attempt` (0 = the first): exponential with full jitter, so that the pages of a restarted server come
 * back evenly spread.
 * @param {number} attempt
 * @param {() => number} random  in [0, 1)
 * @param {{ backoffFirst: number, backoffMax: number }} timing
 */
export function backoffDelay(attempt, random, timing) {
  return Math.round(Math.min(timing.backoffMax, timing.backoffFirst * 2 ** Math.min(attempt, 30)) * random());
}

export class Connection {
  #url;
  #protocols;
  #WebSocket;
  #timing;
  #random;
  #clock;
  #handler;
  #timers;

  /** @type {ConnectionState} */ #state = 'closed';
  /** @type {WebSocket | null} */ #socket = null;
  #attempt = 0;
  #pings = 0;
  #ponged = 0;
  #pingedAt = 0;

  /**
   * @param {object} options
   * @param {string} options.url
   * @param {string[]} options.protocols
   * @param {new (url: string, protocols: string[]) => WebSocket} options.WebSocket
   * @param {ConnectionTiming} options.timing
   * @param {() => number} options.random
   * @param {import('./timers.js').Clock} options.clock
   * @param {ConnectionHandler} handler
   */
  constructor({ url, protocols, WebSocket, timing, random, clock }, handler) {
    this.#url = url;
    this.#protocols = protocols;
    this.#WebSocket = WebSocket;
    this.#timing = timing;
    this.#random = random;
    this.#clock = clock;
    this.#handler = handler;
    this.#timers = new Timers(clock);
  }

  get state() { return this.#state; }

  /** Connects, and from now on connects again whenever the connection is lost. */
  connect() {
    if (this.#state === 'closed') this.#connect();
  }

  /** No connection until `connect`. */
  disconnect() {
    if (this.#state === 'closed') return;
    this.#abandonSocket();
    this.#attempt = 0;
    this.#state = 'closed';
    this.#handler.onLost(0);
    this.#tellState();
  }

  /** Does not wait for the rest of the backoff; a connection that seems to be open is looked at. */
  reconnectNow() {
    if (this.#state === 'waiting') this.#connect();
    else if (this.#state === 'online' && !this.#timers.has('pong')) this.ping();
  }

  /** @param {object} message @returns {boolean} */
  send(message) {
    if (this.#state !== 'online' || this.#socket?.readyState !== 1 /* OPEN */) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** @returns {number} for `hasPong` */
  ping() {
    this.#timers.start('ping', this.#timing.pingInterval, () => this.ping());
    this.#pings += 1;
    this.#pingedAt = this.#clock.now();
    if (this.send({ type: 'ping', id: this.#pings }) && !this.#timers.has('pong')) {
      this.#timers.start('pong', this.#timing.pongTimeout, () => this.lose());
    }
    return this.#pings;
  }

  /** Whether the server has what was sent before that ping. @param {number} ping */
  hasPong(ping) { return this.#ponged >= ping; }

  /** The connection is of no use any more: another one, after the backoff. */
  lose(code = 0) {
    this.#abandonSocket();
    const retryInMs = backoffDelay(this.#attempt, this.#random, this.#timing);
    this.#attempt += 1;
    this.#timers.start('reconnect', retryInMs, () => this.#connect());
    this.#state = 'waiting';
    this.#handler.onLost(code);
    if (this.#state === 'waiting') this.#tellState(retryInMs);
  }

  #connect() {
    this.#abandonSocket();
    this.#state = 'connecting';
    this.#tellState();
    if (this.#state !== 'connecting') return; // a listener closed it
    /** @type {WebSocket} */ let socket;
    try {
      socket = new this.#WebSocket(this.#url, this.#protocols);
    } catch {
      return this.lose();
    }
    this.#socket = socket;
    // A socket that was given up may still fire: only the current one counts.
    const current = () => this.#socket === socket;
    socket.onopen = () => current() && this.#opened();
    socket.onmessage = ({ data }) => current() && this.#received(data);
    socket.onclose = (event) => current() && this.lose(event?.code ?? 0);
    socket.onerror = () => {}; // always followed by close, which says the same
    this.#timers.start('connect', this.#timing.connectTimeout, () => this.lose());
  }

  #opened() {
    this.#timers.stop('connect');
    this.#timers.start('stable', this.#timing.stableAfter, () => { this.#attempt = 0; });
    this.#state = 'online';
    this.ping();
    this.#handler.onOpen();
    if (this.#state === 'online') this.#tellState();
  }

  /** @param {unknown} data */
  #received(data) {
    this.#timers.stop('pong'); // whatever it is, it is a sign of life
    const message = parse(data);
    if (message?.type !== 'pong') return this.#handler.onMessage(message);
    if (typeof message.id === 'number') this.#ponged = message.id;
    if (message.id === this.#pings) this.#handler.onLatency(this.#clock.now() - this.#pingedAt);
  }

  #abandonSocket() {
    this.#timers.stopAll();
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  /** @param {number | null} retryInMs */
  #tellState(retryInMs = null) {
    this.#handler.onState({ state: this.#state, attempt: this.#attempt, retryInMs });
  }
}
