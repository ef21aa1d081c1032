/** chat-socket.js: asking, what comes back, and stopping. */

import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { ChatError } from '../../examples-cpp/ai_chat/www/chat-socket.js';
import { FakeWebSocket, Rig, T, listen, settled, tick } from './chat-socket-harness.mjs';

const USAGE = { prompt_tokens: 9, completion_tokens: 21, total_tokens: 30 };

let rig;
let chat;

beforeEach(() => {
  rig = new Rig();
  chat = rig.chat;
});

describe('asking', () => {
  test('a question goes out with its session and an id, and its answer comes in', async () => {
    const socket = rig.online();
    const answer = chat.ask('Hello');
    const { requestId } = answer;
    const heard = listen(answer);
    assert.deepEqual(socket.said, [{ type: 'chat', requestId, sessionId: 's-1', message: 'Hello' }]);
    assert.deepEqual([answer.sessionId, answer.room, answer.message, answer.isOwn, answer.isDone], ['s-1', undefined, 'Hello', true, false]);
    assert.deepEqual(chat.answers, [answer]);

    socket.status(requestId, 'thinking');
    socket.stream(requestId, 1, 'Hi');
    socket.stream(requestId, 2, ' there');
    assert.equal(answer.text, 'Hi there');
    socket.done(requestId, 3, '!', { usage: USAGE });

    assert.deepEqual(heard.pieces, ['Hi', ' there', '!']);
    assert.deepEqual(heard.statuses.map(({ status }) => status), ['thinking', 'streaming', 'done']);
    assert.deepEqual(heard.ends, [{ text: 'Hi there!', finishReason: 'stop', usage: USAGE, error: null }]);
    assert.equal(await answer.result, heard.ends[0]);
    assert.deepEqual(chat.answers, []);
    assert.equal(answer.isDone, true);
  });

  test('other sessions, rooms, and the last question once more', () => {
    const socket = rig.online();
    chat.ask('a', { sessionId: 's-2', requestId: 'r-1' });
    chat.ask('b', { room: 'den', requestId: 'r-2' });
    chat.ask('c', { regenerate: 'r-2', requestId: 'r-3' });
    assert.deepEqual(socket.said, [
      { type: 'chat', requestId: 'r-1', sessionId: 's-2', message: 'a' },
      { type: 'chat', requestId: 'r-2', room: 'den', message: 'b' },
      { type: 'chat', requestId: 'r-3', sessionId: 's-1', message: 'c', regenerate: 'r-2' },
    ]);
  });

  test('asking twice with one id asks once', () => {
    const socket = rig.online();
    assert.equal(chat.ask('x', { requestId: 'r' }), chat.ask('x', { requestId: 'r' }));
    assert.equal(socket.said.length, 1);
  });

  test('a question needs a text, and a session or a room', () => {
    assert.throws(() => chat.ask(''), TypeError);
    assert.throws(() => rig.create({ sessionId: undefined }).ask('x'), TypeError);
  });

  test('several answers at once keep apart', async () => {
    const socket = rig.online();
    const answers = ['a', 'b', 'c'].map((message) => chat.ask(message));
    for (const seq of [1, 2]) {
      for (const { requestId, message } of answers) socket.stream(requestId, seq, `${message}${seq} `);
    }
    for (const { requestId } of [...answers].reverse()) socket.done(requestId, 3);
    assert.deepEqual((await Promise.all(answers.map(({ result }) => result))).map(({ text }) => text), ['a1 a2 ', 'b1 b2 ', 'c1 c2 ']);
  });

  test('its place in the queue, and that the model is asked again', () => {
    const socket = rig.online();
    const answer = chat.ask('x');
    const heard = listen(answer);
    assert.equal(answer.status, 'asked');
    socket.status(answer.requestId, 'queued', { position: 2 });
    socket.status(answer.requestId, 'queued', { position: 1 });
    socket.status(answer.requestId, 'retrying', { retryAfter: 1.5 });
    socket.raw(JSON.stringify({ type: 'status', requestId: answer.requestId, status: 'pondering' })); // of a newer server
    socket.stream(answer.requestId, 1, 'a');
    socket.status(answer.requestId, 'thinking');
    assert.deepEqual(heard.statuses, [
      { status: 'queued', position: 2 },
      { status: 'queued', position: 1 },
      { status: 'retrying', retryAfter: 1.5 },
      { status: 'streaming' },
    ]);
  });

  test('what belongs to nobody is ignored', () => {
    const socket = rig.online();
    socket.done('ghost', 1, 'boo');
    const answer = chat.ask('x');
    socket.done(answer.requestId, 1, 'a');
    socket.done(answer.requestId, 1, 'a');
    socket.say({ type: 'error', requestId: answer.requestId, code: 'overloaded', message: '', retryable: true });
    assert.deepEqual(rig.events, []);
  });

  test('a listener may ask at once when an answer ends, and when the connection opens', () => {
    const socket = rig.online();
    const one = chat.ask('one');
    one.on('end', () => chat.ask('two'));
    socket.done(one.requestId, 1, 'a');
    assert.deepEqual(socket.said.map(({ message }) => message), ['one', 'two']);
    chat.on('state', ({ state }) => state === 'online' && chat.ask('three'));
    rig.again();
    assert.deepEqual(rig.socket.said.map(({ message }) => message), ['two', 'three']);
  });
});

