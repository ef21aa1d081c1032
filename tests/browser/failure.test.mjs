/** Connections that break and models that fail: a clear word in the conversation, and a page that goes on working. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { textFor } from './mock-answers.mjs';
import { MockServer } from './mock-server.mjs';
import { ChatPage, mockStage } from './page.mjs';

const on = mockStage();

/** What the reader sees of a Markdown text without markup. */
const shown = (text) => text.replaceAll('\n\n', '');

test('an answer goes on where it was when the connection breaks', async () => {
  const chat = await on.open();
  await chat.ask('ten-year-old');
  await chat.shows(30);
  on.mock.drop();
  await chat.state('waiting');
  await chat.state('online');
  await chat.ended('done');
  assert.equal(await chat.text(), textFor('ten-year-old').replaceAll('**', ''));
  const resume = chat.sent.find(({ type }) => type === 'resume');
  assert.ok(resume.after > 0, 'it must not begin anew');
  assert.equal(chat.sent.filter(({ type }) => type === 'chat').length, 1);
  await chat.close();
});

test('an answer goes on after a reload', async () => {
  const chat = await on.open();
  await chat.ask('long question');
  await chat.shows(300);
  const stoppedBefore = on.mock.stopped;
  await chat.page.reload();
  await chat.shows(600);
  assert.equal(await chat.answers.count(), 1);
  assert.ok(shown(textFor('long question')).startsWith(await chat.text()));
  assert.equal(on.mock.stopped, stoppedBefore, 'a reload stops nothing');
  await chat.stopButton.click();
  await chat.ended('stopped');
  assert.equal(on.mock.stopped, stoppedBefore + 1);
  await chat.close();
});

test('without a connection a question waits, and "Connect now" does not wait for the rest of the backoff', async () => {
  const chat = await on.open();
  on.mock.refusing = true;
  on.mock.drop();
  await chat.state('waiting');
  await chat.ask('plain question');
  await chat.answer.getByText('Will be sent when there is a connection…').waitFor();
  await chat.page.getByText(/Trying again in ([3-9]|1\d) s/).waitFor({ timeout: 30_000 });
  assert.equal(chat.sent.length, 0);
  on.mock.refusing = false;
  await chat.page.getByRole('button', { name: 'Connect now' }).click();
  await chat.page.locator('#state[data-state="online"]').waitFor({ timeout: 2_000 });
  assert.equal(await chat.page.locator('#banner').isVisible(), false);
  await chat.ended('done');
  assert.equal(await chat.text(), textFor('plain question'));
  await chat.close();
});

test('the page finds its server again when that is started anew, and keeps what it has', async () => {
  let server = await MockServer.start();
  const chat = await ChatPage.open(on.browser, server.url);
  await chat.works();
  await chat.ask('long question');
  await chat.shows(100);
  await server.stop();
  await chat.state('waiting');
  await chat.page.getByText('No connection to the server.').waitFor();
  const partial = await chat.text();
  server = await MockServer.start({ port: server.port });
  await chat.state('online');
  await chat.ended('failed');
  await chat.answer.getByText('The answer is not kept by the server any more.').waitFor();
  assert.ok((await chat.text()).startsWith(partial) && partial.length >= 100, 'what had come stays');
  await chat.works();
  assert.equal(await chat.answers.count(), 3);
  await chat.close();
  await server.stop();
});

for (const { what, question, words, code } of [
  { what: 'a rate limit', question: 'rate limit question', words: 'The language model refused the request.', code: 'upstream_status' },
  { what: 'an answer that is cut short', question: 'broken question', words: 'The answer of the language model broke off or was garbled.', code: 'upstream_protocol' },
  { what: 'a node that is gone', question: 'lost question', words: 'The server that was writing the answer is gone.', code: 'node_lost' },
  { what: 'too many questions', question: 'overloaded question', words: 'Too many questions are under way.', code: 'overloaded' },
  { what: 'an empty answer', question: 'empty question', words: 'The model returned an empty answer.' },
]) {
  test(`${what} is said in the conversation, with a retry`, async () => {
    const chat = await on.open();
    await chat.ask(question);
    await chat.ended('failed');
    await chat.answer.getByText(words).waitFor();
    const report = chat.received.find(({ type }) => type === 'error');
    assert.equal(report?.code, code);
    assert.equal(await chat.answer.locator('.note-detail').textContent(), report?.message ?? '');
    const partial = await chat.text();
    assert.ok(textFor(question).startsWith(partial) || partial === '');

    // A retry fails again, in the same place, and the page goes on.
    await chat.answer.getByRole('button', { name: 'Try again' }).click();
    for (let wait = 0; chat.sent.length < 2 && wait < 100; wait += 1) await sleep(50);
    assert.equal(chat.sent.length, 2);
    await chat.ended('failed');
    assert.equal(await chat.questions.count(), 1);
    assert.equal(await chat.answers.count(), 1);
    await chat.works();
    await chat.close();
  });
}

test('what cannot succeed offers no retry', async () => {
  const chat = await on.open();
  await chat.ask('refused question');
  await chat.ended('failed');
  assert.equal(await chat.answer.locator('.again').isVisible(), false);
  await chat.close();
});

test('a message that is too long comes back to be edited', async () => {
  const chat = await on.open();
  const message = 'too long '.repeat(5_000);
  await chat.ask(message);
  await chat.ended('failed');
  await chat.answer.getByText('This message is too long for the server.').waitFor();
  await chat.answer.getByRole('button', { name: 'Edit' }).click();
  assert.equal(await chat.input.inputValue(), message);
  await chat.works();
  assert.equal(await chat.questions.count(), 1, 'it takes the place of the other');
  assert.equal(chat.sent.at(-1).regenerate, undefined, 'the server has nothing to replace');
  await chat.close();
});

test('a service that is degraded says so, and recovers', async () => {
  const chat = await on.open();
  const banner = chat.page.locator('#degraded');
  assert.equal(await banner.isVisible(), false);
  on.mock.setDegraded(true);
  await banner.waitFor();
  await chat.works();
  on.mock.setDegraded(false);
  await banner.waitFor({ state: 'hidden' });
  await chat.close();
});
