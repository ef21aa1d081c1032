/**
 * Makes the README's picture of the chat in mid-answer, on the mock server: docs/images/chat.png.
 *
 *   node screenshots.mjs [FILE]
 *
 * It looks best where the font Inter is installed (Debian: fonts-inter).
 */

import assert from 'node:assert/strict';
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MockServer } from './mock-server.mjs';
import { ChatPage, startBrowser } from './page.mjs';

const file = process.argv[2] ?? fileURLToPath(new URL('../../docs/images/chat.png', import.meta.url));
const MAX_BYTES = 400_000;

const mock = await MockServer.start({ pieceMs: 5 });
const browser = await startBrowser();
try {
  const ben = await ChatPage.open(browser, mock.url);
  await ben.login('Ben');
  await ben.join('release');
  const chat = await ChatPage.open(browser, mock.url, { viewport: { width: 1180, height: 860 }, deviceScaleFactor: 2 });
  await chat.login('Ada');
  await chat.join('release');
  for (const question of ['Give me three ideas for a rainy Sunday.', 'Write a short poem about the sea at night.', 'Explain what a WebSocket is to a ten-year-old.']) {
    await chat.page.locator('#new-chat').click();
    await chat.ask(question);
    await chat.ended('done');
  }
  await ben.ask('The notes are ready, have a look.');
  await ben.page.locator('#members button:not(:disabled)').click();
  await ben.ask('Shall we ship it today?');
  await chat.page.locator('#people-list .badge').waitFor();
  mock.pieceMs = 30;
  await chat.ask('Write a C function that reverses a string.');
  await chat.page.waitForFunction(() => document.querySelector('.turn:last-child')?.textContent?.includes('text[left++] = text[--right];'));
  await chat.page.mouse.move(700, 300);
  mkdirSync(dirname(file), { recursive: true });
  await chat.page.screenshot({ path: file, animations: 'disabled' });
  assert.equal(await chat.answer.getAttribute('data-status'), 'streaming', 'the picture must show an answer on its way');
  await chat.close();
  await ben.close();
} finally {
  await browser.close();
  await mock.stop();
}

const { size } = statSync(file);
assert.ok(size < MAX_BYTES, `${file} has ${size} bytes, more than ${MAX_BYTES}`);
console.log(`${file}: ${size} bytes`);
