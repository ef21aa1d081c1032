/**
 * docs/PROTOCOL.md in memory, with scripted answers, and the page's files: for tests of the page, and for working on it.
 *
 *   node mock-server.mjs [PORT]
 */

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { scriptFor } from './mock-answers.mjs';

const WWW = fileURLToPath(new URL('../../examples-cpp/ai_chat/www', import.meta.url));
const TYPES = { '.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.mjs': 'text/javascript; charset=utf-8', '.svg': 'image/svg+xml' };
// As static_files.cc says it.
const CONTENT_SECURITY_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PIECE_LENGTH = 6;

/** An answer: its messages are kept, and go to whoever follows. */
class Answer {
  messages = [];
  followers = new Set();
  isDone = false;
  /** @type {NodeJS.Timeout | undefined} */ timer;
  text = '';

  constructor(mock, scope, requestId, question) {
    Object.assign(this, { mock, scope, requestId, question, script: scriptFor(question) });
  }

  status(status, more = {}) { this.tell({ type: 'status', requestId: this.requestId, status, ...more }); }

  tell(message) { for (const client of this.followers) client.send(message); }

  number(message) {
    const numbered = { ...message, requestId: this.requestId, seq: this.messages.length + 1 };
    this.messages.push(numbered);
    this.tell(numbered);
  }

  say(content) {
    this.text += content;
    this.number({ type: 'stream', content, done: false });
  }

  end(reason) {
    if (this.isDone) return;
    clearTimeout(this.timer);
    this.isDone = true;
    const tokens = Math.ceil(this.text.length / 4);
    const usage = reason === 'error' ? {} : { usage: { prompt_tokens: 12, completion_tokens: tokens, total_tokens: 12 + tokens } };
    this.number({ type: 'stream', content: '', done: true, finish_reason: reason, ...usage });
    this.onEnd?.(reason);
  }

  stop() {
    if (this.isDone) return;
    this.mock.stopped += 1;
    this.end('cancelled');
  }

  wait(ms, action) {
    this.timer = setTimeout(() => { if (!this.isDone) action(); }, ms);
  }

  /** Waits in the queue, then is asked. */
  begin() {
    const positions = [...(this.script.queue ?? [])];
    const next = () => {
      if (positions.length === 0) return this.think();
      this.status('queued', { position: positions.shift() });
      this.wait(400, next);
    };
    next();
  }

  think() {
    const { retryAfter, silent } = this.script;
    if (retryAfter) this.status('retrying', { retryAfter });
    this.wait((retryAfter ?? 0) * 1000, () => {
      this.status('thinking');
      if (!silent) this.wait(this.mock.thinkMs, () => this.write(0));
    });
  }

  write(from) {
    const { text, error, finish, pace = 1 } = this.script;
    if (from >= text.length) {
      if (error) this.number({ type: 'error', ...error });
      return this.end(error ? 'error' : finish ?? 'stop');
    }
    let to = from + PIECE_LENGTH;
    while (to < text.length && /[\udc00-\udfff]/.test(text[to])) to += 1;
    this.say(text.slice(from, to));
    this.wait(this.mock.pieceMs * pace, () => this.write(to));
  }
}

class Client {
  user = null;
  rooms = new Set();
  asked = new Set();

  constructor(mock, socket) {
    Object.assign(this, { mock, socket });
    socket.on('message', (data) => this.hear(data));
    socket.on('close', () => this.gone());
    this.send(mock.service());
  }

  send(message) { if (this.socket.readyState === 1) this.socket.send(JSON.stringify(message)); }

  error(code, message, more = {}) { this.send({ type: 'error', code, message, retryable: code === 'unavailable' || code === 'overloaded', ...more }); }

  hear(data) {
    let message;
    try {
      message = JSON.parse(String(data));
    } catch {
      return this.error('bad_request', 'this is not JSON');
    }
    this.mock.received.push(message);
    if (this.mock.deaf) return;
    const handler = this[`on_${message.type}`];
    if (handler) handler.call(this, message);
    else this.error('unknown_type', `there is no "${message.type}"`);
  }

  gone() {
    this.mock.clients.delete(this);
    for (const answer of this.mock.answers.values()) answer.followers.delete(this);
    for (const room of this.rooms) this.mock.left(this, room);
  }

  // ---- answers ----

