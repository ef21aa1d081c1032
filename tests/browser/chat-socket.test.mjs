/** chat-socket.js alone: a fake WebSocket, fake timers, no browser. */

import assert from 'node:assert/strict';
import { beforeEach, describe, mock, test } from 'node:test';
import { ChatSocket, DEFAULT_TIMING, backoffDelay, chatUrl, newSessionId } from '../../examples-cpp/ai_chat/www/chat-socket.js';

class FakeWebSocket {
  static all = [];
  static get last() { return FakeWebSocket.all.at(-1); }
  static refuse = false;

  readyState = 0;
  sent = [];

  constructor(url) {
    if (FakeWebSocket.refuse) throw new Error('refused');
    this.url = url;
    FakeWebSocket.all.push(this);
  }

  send(text) {
    assert.equal(this.readyState, 1, 'sent on a socket that is not open');
    this.sent.push(JSON.parse(text));
  }

  close() { this.readyState = 2; }

  // What a server and a network do.
  accept() { this.readyState = 1; this.onopen({}); }
  say(message) { this.onmessage({ data: typeof message === 'string' ? message : JSON.stringify(message) }); }
  stream(content, done = false) { this.say({ type: 'stream', content, done }); }
  drop() { this.readyState = 3; this.onclose({}); }
}

const T = DEFAULT_TIMING;
let random;
let chat;
let events;

function create(options = {}) {
  const socket = new ChatSocket({ url: 'ws://host/ws/chat', sessionId: 's-1', WebSocket: FakeWebSocket, random: () => random, ...options });
  for (const name of ['state', 'token', 'problem', 'end']) socket.on(name, (event) => events.push({ name, ...event }));
  return socket;
}

function online() {
  chat.open();
  FakeWebSocket.last.accept();
  events.length = 0;
}

const happened = (...names) => events.filter(({ name }) => names.includes(name));
const states = () => happened('state').map(({ state }) => state);
const ends = () => happened('end').map(({ reason }) => reason);
const tokens = () => happened('token').map(({ content }) => content);

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout'] });
  FakeWebSocket.all = [];
  FakeWebSocket.refuse = false;
  random = 0.5;
  events = [];
  chat = create();
});

describe('addresses and names', () => {
  test('the socket has the host and the security of the page', () => {
    assert.equal(chatUrl({ protocol: 'http:', host: '127.0.0.1:8080' }), 'ws://127.0.0.1:8080/ws/chat');
    assert.equal(chatUrl({ protocol: 'https:', host: 'chat.example.com' }), 'wss://chat.example.com/ws/chat');
  });

  test('session ids are UUIDs, without randomUUID too', () => {
    const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
    assert.match(newSessionId(), uuid);
    const insecure = { getRandomValues: (bytes) => crypto.getRandomValues(bytes) };
    const ids = Array.from({ length: 200 }, () => newSessionId(insecure));
    for (const id of ids) assert.match(id, uuid);
    assert.equal(new Set(ids).size, ids.length);
    assert.equal(newSessionId({ getRandomValues: (bytes) => bytes.fill(255) }), 'ffffffff-ffff-4fff-bfff-ffffffffffff');
  });
});

describe('backoff', () => {
  test('doubles, stays in the upper half, and is bounded', () => {
    for (let attempt = 0; attempt < 2_000; attempt += 1) {
      const bound = Math.min(T.backoffMax, T.backoffFirst * 2 ** attempt);
      assert.equal(backoffDelay(attempt, () => 0), Math.round(bound / 2));
      assert.ok(backoffDelay(attempt, () => 1 - Number.EPSILON) <= bound);
      const delay = backoffDelay(attempt, Math.random);
      assert.ok(delay >= bound / 2 - 1 && delay <= bound, `${delay} ms for try ${attempt}`);
    }
  });

  test('every failure waits longer; a try comes exactly when it was announced', () => {
    chat.open();
    const waits = [];
    for (let time = 0; time < 8; time += 1) {
      const tries = FakeWebSocket.all.length;
      FakeWebSocket.last.drop();
      const { retryInMs, attempt } = events.at(-1);
      assert.equal(attempt, time + 1);
      waits.push(retryInMs);
      mock.timers.tick(retryInMs - 1);
      assert.equal(FakeWebSocket.all.length, tries, 'too early');
      mock.timers.tick(1);
      assert.equal(FakeWebSocket.all.length, tries + 1, 'too late');
    }
    assert.deepEqual(waits, [375, 750, 1500, 3000, 6000, 11250, 11250, 11250]);
  });

  test('a server that accepts and drops at once is not hammered', () => {
    chat.open();
    for (let time = 0; time < 4; time += 1) {
      FakeWebSocket.last.accept();
      mock.timers.tick(T.stableAfter - 1);
      FakeWebSocket.last.drop();
      mock.timers.tick(events.at(-1).retryInMs);
    }
    FakeWebSocket.last.drop();
    assert.equal(events.at(-1).attempt, 5);
  });

  test('a connection that lasted starts from the beginning', () => {
    chat.open();
    for (let time = 0; time < 5; time += 1) {
      FakeWebSocket.last.drop();
      mock.timers.tick(T.backoffMax);
    }
    FakeWebSocket.last.accept();
    mock.timers.tick(T.stableAfter);
    FakeWebSocket.last.drop();
    assert.equal(events.at(-1).retryInMs, 375);
  });

  test('reconnectNow tries at once, and once', () => {
    online();
    FakeWebSocket.last.drop();
    chat.reconnectNow();
    chat.reconnectNow();
    assert.equal(FakeWebSocket.all.length, 2);
    mock.timers.tick(T.backoffFirst);
    assert.equal(FakeWebSocket.all.length, 2, 'the timer of the wait must be gone');
    FakeWebSocket.last.accept();
    chat.reconnectNow();
    assert.equal(FakeWebSocket.all.length, 2, 'nothing to do while online');
  });
});

