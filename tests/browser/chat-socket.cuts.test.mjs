/**
 * chat-socket.js against a small server, over a network that is cut at every message and at random: whatever happens, every answer ends up with
 * exactly what the model said, each piece once.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ChatSocket } from '../../examples-cpp/ai_chat/www/chat-socket.js';
import { VirtualClock } from './chat-socket-harness.mjs';
import { ModelServer, Network, piecesOf } from './chat-socket-model-server.mjs';

const STEP_MS = 20;
const PATIENCE_MS = 10 * 60_000;

/** A page that hears pieces, and may be loaded again. */
class Page {
  heard = new Map();
  answers = new Map();
  notes = [];
  #make;

  constructor(network, clock, random) {
    this.#make = () => new ChatSocket({ url: 'ws://host/ws/chat', sessionId: 's', WebSocket: network.WebSocket, random, clock });
    this.chat = this.#make();
    this.chat.connect();
  }

  ask(requestId) {
    this.heard.set(requestId, []);
    this.#listen(this.chat.ask(`question ${requestId}`, { requestId }));
  }

  note(id) { this.notes.push(this.chat.message({ to: 'bob', text: `text of ${id}`, id })); }

  stop(requestId) { this.answers.get(requestId).stop(); }

  reload() {
    const kept = JSON.stringify([...this.answers.values()]);
    this.chat.close();
    this.chat = this.#make();
    for (const state of JSON.parse(kept)) {
      const pieces = this.heard.get(state.requestId);
      assert.equal(pieces.join(''), state.text, 'what is kept is what was shown');
      this.#listen(this.chat.continue(state));
    }
    this.chat.connect();
  }

  get isDone() { return [...this.answers.values()].every(({ isDone }) => isDone) && this.chat.waiting === 0; }

  #listen(answer) {
    this.answers.set(answer.requestId, answer);
    answer.on('piece', ({ content }) => this.heard.get(answer.requestId).push(content));
  }
}

/**
 * One life: `plan[step]` is what the reader does at that step.
 * @returns {Promise<Network>}
 */
async function play({ plan, cut, silent, server: options, random = () => 0.5 }) {
  const clock = new VirtualClock();
  const server = new ModelServer(options);
  const network = new Network(server, clock, { cut, silent });
  const page = new Page(network, clock, random);
  const stopped = new Set();
  const last = Math.max(...Object.keys(plan).map(Number));
  for (let step = 0; step <= last || !page.isDone; step += 1) {
    for (const [what, id] of plan[step] ?? []) {
      page[what](id);
      if (what === 'stop') stopped.add(id);
    }
    clock.tick(STEP_MS);
    server.step();
    assert.ok(clock.now() < PATIENCE_MS, `no end: ${JSON.stringify([...page.answers.values()])}`);
  }

  assert.equal(new Set(server.asked).size, server.asked.length);
  for (const [requestId, answer] of page.answers) {
    const { text, finishReason, error } = await answer.result;
    assert.equal(error, null, `${requestId}: ${error?.code}`);
    const said = server.piecesSaid(requestId);
    if (!stopped.has(requestId)) {
      assert.deepEqual(said, piecesOf(requestId, server.pieces));
      assert.equal(finishReason, 'stop');
    } else {
      assert.ok(['stop', 'cancelled'].includes(finishReason), finishReason);
    }
    assert.deepEqual(page.heard.get(requestId), said, `${requestId}: each piece once`);
    assert.equal(text, said.join(''));
  }
  const sent = await Promise.all(page.notes);
  for (const { id, messageId } of sent) assert.deepEqual([messageId, server.stored.get(id)], [`stored-${id}`, `text of ${id}`]);
  page.chat.close();
  assert.equal(clock.pending, 0, 'nothing runs on');
  return network;
}

/** Two questions, one of them while the other is being answered, and two messages. */
const TALK = { 0: [['ask', 'a'], ['note', 'm']], 2: [['ask', 'b'], ['note', 'n']] };
const STOP = { 0: [['ask', 'a']], 1: [['ask', 'b']], 3: [['stop', 'a']] };
const RELOAD = { 0: [['ask', 'a']], 1: [['ask', 'b']], 3: [['reload']], 6: [['reload']] };

const WAYS = ['lost', 'last'].flatMap((what) => [false, true].map((silent) => ({ what, silent })));

describe('cut once, at every message', () => {
  for (const [name, plan] of Object.entries({ TALK, STOP, RELOAD })) {
    for (const { what, silent } of WAYS) {
      test(`${name}, ${what}${silent ? ', silently' : ''}`, async () => {
        const whole = await play({ plan });
        assert.ok(whole.passed >= 15, `${whole.passed} messages`);
        for (let at = 0; at < whole.passed; at += 1) {
          const network = await play({ plan, cut: (passed) => (passed === at ? what : null), silent: () => silent });
          assert.equal(network.cuts, 1);
        }
      });
    }
  }
});

test('cut twice, at every two messages', async () => {
  const { passed: count } = await play({ plan: TALK });
  for (let first = 0; first < count; first += 1) {
    for (let second = first + 1; second < count + 4; second += 1) {
      const way = WAYS[(first + second) % WAYS.length];
      await play({
        plan: TALK,
        cut: (passed) => (passed === first ? 'last' : passed === second ? way.what : null),
        silent: () => way.silent,
      });
    }
  }
});

test('a server that sends everything again', async () => {
  const { passed: count } = await play({ plan: TALK });
  for (let at = 0; at < count; at += 1) {
    await play({ plan: TALK, server: { repeats: true }, cut: (passed) => (passed === at ? 'lost' : null) });
  }
});

describe('at random', () => {
  // A seed that fails is in the name of its test: it fails again.
  for (let seed = 1; seed <= 60; seed += 1) {
    test(`seed ${seed}`, async () => {
      const random = generator(seed);
      const below = (end) => Math.floor(random() * end);
      const plan = {};
      const at = (step, ...what) => (plan[step] ??= []).push(what);
      const reloads = random() < 0.5;
      for (let number = 0; number < 1 + below(5); number += 1) {
        const step = below(12);
        at(step, 'ask', `a${number}`);
        if (random() < 0.3) at(step + 1 + below(10), 'stop', `a${number}`);
        if (!reloads) at(below(20), 'note', `m${number}`);
      }
      // A page that goes away takes its messages with it; answers it does not.
      if (reloads) for (let times = 1 + below(3); times > 0; times -= 1) at(below(25), 'reload');
      const probability = 0.05 + random() * 0.3;
      let cuts = 20;
      await play({
        plan,
        server: { pieces: 1 + below(12), repeats: random() < 0.3 },
        cut: () => (random() < probability && cuts-- > 0 ? (random() < 0.5 ? 'lost' : 'last') : null),
        silent: () => random() < 0.3,
        random,
      });
    });
  }
});

/** Numbers in [0, 1), the same for one seed: mulberry32. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
