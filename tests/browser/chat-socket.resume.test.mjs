/** chat-socket.js: answers that go on after a lost connection and in another page, and what waits for a connection. */

import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { FakeWebSocket, Rig, T, clock, listen, settled, tick } from './chat-socket-harness.mjs';

let rig;
let chat;

beforeEach(() => {
  rig = new Rig();
  chat = rig.chat;
});

/** The answer, and what a page would have kept of it. */
function interrupted(pieces) {
  const socket = rig.online();
  const answer = chat.ask('x', { requestId: 'r' });
  pieces.forEach((piece, index) => socket.stream('r', index + 1, piece));
  return answer;
}

describe('after a lost connection', () => {
  test('it goes on behind the last message that came', async () => {
    const answer = interrupted(['a', 'b']);
    const next = rig.again();
    assert.deepEqual(next.said, [{ type: 'resume', requestId: 'r', sessionId: 's-1', after: 2 }]);
    assert.equal(answer.isDone, false);
    next.stream('r', 3, 'c');
    next.done('r', 4, 'd');
    assert.equal((await answer.result).text, 'abcd');
  });

  test('the server is told which text it is, in another page too', () => {
    rig.online();
    const answer = chat.ask('x', { requestId: 'r' });
    rig.socket.say({ type: 'stream', requestId: 'r', seq: 1, content: 'a', done: false, answerId: 'id-1' });
    rig.socket.say({ type: 'stream', requestId: 'r', seq: 2, content: 'b', done: false, answerId: 'no' });
    const resume = { type: 'resume', requestId: 'r', sessionId: 's-1', after: 2, answerId: 'id-1' };
    assert.deepEqual(rig.again().said, [resume]);
    const page = new Rig();
    const socket = page.online();
    page.chat.continue(JSON.parse(JSON.stringify(answer)));
    assert.deepEqual(socket.said, [resume]);
  });

  test('what comes twice is dropped', () => {
    const answer = interrupted(['a', 'b']);
    const heard = listen(answer);
    const next = rig.again();
    for (const [seq, piece] of [[1, 'a'], [2, 'b'], [3, 'c'], [3, 'c'], [2, 'b']]) next.stream('r', seq, piece);
    next.done('r', 4, 'd');
    assert.deepEqual(heard.pieces, ['c', 'd']);
    assert.equal(answer.text, 'abcd');
  });

  test('an error that comes twice is one, and the end behind it counts', async () => {
    const answer = interrupted(['a']);
    const error = { type: 'error', requestId: 'r', seq: 2, code: 'node_lost', message: '', retryable: true };
    rig.socket.say(error);
    const next = rig.again();
    assert.equal(next.said[0].after, 2);
    next.say(error);
    next.done('r', 3, '', { finish_reason: 'error' });
    assert.equal((await answer.result).error.code, 'node_lost');
  });

  test('a question that may not have arrived is asked again, with its id', () => {
    rig.online();
    chat.ask('x', { requestId: 'r', regenerate: 'q' });
    const next = rig.again();
    assert.deepEqual(next.said, [{ type: 'chat', requestId: 'r', sessionId: 's-1', message: 'x', regenerate: 'q' }]);
    next.status('r', 'thinking');
    assert.equal(rig.again().said[0].type, 'resume', 'the server knows it now');
  });

  test('a gap: what is missing is asked for, once, and what is ahead of it waits for its turn', () => {
    const answer = interrupted(['a']);
    const { socket } = rig;
    socket.stream('r', 3, 'c');
    socket.stream('r', 4, 'd');
    assert.deepEqual(socket.said.slice(1), [{ type: 'resume', requestId: 'r', sessionId: 's-1', after: 1 }]);
    assert.equal(answer.text, 'a');
    for (const [seq, piece] of [[2, 'b'], [3, 'c'], [4, 'd']]) socket.stream('r', seq, piece);
    assert.equal(answer.text, 'abcd');
    socket.done('r', 6);
    assert.equal(socket.said.at(-1).after, 4, 'the next gap is another one');
  });

  test('a server that leaves gaps for ever is left', () => {
    interrupted([]);
    const { socket } = rig;
    let seq = 1;
    for (let time = 0; time < 20 && chat.state === 'online'; time += 1) {
      socket.stream('r', seq + 1, 'x');
      socket.stream('r', seq, 'y');
      seq += 1;
    }
    assert.equal(chat.state, 'waiting');
    assert.ok(socket.said.length < 10, `${socket.said.length} resumes`);
    const next = rig.again();
    next.stream('r', seq + 1, 'x');
    assert.equal(chat.state, 'online', 'the next one has its chance');
  });

  test('a gap whose filling is lost with the connection is none on the next', () => {
    const answer = interrupted(['a']);
    rig.socket.stream('r', 3, 'c');
    const next = rig.again();
    assert.deepEqual(next.said.map(({ after }) => after), [1]);
    next.stream('r', 3, 'c');
    assert.deepEqual(next.said.map(({ after }) => after), [1, 1], 'a gap again: asked for again');
    next.stream('r', 2, 'b');
    next.stream('r', 3, 'c');
    assert.equal(answer.text, 'abc');
  });

  test('disconnect and connect do the same, and nothing arrives between', async () => {
    const answer = interrupted(['a']);
    const { socket } = rig;
    chat.disconnect();
    socket.stream('r', 2, 'late');
    assert.equal(answer.text, 'a');
    assert.equal(answer.isDone, false);
    chat.connect();
    rig.socket.accept();
    assert.deepEqual(rig.socket.said.map(({ after }) => after), [1]);
    rig.socket.done('r', 2, 'b');
    assert.equal((await answer.result).text, 'ab');
  });

  test('an answer that is not kept any more is taken from the history', async () => {
    const answer = interrupted(['Hello']);
    const heard = listen(answer);
    const next = rig.again();
    next.refused('r', 'unknown_request');
    assert.equal(answer.isDone, false);
    assert.deepEqual(next.said.at(-1), { type: 'history', sessionId: 's-1' });
    next.say({
      type: 'history',
      sessionId: 's-1',
      turns: [
        { role: 'user', content: 'w', requestId: 'q' }, { role: 'assistant', content: 'other', finish_reason: 'stop' },
        { role: 'user', content: 'x', requestId: 'r' }, { role: 'assistant', content: 'Hello world', finish_reason: 'length' },
      ],
    });
    assert.deepEqual(await answer.result, { text: 'Hello world', finishReason: 'length', usage: null, error: null });
    assert.deepEqual(heard.pieces, [' world']);
  });

  test('of a history that kept something else than is here, nothing is taken', async () => {
    const answer = interrupted(['Hello']);
    const next = rig.again();
    next.refused('r', 'unknown_request');
    next.say({
      type: 'history',
      sessionId: 's-1',
      turns: [{ role: 'user', content: 'x', requestId: 'r' }, { role: 'assistant', content: 'Hell […]', finish_reason: 'error' }],
    });
    const { text, error } = await answer.result;
    assert.deepEqual([text, error.code], ['Hello', 'answer_failed']);
  });

  for (const [what, reply] of [
    ['does not have it', { type: 'history', sessionId: 's-1', turns: [{ role: 'user', content: 'w', requestId: 'q' }] }],
    ['is refused', { type: 'error', code: 'unavailable', message: '', retryable: true }],
  ]) {
    test(`and when the history ${what}, it is unknown`, async () => {
      const answer = interrupted(['a']);
      rig.again();
      rig.socket.refused('r', 'unknown_request');
      assert.deepEqual(rig.again().said, [{ type: 'history', sessionId: 's-1' }], 'also on another connection');
      rig.socket.say(reply);
      const { text, finishReason, error } = await answer.result;
      assert.deepEqual([text, finishReason, error.code], ['a', 'error', 'unknown_request']);
    });
  }
});

