/** people.js: what the page keeps of direct messages, with two pages of one browser, many strangers, and a change of name. */

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { setImmediate as settled } from 'node:timers/promises';
import { Emitter } from '../../examples-cpp/ai_chat/www/chat-socket/emitter.js';
import { People } from '../../examples-cpp/ai_chat/www/people.js';
import { Shelf } from '../../examples-cpp/ai_chat/www/storage.js';

/** The part of ChatSocket that people.js speaks to. */
class Socket extends Emitter {
  state = 'online';
  rooms = [];
  user = null;
  /** What waits for the server's word. */ sent = [];

  async login(user) {
    this.user = user;
    this.emit('login', { user });
  }
  message(message) {
    return new Promise((resolve, reject) => { this.sent.push({ ...message, resolve, reject }); });
  }
}

let shelf;
let ids = 0;
beforeEach(() => {
  const entries = new Map();
  shelf = new Shelf({ getItem: (key) => entries.get(key) ?? null, setItem: (key, value) => entries.set(key, value), removeItem: (key) => entries.delete(key) });
});

/** A page of the browser, logged in. */
async function open(user = 'ann') {
  const socket = new Socket();
  const nothing = () => {};
  const owner = { onChange: nothing, onItem: nothing, onItemChange: nothing, onThread: nothing, onPresence: nothing, onProblem: nothing, isOpen: () => false };
  const people = new People(socket, shelf, () => `id-${ids += 1}`, owner);
  people.restore();
  await people.login(user);
  let at = ids * 1000;
  const hear = (from, text, messageId = `m-${at += 1}`) => socket.emit('message', { messageId, from, to: people.user, text, at: Number(messageId.slice(2)) });
  return { people, socket, hear };
}

const texts = (people, name) => people.direct(name).items.map(({ text }) => text);

test('two pages of a browser keep what either has got', async () => {
  const one = await open();
  const other = await open();
  for (const page of [one, other]) page.hear('bob', 'to both', 'm-1');
  one.hear('bob', 'while the other slept', 'm-2'); // and confirmed: the server does not have it any more
  one.hear('zoe', 'me too', 'm-3');
  one.people.say(one.people.direct('bob'), 'not sent yet');
  other.hear('bob', 'the other is back', 'm-4');
  const { people } = await open();
  assert.deepEqual(texts(people, 'bob'), ['to both', 'while the other slept', 'the other is back', 'not sent yet']);
  assert.deepEqual([...people.directs.keys()].sort(), ['bob', 'zoe']);

  one.socket.sent[0].resolve({ messageId: 'm-5', delivered: true });
  await settled();
  one.people.hideDirect('zoe');
  const again = (await open()).people;
  assert.deepEqual(texts(again, 'bob').filter((text) => text === 'not sent yet').length, 1);
  assert.deepEqual([...again.directs.keys()], ['bob'], 'what is hidden stays hidden');
});

test('many strangers do not drive out those whom one has written to', async () => {
  const { people, hear } = await open();
  people.say(people.direct('bob'), 'hello');
  for (let number = 0; number < 80; number += 1) hear(`stranger ${number}`, 'buy this', `m-${Date.now() + 1000 + number}`);
  assert.equal(people.directs.size, 50);
  assert.ok(people.directs.has('bob') && people.directs.has('stranger 79') && !people.directs.has('stranger 0'));
  assert.deepEqual(texts((await open()).people, 'bob'), ['hello']);
});

test('under another name one has the messages of that name', async () => {
  const { people, socket } = await open();
  people.say(people.direct('zoe'), 'from ann');
  await people.login('bob');
  assert.deepEqual(texts(people, 'zoe'), []);
  people.say(people.direct('zoe'), 'from bob');
  socket.sent[0].resolve({ messageId: 'm-1', delivered: true });
  await settled();
  assert.deepEqual(texts((await open('bob')).people, 'zoe'), ['from bob']);
  assert.deepEqual(texts((await open('ann')).people, 'zoe'), ['from ann']);
});
