/**
 * Makes the README's picture of the chat in mid-answer, with ai_chat and the mock model: docs/images/chat.png.
 *
 *   node screenshots.mjs [FILE]
 *
 * It looks best where the font Inter is installed (Debian: fonts-inter, fonts-noto-color-emoji).
 */

import assert from 'node:assert/strict';
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ChatPage, startBrowser, startChat, startModel } from './harness.mjs';

const file = process.argv[2] ?? fileURLToPath(new URL('../../docs/images/chat.png', import.meta.url));
const MAX_BYTES = 400_000;

const model = await startModel();
const server = await startChat(model.url);
const browser = await startBrowser();
try {
  const chat = await ChatPage.open(browser, server.url, { viewport: { width: 1180, height: 920 }, deviceScaleFactor: 2 });
  await chat.ask('Explain what a WebSocket is to a ten-year-old.');
  await chat.ended('done');
  await chat.ask('Write a C function that reverses a string.');
  await chat.page.waitForFunction(() => document.querySelector('.turn:last-child')?.textContent?.includes('text[left++] = text[--right];'));
  mkdirSync(dirname(file), { recursive: true });
  await chat.page.screenshot({ path: file, animations: 'disabled' });
  assert.equal(await chat.answer.getAttribute('data-status'), 'streaming', 'the picture must show an answer on its way');
  await chat.stopButton.click();
  await chat.ended('stopped');
  await chat.close();
} finally {
  await browser.close();
  await server.stop();
  await model.stop();
}

const { size } = statSync(file);
assert.ok(size < MAX_BYTES, `${file} has ${size} bytes, more than ${MAX_BYTES}`);
console.log(`${file}: ${size} bytes`);
