/** The list of conversations: new, rename, delete, search, what is kept, what goes on unseen. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textFor } from './mock-answers.mjs';
import { mockStage } from './page.mjs';

const on = mockStage();
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const names = (chat) => chat.entries.locator('.name').allTextContents();
const newChat = (chat) => chat.page.getByRole('button', { name: 'New chat' }).first().click();

test('each conversation has its own session, and all survive a reload', async () => {
  const chat = await on.open();
  await chat.works();
  await newChat(chat);
  await chat.page.getByRole('heading', { name: 'What’s on your mind?' }).waitFor();
  assert.deepEqual(await names(chat), ['plain question'], 'an empty one is not listed');
  await chat.ask('Tell a ten-year-old');
  await chat.ended('done');
  const sessions = chat.sent.filter(({ type }) => type === 'chat').map(({ sessionId }) => sessionId);
  assert.equal(new Set(sessions).size, 2);
  for (const id of sessions) assert.match(id, UUID);
  assert.equal(new URL(chat.page.url()).hash, '', 'its name is its key: it is not in the address');

  await chat.page.reload();
  await chat.state('online');
  assert.deepEqual(await names(chat), ['Tell a ten-year-old', 'plain question']);
  assert.deepEqual(await chat.questions.locator('.body').allTextContents(), ['Tell a ten-year-old']);
  await chat.entries.last().click();
  assert.equal(await chat.text(), textFor('plain question'));
  assert.equal(await chat.page.locator('#thread-title').textContent(), 'plain question');
  await chat.works();
  assert.equal(chat.sent.at(-1).sessionId, sessions[0]);
  assert.deepEqual(await names(chat), ['plain question', 'Tell a ten-year-old'], 'the latest is the first');
  await chat.close();
});

test('rename, delete, undo', async () => {
  const chat = await on.open();
  const { page } = chat;
  await chat.works();
  await newChat(chat);
  await chat.ask('another plain question');
  await chat.ended('done');

  await chat.entries.last().hover();
  await page.getByRole('button', { name: 'Rename “plain question”' }).click();
  await page.keyboard.type('About sockets');
  await page.keyboard.press('Enter');
  assert.deepEqual(await names(chat), ['another plain question', 'About sockets']);
  await page.getByRole('button', { name: 'Rename “About sockets”' }).click();
  await page.keyboard.type('Nonsense');
  await page.keyboard.press('Escape');
  assert.deepEqual(await names(chat), ['another plain question', 'About sockets']);

  await chat.entries.first().hover();
  await page.getByRole('button', { name: 'Delete “another plain question”' }).click();
  assert.deepEqual(await names(chat), ['About sockets']);
  assert.equal(await chat.answers.count(), 0, 'it was open');
  await page.getByRole('button', { name: 'Undo' }).click();
  assert.deepEqual(await names(chat), ['another plain question', 'About sockets']);
  assert.equal(await chat.text(), textFor('plain question'));

  await chat.entries.first().hover();
  await page.getByRole('button', { name: 'Delete “another plain question”' }).click();
  await page.reload();
  await chat.state('online');
  assert.deepEqual(await names(chat), ['About sockets']);
  assert.equal(await page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('wsengine-chat.conversation.')).length), 1);
  await chat.close();
});

test('search looks into what was said', async () => {
  const chat = await on.open();
  await chat.works();
  await newChat(chat);
  await chat.ask('Tell a ten-year-old');
  await chat.ended('done');
  await chat.page.keyboard.press('ControlOrMeta+k');
  await chat.page.keyboard.type('LETTERS nobody');
  assert.deepEqual(await names(chat), ['Tell a ten-year-old']);
  await chat.page.keyboard.type('xyz');
  await chat.page.getByText('Nothing found').waitFor();
  await chat.page.keyboard.press('Escape');
  assert.equal((await names(chat)).length, 2);
  await chat.close();
});

test('an answer goes on while another conversation is open, and is marked when it is there', async () => {
  const chat = await on.open();
  await chat.ask('Tell a ten-year-old');
  await chat.shows(20);
  await newChat(chat);
  await chat.page.getByRole('img', { name: 'is being answered' }).waitFor();
  await chat.works();
  await chat.page.getByRole('img', { name: '1 unread' }).waitFor({ timeout: 15_000 });
  assert.match(await chat.page.title(), /^\(1\) /);
  await chat.entries.last().click();
  assert.equal(await chat.text(), textFor('ten-year-old').replaceAll('**', ''));
  assert.doesNotMatch(await chat.page.title(), /^\(/);

  // Back to one that is still being written: it goes on where it is.
  await chat.ask('long question');
  await chat.shows(100);
  await chat.entries.last().click();
  await chat.entries.first().click();
  const before = (await chat.text()).length;
  assert.ok(before >= 100);
  await chat.shows(before + 50);
  await chat.page.keyboard.press('Escape');
  await chat.ended('stopped');
  await chat.close();
});

test('to delete a conversation stops its answer', async () => {
  const chat = await on.open();
  await chat.ask('long question');
  await chat.shows(30);
  const stoppedBefore = on.mock.stopped;
  await chat.entries.first().hover();
  await chat.page.getByRole('button', { name: 'Delete “long question”' }).click();
  await chat.page.waitForFunction(() => document.querySelectorAll('.turn').length === 0);
  await chat.works();
  assert.equal(on.mock.stopped, stoppedBefore + 1);
  await chat.close();
});

test('two tabs show one list', async () => {
  const chat = await on.open();
  const first = chat.page;
  await chat.openTab(on.mock.url);
  await chat.works();
  await first.locator('#chat-list .name').getByText('plain question').waitFor();
  await first.locator('#chat-list .entry .open').click();
  assert.equal(await first.locator('.turn.assistant .body').textContent(), textFor('plain question'));
  await chat.close();
});
