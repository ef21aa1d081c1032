/** chat-socket.js: logging in, rooms, and messages between people. */

import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { FakeWebSocket, Rig, T, clock, listen, settled, tick } from './chat-socket-harness.mjs';

const TOKEN = '0123456789abcdef';
const LOGIN = { type: 'login', user: 'ann', token: TOKEN };

let rig;
let chat;

beforeEach(() => {
  rig = new Rig();
  chat = rig.chat;
});

const welcome = (user = 'ann', unread = 0) => rig.socket.say({ type: 'welcome', user, node: 'n-1', unread });
const refuse = (code, retryable = false) => rig.socket.say({ type: 'error', code, message: code, retryable });
const joined = (room, more = {}) => rig.socket.say({ type: 'joined', room, members: ['ann'], messages: [], answers: [], ...more });
const post = (messageId, more = {}) => ({ messageId, from: 'bob', room: 'den', text: `text of ${messageId}`, at: 1000, ...more });
const direct = (messageId, more = {}) => ({ type: 'message', messageId, from: 'bob', to: 'ann', text: 'hi', at: 1000, ...more });

async function loggedIn() {
  rig.online();
  const login = chat.login('ann', TOKEN);
  welcome();
  await login;
  return rig.socket;
}

async function inRoom(room = 'den', more = {}) {
  await loggedIn();
  const join = chat.join(room);
  joined(room, more);
  rig.events.length = 0;
  return join;
}