describe('in another page', () => {
  /** Through JSON, to a chat that knows nothing. */
  function reload(answer) {
    const state = JSON.parse(JSON.stringify(answer));
    chat.disconnect();
    chat = rig.chat = rig.create({ sessionId: 's-other' });
    return chat.continue(state);
  }

  test('it goes on where it was', async () => {
    const answer = reload(interrupted(['a', 'b']));
    const heard = listen(answer);
    assert.deepEqual([answer.text, answer.message, answer.sessionId, answer.isOwn], ['ab', 'x', 's-1', true]);
    rig.online();
    assert.deepEqual(rig.socket.said, [{ type: 'resume', requestId: 'r', sessionId: 's-1', after: 2 }]);
    rig.socket.done('r', 3, 'c', { usage: { prompt_tokens: 1, completion_tokens: 3, total_tokens: 4 } });
    assert.equal((await answer.result).text, 'abc');
    assert.deepEqual(heard.pieces, ['c']);
    assert.equal(answer.stats.firstPieceMs, null, 'nobody here has seen its beginning');
  });

  test('piece by piece it is all of the text', async () => {
    const answer = reload(interrupted(['a', 'b']));
    rig.online();
    rig.socket.done('r', 3, 'c');
    const pieces = [];
    for await (const piece of answer) pieces.push(piece);
    assert.equal(pieces.join(''), 'abc');
  });

  test('a question that may not have arrived is asked', () => {
    reload(interrupted([]));
    assert.deepEqual(rig.online().said, [{ type: 'chat', requestId: 'r', sessionId: 's-1', message: 'x' }]);
  });

  test('one that is over is over', async () => {
    const before = interrupted(['a']);
    rig.socket.say({ type: 'error', requestId: 'r', seq: 2, code: 'upstream_status', message: 'no', retryable: false });
    rig.socket.done('r', 3, '', { finish_reason: 'error' });
    const answer = reload(before);
    assert.equal(answer.isDone, true);
    const { error, ...result } = await answer.result;
    assert.deepEqual(result, { text: 'a', finishReason: 'error', usage: null });
    assert.deepEqual(error.toJSON(), { code: 'upstream_status', message: 'no', retryable: false });
    assert.deepEqual(rig.online().said, []);
  });

  test('an error that came already is still there at the end', async () => {
    const before = interrupted(['a']);
    rig.socket.say({ type: 'error', requestId: 'r', seq: 2, code: 'upstream_status', message: 'no', retryable: false });
    const answer = reload(before);
    rig.online().done('r', 3, '', { finish_reason: 'error' });
    assert.equal((await answer.result).error.code, 'upstream_status');
  });

  test('one that was being stopped is stopped, and not asked again', () => {
    const before = interrupted([]);
    before.stop();
    const answer = reload(before);
    assert.equal(answer.isStopping, true);
    assert.deepEqual(rig.online().said.map(({ type }) => type), ['resume', 'stop']);
  });

  test('a question that another page has sent may have arrived: stopping it says so to the server', () => {
    const answer = reload(interrupted([]));
    answer.stop();
    assert.equal(answer.isDone, false);
    assert.deepEqual(rig.online().said.map(({ type }) => type), ['resume', 'stop']);
  });

  test('one of a room is resumed there', () => {
    rig.online();
    reload(chat.ask('x', { room: 'den', requestId: 'r' }));
    assert.deepEqual(rig.online().said, [{ type: 'chat', requestId: 'r', room: 'den', message: 'x' }]);
  });

  test('twice is once', () => {
    const answer = interrupted(['a']);
    assert.equal(chat.continue(answer.toJSON()), answer);
  });
});

