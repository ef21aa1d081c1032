/** docs/protocol.schema.json says what docs/PROTOCOL.md says. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { assertValid, isValid, schema } from './chat-socket-harness.mjs';

const protocol = readFileSync(new URL('../../docs/PROTOCOL.md', import.meta.url), 'utf8');

/** The messages in blocks, with their direction. */
function whole() {
  const found = [...protocol.matchAll(/^([<>]) (\{.*\})$/gm)];
  return found.map(([, way, json]) => ({ side: way === '>' ? 'client' : 'server', message: JSON.parse(json) }));
}

/** What a `…` may stand for. */
const SAMPLES = {
  after: 3, answerId: '5f0c3a9be1d24876', answers: [], at: 1, code: 'overloaded', content: 'text', degraded: false, delivered: true, done: false,
  finish_reason: 'stop', from: 'bob', id: 'm-1', members: ['ann'], message: 'x', messageId: '1', messageIds: ['1'], messages: [],
  node: 'n-1', online: true, requestId: 'r', retryable: true, room: 'den', seq: 1, sessionId: 's', status: 'thinking', text: 'x',
  to: 'ann', token: '0123456789abcdef', unread: 0, user: 'ann',
};

/** The messages in the text, with samples for what they leave open: one for each of their alternatives. */
function sketched() {
  const found = [];
  for (const [, sketch] of protocol.matchAll(/`(\{"type":[^`]*\})`/g)) {
    const choices = sketch.includes('"to":…|"room":…') ? ['to', 'room'] : [null];
    for (const choice of choices) {
      const json = sketch
        .replace('"to":…|"room":…', `"${choice}":…`)
        .replaceAll('},…]', '}]')
        .replaceAll('[…]', '…')
        .replace(/"memory"\|"redis"/, '"redis"')
        .replace(/"(\w+)":…/g, (_, name) => {
          assert.ok(name in SAMPLES, `a sample of ${name}`);
          return `"${name}":${JSON.stringify(SAMPLES[name])}`;
        });
      found.push({ sketch, message: JSON.parse(json) });
    }
  }
  return found;
}

describe('the documentation', () => {
  test('its examples are what the schema describes', () => {
    const examples = whole();
    assert.ok(examples.length >= 5, `${examples.length} examples`);
    for (const { side, message } of examples) assertValid(side, message);
  });

  test('so is every message in its text, and none is of a type that the schema lacks', () => {
    const sketches = sketched();
    assert.ok(sketches.length >= 20, `${sketches.length} messages`);
    for (const { sketch, message } of sketches) assert.ok(isValid('client', message) || isValid('server', message), sketch);
  });

  test('every type of the schema is in the documentation', () => {
    for (const { properties } of Object.values(schema.$defs)) {
      const type = properties?.type?.const;
      if (type) assert.ok(protocol.includes(`\`${type}\``) || protocol.includes(`"type":"${type}"`), type);
    }
  });

  test('the codes of errors are the same, and which may be tried again', () => {
    const table = [...protocol.matchAll(/^\| (`[a-z_`, ]+`) \| (yes|no|of [^|]*) \|/gm)];
    const codes = table.flatMap(([, names, retryable]) => [...names.matchAll(/[a-z_]+/g)].map(([code]) => [code, retryable]));
    assert.deepEqual(codes.map(([code]) => code).sort(), [...schema.$defs.error.properties.code.enum].sort());
    for (const [code, retryable] of codes) {
      const valid = (value) => isValid('server', { type: 'error', code, message: '', retryable: value });
      assert.deepEqual([valid(true), valid(false)], [retryable !== 'no', retryable !== 'yes'], code);
    }
  });
});

const USAGE = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 };
const POST = { messageId: '1', from: 'bob', room: 'den', text: 'x', at: 1 };

describe('the schema', () => {
  for (const [side, message] of [
    ['client', { type: 'chat', room: 'den', message: 'x', requestId: 'r', regenerate: 'q' }],
    ['client', { type: 'stop' }],
    ['client', { type: 'resume', requestId: 'r', sessionId: 's' }],
    ['client', { type: 'ping' }],
    ['client', { type: 'received', messageIds: [] }],
    ['client', { type: 'join', room: '北京 Büro' }],
    ['server', { type: 'status', requestId: 'r', status: 'queued', position: 1 }],
    ['server', { type: 'status', requestId: 'r', status: 'retrying', retryAfter: 0.5 }],
    ['server', { type: 'stream', requestId: 'r', seq: 1, content: '', done: true, finish_reason: 'cancelled', usage: USAGE }],
    ['server', { type: 'stream', requestId: 'r', content: '', done: true, finish_reason: 'error' }],
    ['server', { type: 'stream', content: '', done: true, finish_reason: 'error' }],
    ['server', { type: 'error', code: 'upstream_status', message: '', retryable: true, requestId: 'r', seq: 3 }],
    ['server', { type: 'error', code: 'not_found', message: '', retryable: false, id: 'm' }],
    ['server', { type: 'message', ...POST, requestId: 'r' }],
    ['server', { type: 'message', ...POST, from: null, requestId: 'r', finish_reason: 'stop' }],
    ['server', { type: 'joined', room: 'den', members: ['ann'], messages: [POST], answers: [{ requestId: 'r', seq: 0 }] }],
    ['server', { type: 'pong', id: 1.5 }],
  ]) {
    test(`takes ${JSON.stringify(message)}`, () => assertValid(side, message));
  }

  for (const [side, message] of [
    ['client', { type: 'chat', message: 'x' }],
    ['client', { type: 'chat', sessionId: 's', message: '' }],
    ['client', { type: 'chat', sessionId: '', message: 'x' }],
    ['client', { type: 'chat', sessionId: 's', message: 'x', regenerate: true }],
    ['client', { type: 'chat', sessionId: 's', message: 'x', mood: 'good' }],
    ['client', { type: 'resume', requestId: 'r', after: 1 }],
    ['client', { type: 'resume', requestId: 'r', sessionId: 's', after: -1 }],
    ['client', { type: 'login', user: 'ann', token: 'x' }],
    ['client', { type: 'login', user: ' ann', token: SAMPLES.token }],
    ['client', { type: 'join', room: 'a\tb' }],
    ['client', { type: 'message', id: 'm', text: 'x' }],
    ['client', { type: 'message', id: 'm', text: 'x', to: 'ann', room: 'den' }],
    ['client', { type: 'stream', requestId: 'r', seq: 1, content: '', done: false }],
    ['server', { type: 'chat', sessionId: 's', message: 'x' }],
    ['server', { type: 'weather' }],
    ['server', { type: 'status', requestId: 'r', status: 'queued' }],
    ['server', { type: 'stream', requestId: 'r', seq: 0, content: '', done: false }],
    ['server', { type: 'stream', requestId: 'r', content: 'x', done: false }],
    ['server', { type: 'stream', requestId: 'r', content: 'x', done: true, finish_reason: 'stop' }],
    ['server', { type: 'stream', seq: 1, content: 'x', done: false }],
    ['server', { type: 'stream', requestId: 'r', seq: 1, content: '', done: true }],
    ['server', { type: 'stream', requestId: 'r', seq: 1, content: '', done: false, usage: USAGE }],
    ['server', { type: 'error', code: 'sorry', message: '', retryable: false }],
    ['server', { type: 'error', code: 'overloaded', message: '', retryable: true, seq: 1 }],
    ['server', { type: 'message', ...POST, from: null }],
    ['server', { type: 'message', ...POST, finish_reason: 'stop' }],
    ['server', { type: 'message', ...POST, to: 'ann' }],
    ['server', { type: 'service', node: 'n', store: 'disk', degraded: false }],
    ['server', { type: 'history', sessionId: 's', turns: [{ role: 'assistant', content: '' }] }],
  ]) {
    test(`refuses ${JSON.stringify(message)}`, () => assert.equal(isValid(side, message), false));
  }
});