describe('login', () => {
  test('says who it is', async () => {
    const login = chat.login('ann', TOKEN);
    assert.equal(chat.user, null);
    assert.deepEqual(rig.online().said, [LOGIN]);
    welcome('ann', 2);
    assert.deepEqual(await login, { user: 'ann', node: 'n-1', unread: 2 });
    assert.equal(chat.user, 'ann');
    assert.deepEqual(rig.happened('login'), [{ user: 'ann', node: 'n-1', unread: 2 }]);
    rig.socket.pong();
    tick(T.replyTimeout);
    assert.equal(chat.state, 'online', 'nobody waits for the reply any more');
  });

  test('goes before what does not need it to be first', () => {
    chat.history();
    chat.login('ann', TOKEN);
    rig.online();
    welcome();
    assert.deepEqual(rig.socket.said.map(({ type }) => type), ['login', 'history']);
  });

  test('refused, it is forgotten', async () => {
    rig.online();
    const login = chat.login('ann', TOKEN);
    refuse('wrong_token');
    await assert.rejects(login, { code: 'wrong_token' });
    assert.equal(chat.user, null);
    assert.deepEqual(rig.again().said, []);
    assert.deepEqual(rig.happened('problem'), []);
  });

  test('again on every connection, and what needs it waits for it', async () => {
    await loggedIn();
    rig.socket.drop();
    const answer = chat.ask('x');
    chat.message({ to: 'bob', text: 'y' });
    rig.again();
    assert.deepEqual(rig.socket.said, [LOGIN]);
    welcome();
    assert.deepEqual(rig.socket.said.map(({ type }) => type), ['login', 'chat', 'message']);
    assert.equal(rig.happened('login').length, 2);
    rig.socket.done(answer.requestId, 1, 'a');
  });

  test('under way when the connection is lost, it is said again, once', async () => {
    rig.online();
    const login = chat.login('ann', TOKEN);
    assert.deepEqual(rig.again().said, [LOGIN]);
    welcome();
    assert.equal((await login).user, 'ann');
    assert.deepEqual(rig.socket.said, [LOGIN]);
  });

  test('not let in again: that is told, and everything else goes on', async () => {
    await loggedIn();
    rig.again();
    const answer = chat.ask('x');
    refuse('wrong_token');
    assert.deepEqual(rig.happened('logout').map(({ error }) => error.code), ['wrong_token']);
    assert.equal(chat.user, null);
    assert.deepEqual(rig.socket.said.map(({ requestId }) => requestId), [undefined, answer.requestId]);
  });

  test('not let in for now: tried again, later and when the store is back', async () => {
    await loggedIn();
    rig.again();
    const note = chat.message({ to: 'bob', text: 'y' });
    refuse('unavailable', true);
    assert.deepEqual(rig.socket.said.map(({ type }) => type), ['login'], 'a direct message needs it');
    tick(T.restoreRetry);
    assert.deepEqual(rig.socket.said.map(({ type }) => type), ['login', 'login']);
    refuse('unavailable', true);
    rig.socket.say({ type: 'service', node: 'n-1', store: 'redis', degraded: true });
    assert.equal(rig.socket.said.length, 2);
    rig.socket.say({ type: 'service', node: 'n-1', store: 'redis', degraded: false });
    assert.equal(rig.socket.said.length, 3);
    welcome();
    rig.socket.say({ type: 'ack', id: rig.socket.said.at(-1).id, messageId: '1', delivered: false });
    assert.equal((await note).delivered, false);
    assert.deepEqual(rig.happened('logout'), []);
  });

  test('and the rooms wait for that', async () => {
    await inRoom();
    rig.again();
    refuse('unavailable', true);
    assert.deepEqual(rig.socket.said, [LOGIN], 'who is nobody may not join');
    tick(T.restoreRetry);
    welcome();
    assert.deepEqual(rig.socket.said, [LOGIN, LOGIN, { type: 'join', room: 'den' }]);
    joined('den');
    assert.deepEqual(chat.rooms, ['den']);
  });

  test('not let in again, the rooms are lost too', async () => {
    await inRoom();
    rig.again();
    refuse('wrong_token');
    assert.deepEqual(rig.happened('left').map(({ room, error }) => [room, error.code]), [['den', 'wrong_token']]);
    assert.deepEqual(chat.rooms, []);
  });

  test('a server that does not reply is not waited for; nobody knows who is logged in, so there is another connection', async () => {
    rig.online().pong();
    const login = assert.rejects(chat.login('ann', TOKEN), { code: 'timeout' });
    const answer = chat.ask('x');
    assert.deepEqual(rig.socket.said, [LOGIN]);
    tick(T.replyTimeout);
    await login;
    assert.equal(chat.state, 'waiting');
    assert.deepEqual(rig.again().said.map(({ requestId }) => requestId), [answer.requestId]);
  });

  test('one that does not reply to a login again is asked on the next connection', async () => {
    await loggedIn();
    rig.again().pong();
    tick(T.replyTimeout);
    assert.equal(chat.state, 'waiting');
    assert.deepEqual(rig.again().said, [LOGIN]);
    assert.deepEqual(rig.happened('logout'), []);
  });

  test('logging out forgets who it was and the rooms; answers go on', async () => {
    await inRoom();
    const answer = chat.ask('x', { requestId: 'r' });
    rig.socket.stream('r', 1, 'a');
    chat.logout();
    assert.deepEqual([chat.user, chat.rooms], [null, []]);
    rig.socket.accept();
    assert.deepEqual(rig.socket.said, [{ type: 'resume', requestId: 'r', sessionId: 's-1', after: 1 }]);
    const login = chat.login('bob', TOKEN);
    welcome('bob');
    assert.equal((await login).user, 'bob');
    rig.socket.done('r', 2, 'b');
    assert.equal(answer.text, 'ab');
  });

  test('logging out without a connection makes none', () => {
    chat.logout();
    assert.equal(FakeWebSocket.all.length, 0);
  });

  test('logging out takes back what would log in or join again', async () => {
    await inRoom();
    rig.again();
    const other = assert.rejects(chat.join('cellar'), { code: 'closed' });
    chat.logout();
    await other;
    rig.socket.accept();
    assert.deepEqual(rig.socket.said, []);
    assert.deepEqual([rig.happened('logout'), rig.happened('left')], [[], []]);
  });

  test('as somebody else it is on another connection, out of the rooms; answers go on', async () => {
    await inRoom();
    const first = rig.socket;
    const answer = chat.ask('x', { requestId: 'r' });
    first.stream('r', 1, 'a');
    rig.events.length = 0;
    const login = chat.login('bob', TOKEN);
    assert.equal(first.readyState, 2, 'a connection belongs to one user');
    assert.equal(chat.user, 'ann', 'until the server has agreed');
    rig.socket.accept();
    assert.deepEqual(rig.socket.said, [{ ...LOGIN, user: 'bob' }]);
    welcome('bob');
    assert.equal((await login).user, 'bob');
    assert.deepEqual([chat.user, chat.rooms, rig.happened('left')], ['bob', [], [{ room: 'den', error: null }]]);
    assert.deepEqual(rig.socket.said.slice(1), [{ type: 'resume', requestId: 'r', sessionId: 's-1', after: 1 }]);
    rig.socket.done('r', 2, 'b');
    assert.equal(answer.text, 'ab');
    rig.again();
    assert.deepEqual(rig.socket.said, [{ ...LOGIN, user: 'bob' }]);
  });

  test('as somebody else, refused: one is who one was, where one was', async () => {
    await inRoom();
    const login = assert.rejects(chat.login('bob', TOKEN), { code: 'wrong_token' });
    rig.socket.accept();
    refuse('wrong_token');
    await login;
    assert.deepEqual(rig.socket.said, [{ ...LOGIN, user: 'bob' }, LOGIN]);
    welcome();
    assert.deepEqual(rig.socket.said.at(-1), { type: 'join', room: 'den' });
    joined('den');
    assert.deepEqual([chat.user, chat.rooms, rig.happened('left'), rig.happened('logout')], ['ann', ['den'], [], []]);
  });

  test('as somebody else while one is logged in again, or without a connection', async () => {
    await loggedIn();
    rig.again();
    const login = chat.login('bob', TOKEN);
    rig.socket.accept();
    welcome('bob');
    assert.equal((await login).user, 'bob');
    assert.deepEqual(rig.socket.said, [{ ...LOGIN, user: 'bob' }]);
    rig.socket.drop();
    const again = chat.login('carol', TOKEN);
    rig.again();
    welcome('carol');
    assert.equal((await again).user, 'carol');
    assert.deepEqual(rig.socket.said, [{ ...LOGIN, user: 'carol' }]);
  });

  test('what waits to be sent is not said by somebody else', async () => {
    await loggedIn();
    const note = assert.rejects(chat.message({ to: 'carol', text: 'y' }), { code: 'closed', retryable: true });
    chat.login('bob', TOKEN);
    rig.socket.accept();
    welcome('bob');
    await note;
    assert.deepEqual(rig.socket.said, [{ ...LOGIN, user: 'bob' }]);
  });

  test('where a proxy says who it is, nobody logs in as somebody else', async () => {
    const socket = rig.online();
    welcome('carol');
    const login = assert.rejects(chat.login('bob', TOKEN), { code: 'bad_request' });
    refuse('bad_request');
    await login;
    assert.deepEqual([rig.socket, chat.user], [socket, 'carol']);
    const early = assert.rejects(chat.login('bob', TOKEN), { code: 'bad_request' });
    rig.again();
    welcome('carol');
    refuse('bad_request');
    await early;
    assert.equal(chat.user, 'carol');
  });

  test('a proxy that says who it is needs no token, and is waited for again', async () => {
    rig.online();
    welcome('carol');
    assert.equal(chat.user, 'carol');
    const join = chat.join('den');
    joined('den');
    await join;
    rig.again();
    assert.deepEqual(rig.socket.said, []);
    welcome('carol');
    assert.deepEqual(rig.socket.said, [{ type: 'join', room: 'den' }]);
  });
});