  on_chat({ message, sessionId, room, requestId = `r-${Math.random()}`, regenerate = '' }) {
    const refuse = (code, text) => {
      this.error(code, text, { requestId });
      this.send({ type: 'stream', requestId, content: '', done: true, finish_reason: 'error' });
    };
    if (Buffer.byteLength(message) > 32 * 1024) return refuse('message_too_long', 'the message has more than 32768 bytes');
    if (room && !this.rooms.has(room)) return refuse('not_in_room', 'join the room first');
    if (message.includes('overloaded question')) return refuse('overloaded', 'too many answers are under way');
    const scope = room ? `room ${room}` : `session ${sessionId}`;
    const known = this.mock.answers.get(`${scope} ${requestId}`);
    if (known) return this.follow(known, 0);

    const answer = new Answer(this.mock, scope, requestId, message);
    this.mock.answers.set(`${scope} ${requestId}`, answer);
    this.asked.add(answer);
    const turns = this.mock.histories.get(scope) ?? [];
    this.mock.histories.set(scope, turns);
    if (regenerate) turns.splice(-2);
    if (room) {
      this.mock.post({ from: this.user, room, text: message, requestId });
      for (const client of this.mock.inRoom(room)) answer.followers.add(client);
      answer.onEnd = (reason) => this.mock.post({ from: null, room, text: answer.text, requestId, finish_reason: reason }, false);
    } else {
      answer.followers.add(this);
      answer.onEnd = (reason) => turns.push({ role: 'user', content: message, requestId }, { role: 'assistant', content: answer.text, finish_reason: reason });
    }
    answer.begin();
  }

  on_stop({ requestId, sessionId, room }) {
    if (requestId === undefined) return this.asked.forEach((answer) => answer.stop());
    const scope = room ? `room ${room}` : sessionId && `session ${sessionId}`;
    for (const [key, answer] of this.mock.answers) {
      if (answer.requestId === requestId && (scope ? key.startsWith(`${scope} `) : this.asked.has(answer))) answer.stop();
    }
  }

  on_resume({ requestId, sessionId, room, after = 0 }) {
    const answer = this.mock.answers.get(`${room ? `room ${room}` : `session ${sessionId}`} ${requestId}`);
    if (answer) return this.follow(answer, after);
    this.error('unknown_request', 'this answer is not kept', { requestId });
    this.send({ type: 'stream', requestId, content: '', done: true, finish_reason: 'error' });
  }

  follow(answer, after) {
    for (const message of answer.messages.slice(after)) this.send(message);
    answer.followers.add(this);
  }

  on_history({ sessionId }) {
    this.send({ type: 'history', sessionId, turns: this.mock.histories.get(`session ${sessionId}`) ?? [] });
  }

  on_ping({ id }) { this.send({ type: 'pong', id }); }

  // ---- people ----

  on_login({ user, token }) {
    const { tokens, inboxes } = this.mock;
    if (typeof user !== 'string' || !/^\S(.*\S)?$/u.test(user) || Buffer.byteLength(user) > 64) return this.error('bad_request', 'user: 1 to 64 bytes');
    if (this.user) return this.error('bad_request', 'this connection has logged in: use another one for another user');
    if ((tokens.get(user) ?? token) !== token) return this.error('wrong_token', 'this name has another token');
    tokens.set(user, token);
    this.user = user;
    const waiting = [...(inboxes.get(user) ?? new Map()).values()];
    this.send({ type: 'welcome', user, node: 'mock', unread: waiting.length });
    waiting.forEach((message) => this.send(message));
  }

  on_message({ to, room, text, id }) {
    if (!this.user) return this.error('login_required', 'say who you are first', { id });
    if (this.mock.degraded) return this.error('unavailable', 'the shared store cannot be reached', { id });
    const key = `${this.user} ${id}`;
    let sent = this.mock.sent.get(key);
    if (!sent) {
      if (to !== undefined && !this.mock.tokens.has(to)) return this.error('not_found', 'nobody of this name has ever been here', { id });
      if (room !== undefined && !this.rooms.has(room)) return this.error('not_in_room', 'join the room first', { id });
      sent = this.mock.post(room !== undefined ? { from: this.user, room, text } : { from: this.user, to, text });
      this.mock.sent.set(key, sent);
    }
    this.send({ type: 'ack', id, messageId: sent.messageId, ...(to !== undefined && { delivered: this.mock.of(to).length > 0 }) });
  }

  on_received({ messageIds }) {
    for (const id of messageIds) this.mock.inboxes.get(this.user)?.delete(id);
  }

