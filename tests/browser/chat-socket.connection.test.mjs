/** chat-socket.js: connecting, connecting again, and finding out that a connection is dead. */

import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { ChatError, backoffDelay, chatUrl, newId } from '../../examples-cpp/ai_chat/www/chat-socket.js';
import { FakeWebSocket, Rig, T, tick } from './chat-socket-harness.mjs';

let rig;
let chat;

beforeEach(() => {
  rig = new Rig();
  chat = rig.chat;
});

describe('addresses and names', () => {
  test('the socket has the host and the security of the page', () => {
    assert.equal(chatUrl({ protocol: 'http:', host: '127.0.0.1:8080' }), 'ws://127.0.0.1:8080/ws/chat');
    assert.equal(chatUrl({ protocol: 'https:', host: 'chat.example.com' }), 'wss://chat.example.com/ws/chat');
  });

  test('ids are UUIDs, without randomUUID too', () => {
    const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
    assert.match(newId(), uuid);
    const insecure = { getRandomValues: (bytes) => crypto.getRandomValues(bytes) };
    const ids = Array.from({ length: 200 }, () => newId(insecure));
    for (const id of ids) assert.match(id, uuid);
    assert.equal(new Set(ids).size, ids.length);
    assert.equal(newId({ getRandomValues: (bytes) => bytes.fill(255) }), 'ffffffff-ffff-4fff-bfff-ffffffffffff');
  });
});

describe('backoff', () => {
  test('its bound doubles up to a maximum, and the wait is anywhere below it', () => {
    for (let attempt = 0; attempt < 2_000; attempt += 1) {
      const bound = Math.min(T.backoffMax, T.backoffFirst * 2 ** attempt);
      assert.equal(backoffDelay(attempt, () => 0, T), 0);
      assert.equal(backoffDelay(attempt, () => 0.25, T), Math.round(bound / 4));
      assert.equal(backoffDelay(attempt, () => 1 - Number.EPSILON, T), bound);
    }
  });

  test('every failure waits longer; a try comes exactly when it was announced', () => {
    chat.connect();
    const waits = [];
    for (let time = 0; time < 8; time += 1) {
      const tries = FakeWebSocket.all.length;
      rig.socket.drop();
      const { retryInMs, attempt } = rig.happened('state').at(-1);
      assert.equal(attempt, time + 1);
      waits.push(retryInMs);
      tick(retryInMs - 1);
      assert.equal(FakeWebSocket.all.length, tries, 'too early');
      tick(1);
      assert.equal(FakeWebSocket.all.length, tries + 1, 'too late');
    }
    assert.deepEqual(waits, [250, 500, 1000, 2000, 4000, 7500, 7500, 7500]);
  });

  test('a server that accepts and drops at once is not hammered', () => {
    chat.connect();
    for (let time = 0; time < 4; time += 1) {
      rig.socket.accept();
      tick(T.stableAfter - 1);
      rig.socket.drop();
      tick(rig.happened('state').at(-1).retryInMs);
    }
    rig.socket.drop();
    assert.equal(rig.happened('state').at(-1).attempt, 5);
  });

  test('a connection that lasted starts from the beginning', () => {
    chat.connect();
    for (let time = 0; time < 5; time += 1) {
      rig.socket.drop();
      tick(T.backoffMax);
    }
    rig.socket.accept();
    tick(T.stableAfter);
    rig.socket.drop();
    assert.equal(rig.happened('state').at(-1).retryInMs, 250);
  });

  test('so does who disconnects and connects', () => {
    chat.connect();
    for (let time = 0; time < 5; time += 1) {
      rig.socket.drop();
      tick(T.backoffMax);
    }
    chat.disconnect();
    chat.connect();
    rig.socket.drop();
    assert.equal(rig.happened('state').at(-1).attempt, 1);
  });

  test('reconnectNow tries at once, and once', () => {
    rig.online();
    rig.socket.drop();
    chat.reconnectNow();
    chat.reconnectNow();
    assert.equal(FakeWebSocket.all.length, 2);
    tick(T.backoffFirst);
    assert.equal(FakeWebSocket.all.length, 2, 'the timer of the wait must be gone');
  });

  test('reconnectNow does nothing to a chat that is closed', () => {
    chat.reconnectNow();
    assert.equal(FakeWebSocket.all.length, 0);
  });
});