describe('rooms', () => {
  test('joining tells who is there, what was said, and what is being answered', async () => {
    await loggedIn();
    const question = post('m-2', { requestId: 'r', text: 'why?' });
    const join = chat.join('den');
    assert.deepEqual(rig.socket.said.at(-1), { type: 'join', room: 'den' });
    joined('den', { members: ['ann', 'bob'], messages: [post('m-1'), question], answers: [{ requestId: 'r', seq: 2 }] });
    const room = await join;
    assert.deepEqual([room.members, room.messages, chat.rooms], [['ann', 'bob'], [post('m-1'), question], ['den']]);
    assert.deepEqual(rig.happened('message'), [], 'what was there before is no news');
    assert.deepEqual(rig.happened('joined').map(({ again }) => again), [false]);

    const [answer] = room.answers;
    assert.deepEqual([answer.requestId, answer.room, answer.message, answer.isOwn], ['r', 'den', 'why?', false]);
    assert.deepEqual(rig.happened('answer'), [{ answer }]);
    rig.socket.stream('r', 1, 'a');
    rig.socket.stream('r', 2, 'b');
    rig.socket.done('r', 3, 'c');
    assert.equal((await answer.result).text, 'abc');
  });

  test('refused, it is forgotten', async () => {
    await loggedIn();
    const join = chat.join('den');
    refuse('unavailable', true);
    await assert.rejects(join, { code: 'unavailable' });
    assert.deepEqual(chat.rooms, []);
    assert.deepEqual(rig.happened('left'), []);
  });

  test('a question and a message behind a join wait for it', async () => {
    await loggedIn();
    chat.join('den');
    chat.ask('x', { room: 'den' });
    chat.message({ room: 'den', text: 'y' });
    assert.deepEqual(rig.socket.said.map(({ type }) => type), ['login', 'join']);
    joined('den');
    assert.deepEqual(rig.socket.said.map(({ type }) => type), ['login', 'join', 'chat', 'message']);
  });

  test('joined again after a lost connection, before resumes; what was missed comes as messages, once', async () => {
    await inRoom('den', { messages: [post('m-1')] });
    rig.socket.say({ type: 'message', ...post('m-2') });
    const mine = chat.ask('x', { room: 'den', requestId: 'r' });
    rig.socket.stream('r', 1, 'a');
    rig.events.length = 0;
    rig.again();
    welcome();
    assert.deepEqual(rig.socket.said, [LOGIN, { type: 'join', room: 'den' }]);
    joined('den', { members: ['ann', 'eve'], messages: [post('m-1'), post('m-2'), post('m-3')], answers: [{ requestId: 'r', seq: 2 }] });
    assert.deepEqual(rig.socket.said.at(-1), { type: 'resume', requestId: 'r', room: 'den', after: 1 });
    assert.deepEqual(rig.happened('message').map(({ messageId }) => messageId), ['m-3']);
    const [again] = rig.happened('joined');
    assert.deepEqual([again.again, again.members, again.answers], [true, ['ann', 'eve'], [mine]]);
    assert.deepEqual(rig.happened('answer'), [], 'it is known already');
    // The server sends it from its beginning, too.
    for (const [seq, piece] of [[1, 'a'], [2, 'b']]) rig.socket.stream('r', seq, piece);
    rig.socket.done('r', 3, 'c');
    assert.equal((await mine.result).text, 'abc');
  });

  test('once a connection, also when one is lost before it has replied', async () => {
    await inRoom();
    rig.again();
    rig.again();
    welcome();
    rig.again();
    welcome();
    joined('den');
    assert.deepEqual(rig.socket.said, [LOGIN, { type: 'join', room: 'den' }]);
  });

  test('an answer that ended meanwhile is taken from the messages', async () => {
    await inRoom('den', { answers: [{ requestId: 'r', seq: 1 }] });
    const [answer] = chat.answers;
    rig.socket.stream('r', 1, 'a');
    rig.again();
    welcome();
    joined('den', { messages: [post('m-9', { from: null, requestId: 'r', text: 'abc', finish_reason: 'stop' })] });
    assert.deepEqual(await answer.result, { text: 'abc', finishReason: 'stop', usage: null, error: null });
    assert.deepEqual(rig.socket.said.map(({ type }) => type), ['login', 'join'], 'nothing to resume');
  });

  test('one that is still running is not taken from there, whatever an older message says', async () => {
    await inRoom('den', { answers: [{ requestId: 'r', seq: 1 }] });
    const [answer] = chat.answers;
    rig.again();
    welcome();
    joined('den', { messages: [post('m-9', { from: null, requestId: 'r', text: 'old', finish_reason: 'stop' })], answers: [{ requestId: 'r', seq: 0 }] });
    rig.socket.done('r', 1, 'new');
    assert.equal(answer.text, 'new');
  });

  test('one that is over here does not begin again', async () => {
    await inRoom('den', { answers: [{ requestId: 'r', seq: 1 }] });
    rig.socket.done('r', 1, 'a');
    rig.again();
    welcome();
    joined('den', { answers: [{ requestId: 'r', seq: 1 }] });
    assert.deepEqual([rig.happened('answer'), chat.answers], [[], []]);
  });

  test("another's question is a message and an answer; anybody may stop it", async () => {
    await inRoom();
    rig.socket.say({ type: 'message', ...post('m-1', { requestId: 'r', text: 'why?' }) });
    assert.deepEqual(rig.happened('message').map(({ text }) => text), ['why?']);
    const [{ answer }] = rig.happened('answer');
    const heard = listen(answer);
    rig.socket.stream('r', 1, 'a');
    answer.stop();
    assert.deepEqual(rig.socket.said.at(-1), { type: 'stop', requestId: 'r', room: 'den' });
    rig.socket.done('r', 2, '', { finish_reason: 'cancelled' });
    assert.deepEqual(heard.pieces, ['a']);
    assert.equal(heard.ends[0].finishReason, 'cancelled');
    assert.equal(answer.stats.firstPieceMs, null, 'nobody knows here when it was asked');
  });

  test('an answer that overtakes its question is fetched from its beginning', async () => {
    await inRoom();
    rig.socket.stream('r', 1, 'a');
    rig.socket.done('r', 2, 'b');
    rig.socket.say({ type: 'message', ...post('m-1', { requestId: 'r' }) });
    assert.deepEqual(rig.socket.said.at(-1), { type: 'resume', requestId: 'r', room: 'den', after: 0 });
    const [{ answer }] = rig.happened('answer');
    rig.socket.stream('r', 1, 'a');
    rig.socket.done('r', 2, 'b');
    assert.equal((await answer.result).text, 'ab');
  });

  test('the own question comes back as a message, and is no other answer', async () => {
    await inRoom();
    const answer = chat.ask('x', { room: 'den', requestId: 'r' });
    rig.socket.say({ type: 'message', ...post('m-1', { from: 'ann', requestId: 'r', text: 'x' }) });
    assert.deepEqual(rig.happened('answer'), []);
    rig.socket.done('r', 1, 'a');
    rig.socket.say({ type: 'message', ...post('m-2', { from: null, requestId: 'r', text: 'a', finish_reason: 'stop' }) });
    assert.deepEqual(chat.answers, []);
    assert.equal(answer.text, 'a');
  });

  test('not let in again for now: answers there wait; for good: they fail, and that is told', async () => {
    await inRoom();
    const answer = chat.ask('x', { room: 'den', requestId: 'r' });
    rig.socket.stream('r', 1, 'a');
    rig.again();
    welcome();
    refuse('unavailable', true);
    assert.deepEqual(rig.socket.said.map(({ type }) => type), ['login', 'join'], 'a resume would be refused');
    tick(T.restoreRetry);
    assert.deepEqual(rig.socket.said.map(({ type }) => type), ['login', 'join', 'join']);
    refuse('bad_request');
    assert.deepEqual(rig.happened('left').map(({ room, error }) => [room, error.code]), [['den', 'bad_request']]);
    assert.deepEqual(chat.rooms, []);
    rig.socket.refused('r', 'not_in_room');
    assert.equal((await answer.result).error.code, 'not_in_room');
  });

  test('leaving: answers of others end here', async () => {
    await inRoom('den', { answers: [{ requestId: 'r', seq: 1 }] });
    const [answer] = chat.answers;
    const leave = chat.leave('den');
    assert.deepEqual(rig.socket.said.at(-1), { type: 'leave', room: 'den' });
    rig.socket.say({ type: 'left', room: 'den' });
    await leave;
    assert.equal((await answer.result).error.code, 'not_in_room');
    assert.deepEqual(rig.happened('left'), [{ room: 'den', error: null }]);
    rig.again();
    welcome();
    assert.deepEqual(rig.socket.said, [LOGIN]);
  });

  test('leaving without a connection needs none; a join that waits is taken back', async () => {
    await inRoom();
    rig.socket.drop();
    const other = assert.rejects(chat.join('cellar'), { code: 'closed' });
    await chat.leave('den');
    await chat.leave('cellar');
    await other;
    rig.again();
    welcome();
    assert.deepEqual(rig.socket.said, [LOGIN]);
  });

  test('presence', async () => {
    await inRoom();
    rig.socket.say({ type: 'presence', room: 'den', user: 'bob', online: true });
    rig.socket.say({ type: 'presence', room: 'den', user: 'bob', online: false });
    assert.deepEqual(rig.happened('presence').map(({ user, online }) => [user, online]), [['bob', true], ['bob', false]]);
  });
});