describe('connection', () => {
  test('the states of a life', () => {
    chat.open();
    chat.open();
    assert.equal(FakeWebSocket.all.length, 1);
    assert.equal(FakeWebSocket.last.url, 'ws://host/ws/chat');
    FakeWebSocket.last.accept();
    FakeWebSocket.last.drop();
    mock.timers.tick(T.backoffFirst);
    FakeWebSocket.last.accept();
    chat.close();
    assert.deepEqual(states(), ['connecting', 'online', 'waiting', 'connecting', 'online', 'closed']);
    assert.equal(chat.state, 'closed');
    assert.equal(FakeWebSocket.last.readyState, 2, 'the socket must be closed');
    mock.timers.tick(60_000);
    assert.equal(FakeWebSocket.all.length, 2, 'closed is closed');
    chat.open();
    assert.equal(FakeWebSocket.all.length, 3, 'until it is opened again');
  });

  test('a connection that never opens is given up', () => {
    chat.open();
    const first = FakeWebSocket.last;
    mock.timers.tick(T.connectTimeout);
    assert.equal(chat.state, 'waiting');
    assert.equal(first.readyState, 2);
    mock.timers.tick(T.backoffFirst);
    assert.equal(FakeWebSocket.all.length, 2);
    first.accept(); // far too late
    first.drop();
    assert.equal(chat.state, 'connecting');
  });

  test('a constructor that throws is a failure like any other', () => {
    FakeWebSocket.refuse = true;
    chat.open();
    assert.equal(chat.state, 'waiting');
    FakeWebSocket.refuse = false;
    mock.timers.tick(T.backoffFirst);
    assert.equal(chat.state, 'connecting');
  });

  test('a listener can be taken away', () => {
    let heard = 0;
    const off = chat.on('state', () => { heard += 1; });
    chat.open();
    off();
    FakeWebSocket.last.accept();
    assert.equal(heard, 1);
  });
});

describe('sending', () => {
  test('a message goes out with the session, and its answer comes in', () => {
    online();
    assert.deepEqual(chat.send('Hello'), { ok: true });
    assert.equal(chat.answering, true);
    assert.deepEqual(FakeWebSocket.last.sent, [{ type: 'chat', sessionId: 's-1', message: 'Hello' }]);
    FakeWebSocket.last.stream('Hi');
    FakeWebSocket.last.stream(' there');
    FakeWebSocket.last.stream('!', true);
    assert.deepEqual(tokens(), ['Hi', ' there', '!']);
    assert.deepEqual(ends(), ['done']);
    assert.equal(chat.answering, false);
  });

  test('nothing is queued: what cannot be sent is refused', () => {
    assert.deepEqual(chat.send('x'), { ok: false, reason: 'offline' });
    chat.open();
    assert.deepEqual(chat.send('x'), { ok: false, reason: 'offline' });
    FakeWebSocket.last.accept();
    assert.deepEqual(chat.send(' \n'), { ok: false, reason: 'empty' });
    FakeWebSocket.last.readyState = 2; // closing, and not said yet
    assert.deepEqual(chat.send('x'), { ok: false, reason: 'offline' });
    FakeWebSocket.last.readyState = 1;
    chat.send('one');
    assert.deepEqual(chat.send('two'), { ok: false, reason: 'busy' });
    FakeWebSocket.last.drop();
    mock.timers.tick(T.backoffFirst);
    FakeWebSocket.last.accept();
    assert.deepEqual(FakeWebSocket.last.sent, []);
  });

  test('another session is used from the next message on', () => {
    online();
    chat.startSession('s-2');
    chat.send('x');
    assert.equal(FakeWebSocket.last.sent[0].sessionId, 's-2');
  });
});