describe('reading piece by piece', () => {
  test('every reader gets all of it, and the end', async () => {
    const socket = rig.online();
    const answer = chat.ask('x');
    const read = async () => {
      const pieces = [];
      for await (const piece of answer) pieces.push(piece);
      return pieces;
    };
    const first = read();
    socket.stream(answer.requestId, 1, 'a');
    await settled();
    socket.stream(answer.requestId, 2, 'b');
    socket.stream(answer.requestId, 3, 'c');
    await settled();
    const second = read();
    await settled();
    socket.done(answer.requestId, 4, 'd');
    assert.deepEqual(await first, ['a', 'bc', 'd']);
    assert.deepEqual(await second, ['abc', 'd']);
    assert.deepEqual(await read(), ['abcd'], 'also when it is over');
  });

  test('from some place on', async () => {
    const socket = rig.online();
    const answer = chat.ask('x');
    socket.stream(answer.requestId, 1, 'abc');
    const rest = answer.pieces(answer.text.length).next();
    socket.done(answer.requestId, 2, 'def');
    assert.equal((await rest).value, 'def');
  });

  test('a reader that leaves hears nothing any more', async () => {
    const socket = rig.online();
    const answer = chat.ask('x');
    socket.stream(answer.requestId, 1, 'a');
    for await (const piece of answer) {
      assert.equal(piece, 'a');
      break;
    }
    socket.done(answer.requestId, 2, 'b');
    assert.equal((await answer.result).text, 'ab');
  });
});