describe('what waits for a connection', () => {
  test('is sent in its order, when there is one', async () => {
    const one = chat.ask('one');
    const note = chat.message({ to: 'bob', text: 'two', id: 'm-2' });
    const three = chat.ask('three');
    assert.equal(chat.waiting, 3);
    assert.deepEqual([one.status, three.status], ['waiting', 'waiting']);
    const socket = rig.online();
    assert.deepEqual(socket.said, [
      { type: 'chat', requestId: one.requestId, sessionId: 's-1', message: 'one' },
      { type: 'message', to: 'bob', text: 'two', id: 'm-2' },
      { type: 'chat', requestId: three.requestId, sessionId: 's-1', message: 'three' },
    ]);
    assert.equal(one.status, 'asked');
    socket.say({ type: 'ack', id: 'm-2', messageId: '17', delivered: true });
    assert.deepEqual(await note, { id: 'm-2', messageId: '17', delivered: true });
  });

  test('until it is confirmed it is sent again, with the same ids', async () => {
    rig.online();
    const note = chat.message({ room: 'den', text: 'x' });
    const answer = chat.ask('y');
    const first = rig.socket.said;
    assert.deepEqual(rig.again().said, first);
    rig.socket.say({ type: 'ack', id: first[0].id, messageId: '1' });
    rig.socket.status(answer.requestId, 'thinking');
    await note;
    assert.equal(chat.waiting, 0);
    assert.deepEqual(rig.again().said.map(({ type }) => type), ['resume']);
  });

  test('resumes go before it', () => {
    interrupted(['a']);
    rig.socket.drop();
    const answer = chat.ask('later');
    assert.deepEqual(rig.again().said.map(({ requestId }) => requestId), ['r', answer.requestId]);
  });

  test('a socket that is closing takes nothing, and nothing is lost', () => {
    rig.online();
    rig.socket.readyState = 2;
    const answer = chat.ask('x');
    assert.deepEqual(rig.socket.said, []);
    assert.deepEqual(rig.again().said.map(({ requestId }) => requestId), [answer.requestId]);
  });

  test('there is an end to how much', async () => {
    chat = rig.create({ maxQueue: 2 });
    const kept = [chat.ask('1'), chat.ask('2')];
    const { error } = await chat.ask('3').result;
    assert.deepEqual([error.code, error.retryable], ['queue_full', true]);
    await assert.rejects(chat.message({ to: 'bob', text: 'x' }), { code: 'queue_full' });
    chat.connect();
    rig.socket.accept();
    assert.deepEqual(rig.socket.said.map(({ requestId }) => requestId), kept.map(({ requestId }) => requestId));
  });

  test('and to how long', async () => {
    const answer = chat.ask('x');
    const note = assert.rejects(chat.message({ to: 'bob', text: 'x' }), { code: 'expired', retryable: true });
    tick(T.queueTtl - 1);
    assert.equal(answer.isDone, false);
    tick(1);
    assert.equal((await answer.result).error.code, 'expired');
    await note;
    assert.deepEqual(rig.online().said, []);
  });

  test('what was confirmed leaves no timer behind', () => {
    rig.online().pong();
    const before = clock.pending;
    const answer = chat.ask('x');
    rig.socket.done(answer.requestId, 1, 'a');
    assert.equal(clock.pending, before);
  });

  test('what was confirmed does not expire', () => {
    const answer = interrupted(['a']);
    chat.disconnect();
    tick(T.queueTtl);
    assert.equal(answer.isDone, false);
  });

  test('a question of more than one WebSocket message is refused here', async () => {
    const socket = rig.online();
    const { error } = await chat.ask('é'.repeat(600_000)).result;
    assert.deepEqual([error.code, error.retryable], ['message_too_long', false]);
    assert.deepEqual(socket.said, []);
  });

  test('a server that takes less does not get it again and again', async () => {
    const socket = rig.online();
    const answer = chat.ask('x');
    socket.drop(1009);
    assert.equal((await answer.result).error.code, 'message_too_long');
    assert.deepEqual(rig.again().said, []);
  });
});