  on_join({ room }) {
    if (!this.user) return this.error('login_required', 'say who you are first', { room });
    if (this.mock.degraded) return this.error('unavailable', 'the shared store cannot be reached', { room });
    const first = !this.mock.inRoom(room).some(({ user }) => user === this.user);
    this.rooms.add(room);
    if (first) this.mock.presence(room, this.user, true, this);
    const answers = [...this.mock.answers.values()].filter(({ scope, isDone }) => scope === `room ${room}` && !isDone);
    this.send({
      type: 'joined', room, members: [...new Set(this.mock.inRoom(room).map(({ user }) => user))],
      messages: (this.mock.roomMessages.get(room) ?? []).slice(-50), answers: answers.map(({ requestId, messages }) => ({ requestId, seq: messages.length })),
    });
    for (const answer of answers) this.follow(answer, 0);
  }

  on_leave({ room }) {
    if (this.rooms.delete(room)) this.mock.left(this, room);
    this.send({ type: 'left', room });
  }
}

export class MockServer {
  clients = new Set();
  answers = new Map();
  histories = new Map();
  tokens = new Map();
  inboxes = new Map();
  roomMessages = new Map();
  sent = new Map();
  /** Every message of every client. @type {any[]} */ received = [];
  /** Answers that were stopped before their end. */ stopped = 0;
  /** The milliseconds between pieces, and before the first. */
  pieceMs = 30;
  thinkMs = 150;
  degraded = false;
  /** Connections are refused; or heard and not answered. */
  refusing = false;
  deaf = false;
  #messages = 0;

  static async start({ port = 0, ...options } = {}) {
    const mock = Object.assign(new MockServer(), options);
    mock.http = createServer((request, response) => serve(request, response));
    mock.sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => (offered.has('wsengine-chat.v1') ? 'wsengine-chat.v1' : false) });
    mock.http.on('upgrade', (request, socket, head) => {
      if (mock.refusing || request.url !== '/ws/chat') return socket.destroy();
      mock.sockets.handleUpgrade(request, socket, head, (webSocket) => mock.clients.add(new Client(mock, webSocket)));
    });
    await new Promise((resolve) => mock.http.listen(port, '127.0.0.1', () => resolve(undefined)));
    mock.port = mock.http.address().port;
    mock.url = `http://127.0.0.1:${mock.port}/`;
    return mock;
  }

  /** The network fails: every connection breaks. */
  drop() { for (const { socket } of this.clients) socket.terminate(); }

  setDegraded(degraded) {
    this.degraded = degraded;
    for (const client of this.clients) client.send(this.service());
  }

  async stop() {
    for (const answer of this.answers.values()) clearTimeout(answer.timer);
    this.drop();
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }

  service() { return { type: 'service', node: 'mock', store: this.degraded ? 'redis' : 'memory', degraded: this.degraded }; }

  of(user) { return [...this.clients].filter((client) => client.user === user); }

  inRoom(room) { return [...this.clients].filter(({ rooms }) => rooms.has(room)); }

  presence(room, user, online, except) {
    for (const client of this.inRoom(room)) if (client !== except) client.send({ type: 'presence', room, user, online });
  }

  left(client, room) {
    client.rooms.delete(room);
    if (!this.inRoom(room).some(({ user }) => user === client.user)) this.presence(room, client.user, false);
  }

  post(message, tell = true) {
    const posted = { type: 'message', messageId: `m-${++this.#messages}`, at: Date.now(), ...message };
    if (posted.room !== undefined) {
      this.roomMessages.set(posted.room, [...(this.roomMessages.get(posted.room) ?? []), posted]);
      if (tell) this.inRoom(posted.room).forEach((client) => client.send(posted));
    } else {
      const inbox = this.inboxes.get(posted.to) ?? new Map();
      this.inboxes.set(posted.to, inbox.set(posted.messageId, posted));
      for (const client of new Set([...this.of(posted.to), ...this.of(posted.from)])) client.send(posted);
    }
    return posted;
  }
}

async function serve(request, response) {
  const path = normalize(decodeURIComponent(new URL(request.url, 'http://x').pathname)).replace(/\/$/, '/index.html');
  response.setHeader('Content-Security-Policy', CONTENT_SECURITY_POLICY);
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Cache-Control', 'no-cache');
  try {
    const body = await readFile(join(WWW, path));
    response.setHeader('Content-Type', TYPES[extname(path)] ?? 'application/octet-stream');
    response.end(body);
  } catch {
    response.statusCode = 404;
    response.end('There is nothing here.\n');
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await MockServer.start({ port: Number(process.argv[2] ?? 8080) });
  console.log(url);
}