describe('connection', () => {
  test('the states of a life', () => {
    chat.connect();
    chat.connect();
    assert.equal(FakeWebSocket.all.length, 1);
    assert.equal(rig.socket.url, 'ws://host/ws/chat');
    assert.deepEqual(rig.socket.protocols, ['wsengine-chat.v1']);
    rig.socket.accept();
    rig.socket.drop();
    tick(T.backoffFirst);
    rig.socket.accept();
    chat.disconnect();
    assert.deepEqual(rig.states, ['connecting', 'online', 'waiting', 'connecting', 'online', 'closed']);
    assert.equal(chat.state, 'closed');
    assert.equal(rig.socket.readyState, 2, 'the socket must be closed');
    tick(60_000);
    assert.equal(FakeWebSocket.all.length, 2, 'closed is closed');
    chat.connect();
    assert.equal(FakeWebSocket.all.length, 3, 'until it is opened again');
  });

  test('a connection that never opens is given up', () => {
    chat.connect();
    const first = rig.socket;
    tick(T.connectTimeout);
    assert.equal(chat.state, 'waiting');
    assert.equal(first.readyState, 2);
    tick(T.backoffFirst);
    assert.equal(FakeWebSocket.all.length, 2);
    first.accept(); // far too late
    first.drop();
    assert.equal(chat.state, 'connecting');
  });

  test('a constructor that throws is a failure like any other', () => {
    FakeWebSocket.refuse = true;
    chat.connect();
    assert.equal(chat.state, 'waiting');
    FakeWebSocket.refuse = false;
    tick(T.backoffFirst);
    assert.equal(chat.state, 'connecting');
  });

  test('a listener can be taken away', () => {
    let heard = 0;
    const off = chat.on('state', () => { heard += 1; });
    chat.connect();
    off();
    rig.socket.accept();
    assert.equal(heard, 1);
  });

  for (const state of ['connecting', 'online', 'waiting']) {
    test(`a listener may disconnect when it hears "${state}"`, () => {
      chat.on('state', (event) => event.state === state && chat.disconnect());
      chat.connect();
      if (state !== 'connecting') rig.socket.accept();
      if (state === 'waiting') rig.socket.drop();
      assert.equal(chat.state, 'closed');
      assert.equal(rig.states.at(-1), 'closed');
      const sockets = FakeWebSocket.all.length;
      tick(60_000);
      assert.equal(FakeWebSocket.all.length, sockets);
    });
  }

  test('so may one that hears what happens to an answer when the connection comes and goes', () => {
    const asked = chat.ask('x');
    const off = asked.on('status', () => chat.disconnect());
    chat.connect();
    rig.socket.accept();
    assert.deepEqual(rig.states, ['connecting', 'closed']);
    off();
    rig.online();
    asked.on('end', () => chat.disconnect());
    rig.socket.drop(1009);
    assert.deepEqual(rig.states, ['closed']);
  });

  test('the server says what it is', () => {
    rig.online().say({ type: 'service', node: 'n-1', store: 'redis', degraded: false });
    assert.deepEqual(chat.service, { node: 'n-1', store: 'redis', degraded: false });
    rig.socket.say({ type: 'service', node: 'n-1', store: 'redis', degraded: true });
    assert.deepEqual(rig.happened('service').map(({ degraded }) => degraded), [false, true]);
  });
});

