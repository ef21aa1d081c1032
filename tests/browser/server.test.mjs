/** The page on the real ai_chat with a mock model behind it: what the mock server could be wrong about. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { answerTo, closedPort, stage, startChat } from './harness.mjs';
import { ChatPage } from './page.mjs';

const on = stage();
const open = (options) => ChatPage.open(on.browser, on.chat.url, options);

/** What the reader sees of paragraphs without markup. */
const shown = (text) => text.replaceAll('\n\n', '');

test('asks, and goes on where it was after a reload', async () => {
  const chat = await open();
  await chat.ask('plain question');
  await chat.ended('done');
  assert.equal(await chat.text(), answerTo('plain question'));
  await chat.ask('long question');
  await chat.shows(200);
  await chat.page.reload();
  await chat.shows(600);
  assert.equal(await chat.answers.count(), 2);
  assert.ok(shown(answerTo('long question')).startsWith(await chat.text()));
  await chat.stopButton.click();
  await chat.ended('stopped');
  await chat.close();
});

test('stopping stops the model, leaving does not', async () => {
  const chat = await open();
  const before = await on.model.destroyed();
  await chat.ask('long question');
  await chat.shows(100);
  await chat.page.goto('about:blank');
  await sleep(500);
  assert.equal(await on.model.destroyed(), before, 'an answer outlives the page');
  await chat.page.goto(on.chat.url);
  await chat.shows(200);
  await chat.stopButton.click();
  await chat.ended('stopped');
  const deadline = Date.now() + 5_000;
  while ((await on.model.destroyed()) === before && Date.now() < deadline) await sleep(50);
  assert.equal(await on.model.destroyed(), before + 1, 'the model must have been told');
  await chat.close();
});

test('Chinese arrives intact, also where a piece of the model ends inside a character', async () => {
  const chat = await open({ locale: 'zh-CN' });
  await chat.ask('中文问题');
  await chat.ended('done');
  assert.equal(await chat.text(), answerTo('中文问题'));
  await chat.close();
});

for (const [what, question, words] of [
  ['malformed JSON', 'malformed question', 'The answer of the language model broke off or was garbled.'],
  ['a connection that breaks in mid-answer', 'broken connection question', 'The answer of the language model broke off or was garbled.'],
]) {
  test(`${what} of the model is an error in the conversation, with a retry`, async () => {
    const chat = await open();
    await chat.ask(question);
    await chat.ended('failed');
    await chat.answer.getByText(words).waitFor();
    await chat.answer.getByRole('button', { name: 'Try again' }).waitFor();
    await chat.ask('plain question');
    await chat.ended('done');
    await chat.close();
  });
}

test('a model that is not there is an error in the conversation, not a broken page', async () => {
  const server = await startChat(`http://127.0.0.1:${await closedPort()}/v1`);
  const chat = await ChatPage.open(on.browser, server.url);
  await chat.ask('plain question');
  await chat.ended('failed');
  await chat.answer.getByText('The language model cannot be reached.').waitFor();
  await chat.close();
  await server.stop();
});

test('the page finds its server again when that is killed and started anew', async () => {
  let server = await startChat(on.model.url);
  const chat = await ChatPage.open(on.browser, server.url);
  await chat.ask('plain question');
  await chat.ended('done');
  await server.stop('SIGKILL');
  await chat.state('waiting');
  await chat.ask('plain question, written offline');
  server = await startChat(on.model.url, server.port);
  await chat.ended('done');
  assert.equal(await chat.answers.count(), 2);
  await chat.close();
  await server.stop();
});

test('rooms and direct messages', async () => {
  const [ada, ben] = await Promise.all([open(), open()]);
  await ada.login('Ada');
  await ben.login('Ben');
  await ada.join('garden');
  await ben.join('garden');
  await ada.page.locator('#members li').nth(1).waitFor();
  await ada.ask('Hello');
  await ben.people.getByText('Hello').waitFor();
  await ben.page.getByRole('button', { name: 'Ask the model' }).click();
  await ben.ask('plain question');
  await Promise.all([ada, ben].map(async (chat) => {
    await chat.ended('done');
    assert.equal(await chat.text(), answerTo('plain question'));
    assert.equal(await chat.page.locator('.turn').count(), 3);
  }));
  await ada.page.getByRole('button', { name: 'Write to Ben' }).first().click();
  await ada.ask('Psst');
  await ada.questions.getByText('Delivered').waitFor();
  await ben.page.locator('#people-list').getByRole('img', { name: '1 unread' }).waitFor();
  await ada.close();
  await ben.close();
});

test('another name, and one that is taken', async () => {
  const [eve, fay] = await Promise.all([open(), open()]);
  await eve.login('Eve');
  await fay.login('Fay');
  await eve.join('yard');
  await fay.join('yard');
  await eve.page.locator('#me').click();
  await eve.answerDialog('Fay');
  await eve.page.getByText('This name belongs to somebody else.').waitFor();
  await eve.page.locator('#dialog-cancel').click();
  await eve.ask('Still Eve');
  await fay.people.getByText('Still Eve').waitFor();
  await eve.login('Gil');
  await eve.page.locator('#members li').nth(1).waitFor();
  await eve.ask('Now Gil');
  await fay.people.getByText('Now Gil').waitFor();
  assert.deepEqual(await fay.page.locator('#members .name').allTextContents(), ['Fay', 'Gil']);
  assert.deepEqual(await fay.people.locator('.role').allTextContents(), ['Eve', 'Gil']);
  await eve.close();
  await fay.close();
});