describe('messages', () => {
  test('one that was refused', async () => {
    await loggedIn();
    const note = chat.message({ to: 'nobody', text: 'x', id: 'm' });
    rig.socket.say({ type: 'error', id: 'm', code: 'not_found', message: 'no such user', retryable: false });
    await assert.rejects(note, { code: 'not_found', retryable: false });
    assert.deepEqual(rig.again().said, [LOGIN]);
  });

  test('of others come once, and the server is told that they came', async () => {
    const socket = await loggedIn();
    socket.say(direct('m-1'));
    assert.deepEqual(rig.happened('message'), [{ messageId: 'm-1', from: 'bob', to: 'ann', text: 'hi', at: 1000 }]);
    assert.deepEqual(socket.said.at(-1), { type: 'received', messageIds: ['m-1'] });
    rig.again();
    welcome();
    rig.socket.say(direct('m-1'));
    assert.equal(rig.happened('message').length, 1);
    assert.deepEqual(rig.socket.said.at(-1), { type: 'received', messageIds: ['m-1'] }, 'told again: it did not know');
  });

  test('many that waited are confirmed with few messages', async () => {
    const socket = await loggedIn();
    for (let number = 0; number < 2_500; number += 1) socket.say(direct(`m-${number}`));
    tick(1_000);
    tick(1_000);
    const confirmed = socket.said.filter(({ type }) => type === 'received');
    assert.equal(new Set(confirmed.flatMap(({ messageIds }) => messageIds)).size, 2_500);
    assert.ok(confirmed.length < 30, `${confirmed.length} messages`);
  });

  test("what one has sent from elsewhere comes, and is not confirmed; a room's neither", async () => {
    await inRoom();
    const before = rig.socket.said.length;
    rig.socket.say(direct('m-1', { from: 'ann', to: 'bob' }));
    rig.socket.say({ type: 'message', ...post('m-2') });
    assert.deepEqual(rig.happened('message').map(({ messageId }) => messageId), ['m-1', 'm-2']);
    assert.equal(rig.socket.said.length, before);
  });

  test('the own one does not come back', async () => {
    await inRoom();
    const note = chat.message({ room: 'den', text: 'x', id: 'm' });
    rig.socket.say({ type: 'ack', id: 'm', messageId: 'm-1' });
    assert.deepEqual(await note, { id: 'm', messageId: 'm-1' });
    rig.socket.say({ type: 'message', ...post('m-1', { from: 'ann' }) });
    assert.deepEqual(rig.happened('message'), []);
  });

  test('only so many ids are remembered', async () => {
    const socket = await loggedIn();
    socket.say(direct('first'));
    for (let number = 0; number < 4_096; number += 1) socket.say(direct(`m-${number}`));
    socket.say(direct('m-4095'));
    socket.say(direct('first'));
    assert.equal(rig.happened('message').length, 1 + 4_096 + 1, 'the first has been forgotten, the last has not');
  });
});

test('after close nobody is logged in, and no room joined', async () => {
  await inRoom();
  rig.again();
  const note = assert.rejects(chat.message({ to: 'bob', text: 'x' }), { code: 'closed', retryable: true });
  chat.close();
  assert.equal(clock.pending, 0);
  await note;
  await settled();
  assert.deepEqual([chat.user, chat.rooms], [null, []]);
  chat.connect();
  rig.socket.accept();
  assert.deepEqual([FakeWebSocket.all.length, rig.socket.said], [3, []]);
});
