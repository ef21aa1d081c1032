/**
 * chat-socket.js alone: a fake WebSocket, virtual time, no browser. What the client says, and what the tests say as the server, is held
 * against docs/protocol.schema.json.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import Ajv from 'ajv/dist/2020.js';
import { ChatSocket, DEFAULT_TIMING } from '../../examples-cpp/ai_chat/www/chat-socket.js';

export const T = DEFAULT_TIMING;
export const schema = JSON.parse(readFileSync(new URL('../../docs/protocol.schema.json', import.meta.url), 'utf8'));

const ajv = new Ajv({ strict: true, strictRequired: false, strictTypes: false, allErrors: true });
ajv.addSchema(schema);
const validators = {
  client: ajv.getSchema(`${schema.$id}#/$defs/strictClientMessage`),
  server: ajv.getSchema(`${schema.$id}#/$defs/strictServerMessage`),
};

/** @param {'client' | 'server'} side */
export const isValid = (side, message) => validators[side](message);

/** @param {'client' | 'server'} side */
export function assertValid(side, message) {
  if (validators[side](message)) return;
  // Of a oneOf every branch complains: those of the right type tell.
  const told = validators[side].errors
    .filter(({ params }) => params.allowedValue === undefined)
    .map(({ instancePath, message: why }) => `${instancePath} ${why}`);
  assert.fail(`the protocol has no ${JSON.stringify(message)} of the ${side}: ${told.join('; ')}`);
}

export class FakeWebSocket {
  static all = [];
  static get last() { return FakeWebSocket.all.at(-1); }
  static refuse = false;

  readyState = 0;
  sent = [];

  constructor(url, protocols) {
    if (FakeWebSocket.refuse) throw new Error('refused');
    this.url = url;
    this.protocols = protocols;
    FakeWebSocket.all.push(this);
  }

  send(text) {
    assert.equal(this.readyState, 1, 'sent on a socket that is not open');
    const message = JSON.parse(text);
    assertValid('client', message);
    this.sent.push(message);
  }

  close() { this.readyState = 2; }

  // What a server and a network do.
  accept() { this.readyState = 1; this.onopen({}); }
  raw(data) { this.onmessage({ data }); }
  say(message) {
    assertValid('server', message);
    this.raw(JSON.stringify(message));
  }
  drop(code = 1006) { this.readyState = 3; this.onclose({ code }); }

  /** What was sent, without pings. */
  get said() { return this.sent.filter(({ type }) => type !== 'ping'); }
  pong() { this.say({ type: 'pong', id: this.sent.findLast(({ type }) => type === 'ping').id }); }
  status(requestId, status, more = {}) { this.say({ type: 'status', requestId, status, ...more }); }
  stream(requestId, seq, content) { this.say({ type: 'stream', requestId, seq, content, done: false }); }
  done(requestId, seq, content = '', more = {}) { this.say({ type: 'stream', requestId, seq, content, done: true, finish_reason: 'stop', ...more }); }
  refused(requestId, code, retryable = false) {
    this.say({ type: 'error', requestId, code, message: code, retryable });
    this.say({ type: 'stream', requestId, content: '', done: true, finish_reason: 'error' });
  }
}

/** Time that goes on when a test says so. A timer that is started by another one runs in its turn, as in the real world. */
export class VirtualClock {
  #now = 0;
  #timers = new Set();

  setTimeout = (action, ms) => {
    const timer = { at: this.#now + ms, action };
    this.#timers.add(timer);
    return timer;
  };
  clearTimeout = (timer) => { this.#timers.delete(timer); };
  now = () => this.#now;

  get pending() { return this.#timers.size; }

  tick(ms) {
    const end = this.#now + ms;
    for (;;) {
      let next;
      for (const timer of this.#timers) if (timer.at <= end && (!next || timer.at < next.at)) next = timer;
      if (!next) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.action();
    }
    this.#now = end;
  }
}

/** Of the test that runs. */
export let clock = new VirtualClock();
export const tick = (ms) => clock.tick(ms);

/** Lets promises settle. */
export const settled = () => new Promise((resolve) => { setImmediate(resolve); });

export const EVENTS = ['state', 'latency', 'service', 'problem', 'login', 'logout', 'joined', 'left', 'message', 'presence', 'answer'];

/** A chat on fake sockets and in virtual time, from a clean start. */
export class Rig {
  random = 0.5;
  events = [];

  constructor(options = {}) {
    clock = new VirtualClock();
    FakeWebSocket.all = [];
    FakeWebSocket.refuse = false;
    this.chat = this.create(options);
  }

  create(options = {}) {
    const chat = new ChatSocket({ url: 'ws://host/ws/chat', sessionId: 's-1', WebSocket: FakeWebSocket, random: () => this.random, clock, ...options });
    for (const name of EVENTS) chat.on(name, (event) => this.events.push({ name, event }));
    return chat;
  }

  get socket() { return FakeWebSocket.last; }

  online() {
    this.chat.connect();
    this.socket.accept();
    this.events.length = 0;
    return this.socket;
  }

  /** The connection is lost and there is another one. */
  again() {
    if (this.chat.state === 'online') this.socket.drop();
    const before = FakeWebSocket.all.length;
    for (let waited = 0; FakeWebSocket.all.length === before && waited <= T.backoffMax; waited += 50) tick(50);
    assert.equal(FakeWebSocket.all.length, before + 1, 'it must connect again');
    this.socket.accept();
    return this.socket;
  }

  /** The events of that name. */
  happened(name) { return this.events.filter((event) => event.name === name).map(({ event }) => event); }
  get states() { return this.happened('state').map(({ state }) => state); }
}

/** Pieces and the end of an answer, as they come. */
export function listen(answer) {
  const heard = { pieces: [], statuses: [], ends: [] };
  answer.on('piece', ({ content }) => heard.pieces.push(content));
  answer.on('status', (event) => heard.statuses.push(event));
  answer.on('end', (result) => heard.ends.push(result));
  return heard;
}