describe('history', () => {
  test('of any session; one call at a time', async () => {
    const mine = chat.history();
    const other = chat.history('s-2');
    const socket = rig.online();
    assert.deepEqual(socket.said, [{ type: 'history', sessionId: 's-1' }]);
    socket.say({ type: 'history', sessionId: 's-1', turns: [] });
    assert.deepEqual(await mine, []);
    assert.deepEqual(socket.said.at(-1), { type: 'history', sessionId: 's-2' });
    const turns = [{ role: 'user', content: 'a', requestId: 'r' }, { role: 'assistant', content: 'b', finish_reason: 'stop' }];
    socket.say({ type: 'history', sessionId: 's-2', turns });
    assert.deepEqual(await other, turns);
  });

  test('is asked for again on another connection, and refused by the error that names nothing', async () => {
    rig.online();
    const turns = chat.history();
    rig.again();
    assert.deepEqual(rig.socket.said, [{ type: 'history', sessionId: 's-1' }]);
    rig.socket.say({ type: 'error', code: 'unavailable', message: 'no store', retryable: true });
    await assert.rejects(turns, { name: 'ChatError', code: 'unavailable', retryable: true });
    assert.deepEqual(rig.happened('problem'), []);
  });

  test('a server that does not reply is not waited for', async () => {
    rig.online().pong();
    const first = assert.rejects(chat.history(), { code: 'timeout', retryable: true });
    const second = chat.history('s-2');
    tick(T.replyTimeout);
    await first;
    assert.deepEqual(rig.socket.said.at(-1), { type: 'history', sessionId: 's-2' }, 'the next one has its turn');
    chat.close();
    await assert.rejects(second, { code: 'closed' });
  });
});

test('after close no timer runs', async () => {
  interrupted(['a']).stop();
  chat.ask('y');
  chat.message({ to: 'bob', text: 'x' }).catch(() => {});
  chat.history().catch(() => {});
  rig.socket.drop();
  assert.ok(clock.pending > 0);
  chat.close();
  await settled();
  assert.equal(clock.pending, 0);
  assert.equal(FakeWebSocket.all.length, 1);
});