describe('ping', () => {
  test('measures the way there and back', () => {
    const socket = rig.online();
    assert.deepEqual(socket.sent, [{ type: 'ping', id: 1 }]);
    assert.equal(chat.latency, null);
    tick(37);
    socket.pong();
    assert.deepEqual(rig.happened('latency'), [{ ms: 37 }]);
    tick(T.pingInterval - 37);
    assert.deepEqual(socket.sent.at(-1), { type: 'ping', id: 2 });
    tick(5);
    socket.pong();
    assert.equal(chat.latency, 5);
    tick(3);
    socket.say({ type: 'pong', id: 1 });
    assert.equal(chat.latency, 5, 'a late pong of an earlier ping measures nothing');
  });

  test('a connection on which nothing comes any more is lost', () => {
    const socket = rig.online();
    socket.pong();
    tick(T.pingInterval + T.pongTimeout - 1);
    assert.equal(chat.state, 'online');
    tick(1);
    assert.equal(chat.state, 'waiting');
    assert.equal(socket.readyState, 2);
  });

  test('another ping gives a dead connection no more time', () => {
    const socket = rig.online();
    const answer = chat.ask('x');
    tick(T.pongTimeout - 1);
    answer.stop();
    assert.deepEqual(socket.sent.at(-1), { type: 'ping', id: 2 });
    tick(1);
    assert.equal(chat.state, 'waiting');
  });

  test('whatever comes is a sign of life', () => {
    const socket = rig.online();
    for (let time = 0; time < 10; time += 1) {
      tick(T.pongTimeout - 1);
      if (chat.state !== 'online') break;
      socket.stream('nobody', time + 1, 'x');
    }
    assert.equal(chat.state, 'online');
  });

  test('reconnectNow looks whether an open connection is alive, at once', () => {
    const socket = rig.online();
    socket.pong();
    chat.reconnectNow();
    tick(T.pongTimeout - 1);
    chat.reconnectNow();
    assert.equal(socket.sent.length, 2, 'one ping is enough');
    tick(1);
    assert.equal(chat.state, 'waiting');
  });
});

describe('what the server sends', () => {
  for (const [what, data] of [
    ['no JSON', '{"type":"str'],
    ['no object', '42'],
    ['null', 'null'],
    ['no text', new ArrayBuffer(3)],
    ['no type', '{}'],
  ]) {
    test(`nonsense is reported: ${what}`, () => {
      rig.online().raw(data);
      const [problem] = rig.happened('problem');
      assert.ok(problem instanceof ChatError);
      assert.equal(problem.code, 'bad_reply');
      assert.equal(chat.state, 'online');
    });
  }

  test('types that are not known are from a newer server, and fine', () => {
    rig.online().raw('{"type":"weather","sun":true}');
    assert.deepEqual(rig.events, []);
  });

  test('an error that belongs to nothing is a problem', () => {
    rig.online().say({ type: 'error', code: 'bad_request', message: 'no', retryable: false });
    assert.deepEqual(rig.happened('problem').map(({ code, message, retryable }) => [code, message, retryable]), [['bad_request', 'no', false]]);
  });

  test('a listener that throws is reported, and disturbs nobody', async () => {
    const uncaught = new Promise((resolve) => { process.once('uncaughtException', resolve); });
    const others = process.listeners('uncaughtException').slice(0, -1);
    for (const listener of others) process.off('uncaughtException', listener);
    chat.on('state', ({ state }) => { if (state === 'connecting') throw new Error('mine'); });
    chat.on('state', () => { chat.disconnect(); });
    chat.connect();
    assert.equal((await uncaught).message, 'mine');
    for (const listener of others) process.on('uncaughtException', listener);
    assert.equal(chat.state, 'closed');
  });
});

describe('pace', () => {
  test('the server is not sent more than it takes in a second, and gets all of it', () => {
    const said = () => rig.socket.sent.length;
    chat = rig.create({ maxPerSecond: 10 });
    for (let time = 0; time < 25; time += 1) chat.ask(`question ${time}`);
    chat.connect();
    rig.socket.accept();
    assert.equal(said(), 10);
    tick(999);
    assert.equal(said(), 10);
    tick(1);
    assert.equal(said(), 20);
    tick(1000);
    assert.equal(said(), 26, 'all of them, and the ping');
    assert.deepEqual(rig.socket.said.map(({ message }) => message), Array.from({ length: 25 }, (_, time) => `question ${time}`));
  });

  test('"too fast" says everything again, later', () => {
    const socket = rig.online();
    const answer = chat.ask('x');
    socket.say({ type: 'error', code: 'too_fast', message: '', retryable: true });
    assert.equal(chat.state, 'waiting');
    rig.again();
    assert.deepEqual(rig.socket.said.map(({ type, requestId }) => [type, requestId]), [['chat', answer.requestId]]);
  });
});