describe('stopping', () => {
  test('no token follows; the server confirms', () => {
    online();
    assert.equal(chat.stop(), false, 'nothing to stop');
    chat.send('x');
    FakeWebSocket.last.stream('a');
    assert.equal(chat.stop(), true);
    assert.equal(chat.stop(), false, 'once');
    assert.deepEqual(FakeWebSocket.last.sent.at(-1), { type: 'stop' });
    FakeWebSocket.last.stream('b');
    assert.deepEqual(tokens(), ['a']);
    assert.deepEqual(chat.send('y'), { ok: false, reason: 'busy' });
    FakeWebSocket.last.stream('', true);
    assert.deepEqual(ends(), ['stopped']);
    assert.deepEqual(chat.send('y'), { ok: true });
    mock.timers.tick(T.stopTimeout);
    assert.equal(chat.state, 'online', 'the timer of the stop must be gone');
  });

  test('a stop that is never confirmed means that the connection is dead', () => {
    online();
    chat.send('x');
    chat.stop();
    mock.timers.tick(T.stopTimeout);
    assert.deepEqual(ends(), ['stopped']);
    assert.equal(chat.state, 'waiting');
    assert.equal(FakeWebSocket.last.readyState, 2);
  });

  test('an error that crosses the stop is not shown', () => {
    online();
    chat.send('x');
    chat.stop();
    FakeWebSocket.last.say({ type: 'error', code: 'upstream_protocol', message: 'cut' });
    FakeWebSocket.last.stream('', true);
    assert.deepEqual(happened('problem'), []);
    assert.deepEqual(ends(), ['stopped']);
  });
});

describe('what goes wrong', () => {
  test('an error, then done: the answer failed', () => {
    online();
    chat.send('x');
    FakeWebSocket.last.stream('half');
    FakeWebSocket.last.say({ type: 'error', code: 'upstream_timeout', message: 'too slow' });
    FakeWebSocket.last.stream('late');
    FakeWebSocket.last.stream('', true);
    assert.deepEqual(events.map(({ name, ...rest }) => [name, rest]), [
      ['token', { content: 'half' }],
      ['problem', { code: 'upstream_timeout', message: 'too slow' }],
      ['end', { reason: 'failed' }],
    ]);
  });

  test('an error without done ends the answer too, a little later', () => {
    online();
    chat.send('x');
    FakeWebSocket.last.say({ type: 'error', code: 'bad_request', message: '' });
    mock.timers.tick(T.errorGrace - 1);
    assert.equal(chat.answering, true);
    mock.timers.tick(1);
    assert.deepEqual(ends(), ['failed']);
    FakeWebSocket.last.stream('', true); // very late
    assert.deepEqual(ends(), ['failed']);
  });

  test('a lost connection interrupts the answer', () => {
    online();
    chat.send('x');
    FakeWebSocket.last.stream('half');
    FakeWebSocket.last.drop();
    assert.deepEqual(ends(), ['interrupted']);
    assert.equal(chat.state, 'waiting');
  });

  test('closing interrupts the answer, and nothing more arrives', () => {
    online();
    chat.send('x');
    const socket = FakeWebSocket.last;
    chat.close();
    socket.stream('late', true);
    socket.drop();
    assert.deepEqual(tokens(), []);
    assert.deepEqual(ends(), ['interrupted']);
    assert.equal(chat.state, 'closed');
  });

  for (const [what, data] of [
    ['no JSON', '{"type":"str'],
    ['no object', '42'],
    ['null', 'null'],
    ['no text', new ArrayBuffer(3)],
    ['a stream without content', '{"type":"stream","done":false}'],
    ['an error without a code', '{"type":"error"}'],
  ]) {
    test(`nonsense from the server is reported once: ${what}`, () => {
      online();
      chat.send('x');
      FakeWebSocket.last.onmessage({ data });
      FakeWebSocket.last.onmessage({ data });
      assert.deepEqual(happened('problem'), [{ name: 'problem', code: 'bad_reply', message: '' }]);
      mock.timers.tick(T.errorGrace);
      assert.deepEqual(ends(), ['failed']);
    });
  }

  test('unknown types and unknown fields are from a newer server, and fine', () => {
    online();
    chat.send('x');
    FakeWebSocket.last.say({ type: 'usage', tokens: 3 });
    FakeWebSocket.last.say({ type: 'stream', content: 'a', done: false, seq: 1, requestId: 'r' });
    FakeWebSocket.last.say({ type: 'stream', content: '', done: true, finish_reason: 'stop', usage: {} });
    assert.deepEqual(happened('problem'), []);
    assert.deepEqual(tokens(), ['a']);
    assert.deepEqual(ends(), ['done']);
  });

  test('a stream that nobody asked for is ignored', () => {
    online();
    FakeWebSocket.last.stream('ghost', true);
    assert.deepEqual(events, []);
  });

  test('a listener may send at once when an answer ends, and when the connection opens', () => {
    online();
    chat.send('one');
    const off = chat.on('end', () => { off(); assert.deepEqual(chat.send('two'), { ok: true }); });
    FakeWebSocket.last.stream('', true);
    assert.equal(chat.answering, true);
    FakeWebSocket.last.stream('', true);
    FakeWebSocket.last.drop();
    chat.on('state', ({ state }) => state === 'online' && assert.deepEqual(chat.send('three'), { ok: true }));
    mock.timers.tick(T.backoffFirst);
    FakeWebSocket.last.accept();
    assert.deepEqual(FakeWebSocket.last.sent.map(({ message }) => message), ['three']);
  });
});
