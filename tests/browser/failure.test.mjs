/** Connections that break and models that fail: a clear word in the conversation, and a page that goes on working. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChatPage, answerTo, closedPort, stage, startChat } from './harness.mjs';

const on = stage();

test('the page reconnects by itself when ai_chat is killed and started again', async () => {
  let server = await startChat(on.model.url);
  const chat = await ChatPage.open(on.browser, server.url);
  await chat.works();
  await server.stop('SIGKILL');
  await chat.state('waiting');
  await chat.page.getByText('No connection to the server.').waitFor();

  server = await startChat(on.model.url, server.port);
  await chat.state('online');
  assert.equal(await chat.page.locator('#banner').isVisible(), false);
  await chat.works();
  assert.equal(await chat.answers.count(), 2);
  await chat.close();
  await server.stop();
});

test('"Connect now" does not wait for the rest of the backoff', async () => {
  let server = await startChat(on.model.url);
  const chat = await ChatPage.open(on.browser, server.url);
  await server.stop('SIGKILL');
  await chat.state('waiting');
  // After a few failures the waits are long.
  await chat.page.getByText(/Trying again in [4-9] s/).waitFor({ timeout: 30_000 });
  server = await startChat(on.model.url, server.port);
  await chat.page.getByRole('button', { name: 'Connect now' }).click();
  await chat.page.locator('#state[data-state="online"]').waitFor({ timeout: 2_000 });
  await chat.close();
  await server.stop();
});

test('an answer that the connection interrupts stays, is marked, and can be sent again', async () => {
  let server = await startChat(on.model.url);
  const chat = await ChatPage.open(on.browser, server.url);
  await chat.ask('long question');
  await chat.shows(100);
  await server.stop('SIGKILL');
  await chat.ended('interrupted');
  const partial = await chat.text();
  assert.ok(partial.length >= 100 && answerTo('long question').replaceAll('\n\n', '').startsWith(partial));
  await chat.answer.getByText('Interrupted: the connection was lost').waitFor();

  server = await startChat(on.model.url, server.port);
  await chat.state('online');
  await chat.answer.getByRole('button', { name: 'Send again' }).click();
  await chat.shows(20);
  assert.equal(await chat.answers.count(), 2);
  assert.deepEqual(await chat.questions.locator('.body').allTextContents(), ['long question', 'long question']);
  assert.equal(await chat.answers.first().locator('.body').textContent(), partial);
  await chat.stopButton.click();
  await chat.ended('stopped');
  await chat.close();
  await server.stop();
});

test('nothing is sent, and nothing is lost, while there is no connection', async () => {
  let server = await startChat(on.model.url);
  const chat = await ChatPage.open(on.browser, server.url);
  await server.stop('SIGKILL');
  await chat.state('waiting');
  await chat.ask('plain question');
  await chat.page.getByRole('alert').getByText('Not sent: there is no connection.').waitFor();
  assert.equal(await chat.input.inputValue(), 'plain question');
  assert.equal(await chat.questions.count(), 0);

  server = await startChat(on.model.url, server.port);
  await chat.state('online');
  assert.equal(await chat.page.getByRole('alert').isVisible(), false);
  assert.deepEqual(chat.sent, [], 'the page must not send by itself');
  await chat.input.press('Enter');
  await chat.ended('done');
  assert.equal(chat.sent.length, 1);
  await chat.close();
  await server.stop();
});

test('a message while an answer is under way is not sent, and stays', async () => {
  const chat = await ChatPage.open(on.browser, on.chat.url);
  await chat.ask('long question');
  await chat.shows(20);
  await chat.ask('plain question');
  await chat.page.getByRole('alert').getByText('Not sent yet').waitFor();
  assert.equal(await chat.input.inputValue(), 'plain question');
  assert.equal(chat.sent.length, 1);
  await chat.stopButton.click();
  await chat.ended('stopped');
  await chat.input.press('Enter');
  await chat.ended('done');
  await chat.close();
});

for (const { what, question, words } of [
  { what: 'a rate limit', question: 'rate limit question', words: 'The language model refused the request.' },
  { what: 'malformed JSON', question: 'malformed question', words: 'The answer of the language model broke off or was garbled.' },
  { what: 'a connection that breaks in mid-answer', question: 'broken connection question', words: 'The answer of the language model broke off or was garbled.' },
  { what: 'an answer that is cut short', question: 'truncated question', words: 'The answer of the language model broke off or was garbled.' },
]) {
  test(`${what} of the model is an error in the conversation, with a retry`, async () => {
    const chat = await ChatPage.open(on.browser, on.chat.url);
    await chat.ask(question);
    await chat.ended('failed');
    await chat.answer.getByText(words).waitFor();
    const report = chat.received.find(({ type }) => type === 'error');
    assert.match(report.code, /^upstream_(status|protocol)$/);
    assert.equal(await chat.answer.locator('.note-detail').textContent(), report.message);

    // A retry fails again, in the same place if there was no text, and the page goes on.
    const partial = await chat.text();
    await chat.answer.getByRole('button', { name: 'Try again' }).click();
    await chat.page.waitForFunction((sent) => document.querySelectorAll('.turn.assistant').length === sent, partial ? 2 : 1);
    await chat.ended('failed');
    assert.equal(chat.sent.length, 2);
    assert.equal(await chat.questions.count(), partial ? 2 : 1);
    await chat.works();
    await chat.close();
  });
}

test('a model that is not there is an error in the conversation, not a broken page', async () => {
  const server = await startChat(`http://127.0.0.1:${await closedPort()}/v1`);
  const chat = await ChatPage.open(on.browser, server.url);
  for (let time = 0; time < 2; time += 1) {
    await chat.ask('plain question');
    await chat.ended('failed');
    await chat.answer.getByText('The language model cannot be reached.').waitFor();
  }
  assert.deepEqual(chat.received.filter(({ type }) => type === 'error').map(({ code }) => code), ['upstream_unreachable', 'upstream_unreachable']);
  assert.equal(await chat.sendButton.isVisible(), true);
  await chat.close();
  await server.stop();
});

test('a message that is too long comes back to be edited', async () => {
  const chat = await ChatPage.open(on.browser, on.chat.url);
  const message = 'too long '.repeat(20_000);
  await chat.ask(message);
  await chat.ended('failed');
  await chat.answer.getByText('This message is too long for the server.').waitFor();
  await chat.answer.getByRole('button', { name: 'Edit' }).click();
  assert.equal(await chat.input.inputValue(), message);
  await chat.works();
  await chat.close();
});