describe('stopping', () => {
  test('the server is told which, once; what the model had said still comes', async () => {
    const socket = rig.online();
    const answer = chat.ask('x');
    const { requestId } = answer;
    socket.stream(requestId, 1, 'a');
    assert.equal(answer.stop(), true);
    assert.equal(answer.stop(), false, 'once');
    assert.equal(answer.isStopping, true);
    assert.deepEqual(socket.said.slice(1), [{ type: 'stop', requestId, sessionId: 's-1' }]);
    socket.stream(requestId, 2, 'b');
    socket.done(requestId, 3, '', { finish_reason: 'cancelled' });
    assert.deepEqual(await answer.result, { text: 'ab', finishReason: 'cancelled', usage: null, error: null });
    assert.equal(answer.isStopping, false);
    assert.equal(answer.stop(), false, 'nothing to stop');
    tick(T.stopTimeout);
    assert.equal(answer.text, 'ab');
  });

  test('of several, only that one', () => {
    const socket = rig.online();
    const [one, two] = [chat.ask('1'), chat.ask('2')];
    one.stop();
    socket.done(one.requestId, 1, '', { finish_reason: 'cancelled' });
    assert.deepEqual([one.isDone, two.isDone], [true, false]);
    socket.done(two.requestId, 1, 'b');
    assert.equal(two.text, 'b');
  });

  test('a question that was never sent is not sent at all', async () => {
    const answer = chat.ask('x');
    assert.equal(answer.status, 'waiting');
    assert.equal(answer.stop(), true);
    assert.equal((await answer.result).finishReason, 'cancelled');
    assert.deepEqual(rig.online().said, []);
    assert.equal(chat.waiting, 0);
  });

  test('without a connection it happens at the next one, and without asking again', async () => {
    const socket = rig.online();
    const known = chat.ask('known');
    socket.stream(known.requestId, 1, 'a');
    const unknown = chat.ask('unknown');
    socket.drop();
    known.stop();
    unknown.stop();
    tick(T.stopTimeout);
    assert.equal(known.isDone, false, 'the time of a stop begins when it is sent');
    const next = rig.again();
    assert.deepEqual(next.said.map(({ type, requestId, after }) => [type, requestId, after]), [
      ['resume', known.requestId, 1],
      ['stop', known.requestId, undefined],
      ['resume', unknown.requestId, 0],
      ['stop', unknown.requestId, undefined],
    ]);
    next.done(known.requestId, 2, 'b', { finish_reason: 'cancelled' });
    next.refused(unknown.requestId, 'unknown_request');
    assert.deepEqual(await known.result, { text: 'ab', finishReason: 'cancelled', usage: null, error: null });
    assert.deepEqual(await unknown.result, { text: '', finishReason: 'cancelled', usage: null, error: null });
  });

  test('a question on its way when it is stopped and the connection is lost is not asked again', () => {
    rig.online();
    const answer = chat.ask('x');
    answer.stop();
    assert.deepEqual(rig.socket.said.map(({ type }) => type), ['chat', 'stop']);
    rig.again();
    assert.deepEqual(rig.socket.said.map(({ type }) => type), ['resume', 'stop']);
  });

  test('a dead connection is found out, and the stop said on the next', () => {
    rig.online().pong();
    const answer = chat.ask('x');
    rig.socket.stream(answer.requestId, 1, 'a');
    answer.stop();
    tick(T.pongTimeout);
    assert.equal(chat.state, 'waiting');
    assert.equal(rig.again().said.at(-1).type, 'stop');
  });

  test('a server that does not end it is not waited for', async () => {
    const socket = rig.online();
    const answer = chat.ask('x');
    answer.stop();
    socket.pong();
    tick(T.stopTimeout - 1);
    assert.equal(answer.isDone, false);
    tick(1);
    assert.equal((await answer.result).finishReason, 'cancelled');
    assert.equal(chat.state, 'online');
  });

  test('without a connection nobody is waited for in vain, and nothing is given up', () => {
    const socket = rig.online();
    const answer = chat.ask('x');
    answer.stop();
    socket.pong();
    chat.disconnect();
    tick(T.stopTimeout);
    assert.equal(answer.isDone, false);
    assert.equal(chat.state, 'closed');
  });

  test('an error that crosses the stop is none', async () => {
    const socket = rig.online();
    const answer = chat.ask('x');
    answer.stop();
    socket.say({ type: 'error', requestId: answer.requestId, seq: 1, code: 'upstream_protocol', message: 'cut', retryable: true });
    socket.done(answer.requestId, 2, '', { finish_reason: 'error' });
    assert.deepEqual(await answer.result, { text: '', finishReason: 'cancelled', usage: null, error: null });
  });
});

describe('what goes wrong', () => {
  test('an error, then done: the answer failed, and what came is there', async () => {
    const socket = rig.online();
    const answer = chat.ask('x');
    const { requestId } = answer;
    socket.stream(requestId, 1, 'half');
    socket.say({ type: 'error', requestId, seq: 2, code: 'upstream_timeout', message: 'too slow', retryable: true });
    assert.equal(answer.isDone, false);
    socket.done(requestId, 3, '', { finish_reason: 'error' });
    const { text, finishReason, error } = await answer.result;
    assert.deepEqual([text, finishReason], ['half', 'error']);
    assert.ok(error instanceof ChatError);
    assert.deepEqual([error.code, error.message, error.retryable], ['upstream_timeout', 'too slow', true]);
  });

  test('a question that is refused', async () => {
    const socket = rig.online();
    const answer = chat.ask('x');
    const heard = listen(answer);
    socket.refused(answer.requestId, 'overloaded', true);
    const { error, finishReason } = await answer.result;
    assert.deepEqual([error.code, error.retryable, finishReason], ['overloaded', true, 'error']);
    assert.equal(heard.ends.length, 1);
    assert.deepEqual(rig.happened('problem'), []);
  });

  for (const [what, message] of [
    ['a stream without content', { type: 'stream', seq: 1, done: false }],
    ['a stream that does not say whether it is the last', { type: 'stream', seq: 1, content: 'a' }],
    ['a seq that is no number', { type: 'stream', seq: '1', content: 'a', done: false }],
    ['a seq that cannot be', { type: 'stream', seq: 0, content: 'a', done: false }],
    ['an end that is no part of the answer', { type: 'stream', content: '', done: true }],
    ['an error with a seq that cannot be', { type: 'error', seq: -1, code: 'x', message: '', retryable: false }],
  ]) {
    test(`nonsense ends the answer: ${what}`, async () => {
      const socket = rig.online();
      const answer = chat.ask('x');
      socket.raw(JSON.stringify({ requestId: answer.requestId, ...message }));
      assert.equal((await answer.result).error?.code, 'bad_reply');
    });
  }

  test('fields that are not known are from a newer server, and fine', async () => {
    const socket = rig.online();
    const answer = chat.ask('x');
    socket.raw(JSON.stringify({ type: 'stream', requestId: answer.requestId, seq: 1, content: 'a', done: true, finish_reason: 'stop', mood: 'good' }));
    assert.deepEqual(await answer.result, { text: 'a', finishReason: 'stop', usage: null, error: null });
  });

  test('a server that is about to end begins no answers: the next one gets the question', async () => {
    const socket = rig.online();
    const [running, late] = [chat.ask('running'), chat.ask('late')];
    const heard = listen(late);
    socket.stream(running.requestId, 1, 'a');
    socket.refused(late.requestId, 'shutting_down', true);
    assert.equal(chat.state, 'online', 'the other answer comes to its end');
    assert.deepEqual(heard.statuses, [{ status: 'waiting' }]);
    socket.done(running.requestId, 2, 'b');
    assert.equal(socket.said.length, 2);
    socket.drop(1001);
    const next = rig.again();
    assert.deepEqual(next.said.map(({ type, requestId }) => [type, requestId]), [['chat', late.requestId]]);
    next.done(late.requestId, 1, 'c');
    assert.equal((await late.result).text, 'c');
  });

  test('with nothing else under way the next server is looked for at once', () => {
    const socket = rig.online();
    const answer = chat.ask('x');
    socket.status(answer.requestId, 'queued', { position: 1 });
    socket.refused(answer.requestId, 'shutting_down', true);
    assert.equal(chat.state, 'waiting');
    assert.deepEqual(rig.again().said.map(({ type, requestId }) => [type, requestId]), [['chat', answer.requestId]]);
  });

  test('closing ends everything, and nothing more arrives', async () => {
    const socket = rig.online();
    const [one, two] = [chat.ask('1'), chat.ask('2')];
    socket.stream(one.requestId, 1, 'a');
    chat.close();
    socket.stream(one.requestId, 2, 'late');
    socket.drop();
    assert.deepEqual([(await one.result).error.code, (await one.result).text], ['closed', 'a']);
    assert.equal((await two.result).error.code, 'closed');
    assert.equal(chat.state, 'closed');
    assert.equal(chat.waiting, 0);
    tick(60 * 60_000);
    assert.equal(FakeWebSocket.all.length, 1);
    chat.connect();
    rig.socket.accept();
    assert.deepEqual(rig.socket.said, [], 'it begins anew');
  });
});

describe('statistics', () => {
  test('time to the first piece, and tokens a second', () => {
    const socket = rig.online();
    const answer = chat.ask('x');
    const { requestId } = answer;
    assert.deepEqual(answer.stats, { firstPieceMs: null, durationMs: 0, pieces: 0, tokensPerSecond: null });
    tick(300);
    socket.stream(requestId, 1, 'a');
    assert.deepEqual(answer.stats, { firstPieceMs: 300, durationMs: 300, pieces: 1, tokensPerSecond: null });
    tick(500);
    socket.stream(requestId, 2, 'b');
    tick(500);
    socket.stream(requestId, 3, 'c');
    assert.equal(answer.stats.tokensPerSecond, 2);
    socket.done(requestId, 4, '', { usage: USAGE });
    assert.deepEqual(answer.stats, { firstPieceMs: 300, durationMs: 1300, pieces: 3, tokensPerSecond: 20 });
  });

  test('the time in which a question waits for a connection does not count', () => {
    const answer = chat.ask('x');
    tick(5_000);
    rig.online();
    tick(100);
    rig.socket.stream(answer.requestId, 1, 'a');
    assert.equal(answer.stats.firstPieceMs, 100);
  });

  test('the time until it is sent again does', () => {
    rig.online();
    const answer = chat.ask('x');
    tick(100);
    rig.again();
    rig.socket.stream(answer.requestId, 1, 'a');
    assert.equal(answer.stats.firstPieceMs, 100 + 250);
  });
});
