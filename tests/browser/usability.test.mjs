/** Reading and writing: scrolling, keyboard, input methods, phones, languages, screen readers, reloads. */

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { textFor } from './mock-answers.mjs';
import { ChatPage, NAMED_HOST, PHONE, mockStage } from './page.mjs';

const on = mockStage();
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const SMALL = { viewport: { width: 900, height: 420 } };

// ---- scrolling ----

for (const reducedMotion of ['no-preference', 'reduce']) {
  test(`the conversation follows the answer until the reader scrolls up (motion: ${reducedMotion})`, async () => {
    const chat = await on.open({ ...SMALL, reducedMotion });
    await chat.ask('long question');
    await chat.shows(700);
    assert.ok((await chat.distanceFromEnd()) <= 1, 'it must follow');
    assert.equal(await chat.jumpButton.isVisible(), false);

    await chat.log.hover();
    await chat.page.mouse.wheel(0, -120);
    await chat.jumpButton.waitFor();
    await sleep(300); // smooth scrolling
    const read = await chat.log.evaluate((log) => log.scrollTop);
    const length = (await chat.text()).length;
    await chat.shows(length + 150);
    assert.equal(await chat.log.evaluate((log) => log.scrollTop), read, 'it must leave the reader alone');

    await chat.jumpButton.click();
    await chat.jumpButton.waitFor({ state: 'hidden' });
    await chat.shows((await chat.text()).length + 100);
    assert.ok((await chat.distanceFromEnd()) <= 1, 'it must follow again');

    // Scrolling back to the end by hand is as good as the button.
    await chat.log.press('PageUp');
    await chat.jumpButton.waitFor();
    await chat.log.press('End');
    await chat.jumpButton.waitFor({ state: 'hidden' });
    await chat.page.keyboard.press('Escape');
    await chat.ended('stopped');
    await chat.close();
  });
}

// ---- keyboard ----

test('the keyboard is enough', async () => {
  const chat = await on.open();
  const { keyboard } = chat.page;
  const focused = () => chat.page.evaluate(() => document.activeElement.id || document.activeElement.className);
  assert.equal(await focused(), 'message', 'one can type at once');

  await keyboard.type('plain');
  await keyboard.press('Shift+Enter');
  await keyboard.type('question');
  assert.equal(await chat.input.inputValue(), 'plain\nquestion');
  assert.equal(chat.sent.length, 0);
  await chat.input.fill('   ');
  await keyboard.press('Enter');
  assert.equal(chat.sent.length, 0, 'blanks are no message');

  await chat.input.fill('long question');
  await keyboard.press('Enter');
  assert.equal(await chat.input.inputValue(), '');
  assert.equal(await focused(), 'message');
  await chat.shows(20);
  await keyboard.press('Tab');
  assert.equal(await focused(), 'send');
  await keyboard.press('Enter');
  await chat.ended('stopped');
  assert.equal(await focused(), 'message', 'after stopping, one can go on typing');

  // Backwards: through the conversation's controls to the header.
  const passed = new Set();
  for (let step = 0; step < 14; step += 1) {
    await keyboard.press('Shift+Tab');
    passed.add(await focused());
  }
  for (const id of ['log', 'language', 'theme', 'me']) assert.ok(passed.has(id), `${id} cannot be reached: ${[...passed]}`);
  await chat.close();
});

test('a double click on "Send" sends, and does not stop', async () => {
  const chat = await on.open();
  await chat.input.fill('plain question');
  await chat.sendButton.dblclick();
  await chat.ended('done');
  assert.deepEqual(chat.sent.map(({ type }) => type), ['chat']);
  await chat.close();
});

test('the Enter that ends a composition does not send', async () => {
  const chat = await on.open();
  const cdp = await chat.context.newCDPSession(chat.page);
  const enter = (type, code) => cdp.send('Input.dispatchKeyEvent', { type, key: code === 229 ? 'Process' : 'Enter', code: 'Enter', windowsVirtualKeyCode: code });
  await chat.page.evaluate(() => {
    window.composing = [];
    document.addEventListener('keydown', (event) => window.composing.push([event.key, event.isComposing, event.keyCode]), true);
  });
  await chat.input.focus();

  await cdp.send('Input.imeSetComposition', { text: '中文', selectionStart: 2, selectionEnd: 2 });
  await enter('keyDown', 13);
  await enter('keyUp', 13);
  assert.deepEqual((await chat.page.evaluate(() => window.composing)).at(-1).slice(0, 2), ['Enter', true]);
  await sleep(100);
  assert.equal(chat.sent.length, 0, 'isComposing must hold the message back');

  await cdp.send('Input.insertText', { text: '中文问题' }); // the composition ends
  // Safari: the Enter comes after the composition, and only its key code tells.
  await chat.input.evaluate((input) => {
    const event = new KeyboardEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true, cancelable: true });
    input.dispatchEvent(event);
  });
  await sleep(100);
  assert.equal(chat.sent.length, 0, 'key code 229 must hold the message back');

  assert.equal(await chat.input.inputValue(), '中文问题');
  await chat.input.press('Enter');
  await chat.ended('done');
  assert.equal(chat.sent[0].message, '中文问题');
  await chat.close();
});

// ---- phones ----

for (const locale of ['en-GB', 'zh-CN']) {
  test(`a 360 pixel wide phone never scrolls sideways (${locale})`, async () => {
    const chat = await on.open({ ...PHONE, locale });
    const fits = async (when) => {
      // Not innerWidth: a phone makes that larger rather than let a page be wider.
      const wide = await chat.page.evaluate((width) => {
        const log = document.getElementById('log');
        const outside = [...document.querySelectorAll('body *')].filter((element) => {
          if (element.closest('.sr-only, pre, .table, svg, template, .sidebar') || getComputedStyle(element).position === 'absolute') return false;
          const box = element.getBoundingClientRect();
          return box.width > 0 && (box.right > width + 0.5 || box.left < -0.5);
        });
        return { page: document.documentElement.scrollWidth - width, log: log.scrollWidth - log.clientWidth, outside: outside.map((element) => element.outerHTML.slice(0, 80)) };
      }, PHONE.viewport.width);
      assert.deepEqual(wide, { page: 0, log: 0, outside: [] }, when);
    };
    await fits('empty');
    await chat.ask('Write a C function that reverses a string.');
    await chat.shows(200);
    await fits('in mid-answer');
    await chat.page.locator('#send').click();
    await chat.ended('stopped');
    await chat.ask('rate limit question');
    await chat.ended('failed');
    await fits('with an error');
    await chat.ask(`plain question ${'x'.repeat(300)}`);
    await chat.ended('done');
    await fits('with a very long word');
    await chat.ask('everything question');
    await chat.ended('done');
    await fits('with a table and long code');

    // Fingers: nothing to press is smaller than 24 by 24 pixels.
    const small = await chat.page.evaluate(() => [...document.querySelectorAll('button')].filter((button) => {
      const box = button.getBoundingClientRect();
      return box.width > 0 && (box.width < 24 || box.height < 24);
    }).map((button) => button.outerHTML.slice(0, 80)));
    assert.deepEqual(small, []);
    await chat.close();
  });
}

test('an on-screen keyboard leaves the composer and the latest words in view', async () => {
  const chat = await on.open(PHONE);
  await chat.ask('long question');
  await chat.shows(1_000);
  await chat.page.setViewportSize({ width: 360, height: 420 });
  await sleep(200);
  const box = await chat.input.boundingBox();
  assert.ok(box.y + box.height <= 420, 'the composer is hidden');
  assert.ok((await chat.distanceFromEnd()) <= 1, 'the latest words are hidden');
  await chat.stopButton.click();
  await chat.close();
});

// ---- languages ----

test('the page speaks the language of the browser, and the one that was chosen', async () => {
  const chat = await on.open({ locale: 'zh-CN' });
  const lang = () => chat.page.evaluate(() => document.documentElement.lang);
  assert.equal(await lang(), 'zh-CN');
  await chat.page.getByRole('heading', { name: '想聊点什么？' }).waitFor();
  await chat.page.getByText('在线').waitFor();
  await chat.ask('rate limit question');
  await chat.answer.getByText('语言模型拒绝了这次请求。').waitFor();

  await chat.page.getByRole('button', { name: 'Switch to English' }).click();
  assert.equal(await lang(), 'en');
  await chat.answer.getByText('The language model refused the request.').waitFor();
  assert.equal(await chat.input.getAttribute('placeholder'), 'Ask anything');
  assert.doesNotMatch(await chat.page.evaluate(() => document.getElementById('app').innerText.replace('中文', '').replace('rate limit question', '')), /\p{Script=Han}/u);

  await chat.page.reload();
  await chat.state('online');
  assert.equal(await lang(), 'en', 'the choice is kept');
  await chat.close();
});

test('on plain http, where browsers hold some functions back, everything works', async () => {
  const chat = await ChatPage.open(on.browser, on.mock.url.replace('127.0.0.1', NAMED_HOST));
  assert.equal(await chat.page.evaluate(() => isSecureContext || 'randomUUID' in crypto || 'clipboard' in navigator), false);
  await chat.works();
  assert.match(chat.sent[0].sessionId, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  await chat.answer.getByRole('button', { name: 'Copy' }).click();
  await chat.answer.getByRole('button', { name: 'Copied' }).waitFor();
  await chat.input.press('ControlOrMeta+v');
  assert.equal(await chat.input.inputValue(), textFor('plain question'));
  await chat.close();
});

// ---- screen readers ----

test('an answer is announced in sentences, and its end is', async () => {
  const chat = await on.open();
  const region = chat.page.locator('#announcer');
  assert.equal(await region.getAttribute('aria-live'), 'polite');
  await chat.works();
  const said = await region.locator('p').allTextContents();
  assert.equal(said.at(-1), 'Answer complete.');
  const answer = said.slice(said.indexOf('Thinking…') + 1, -1);
  assert.equal(answer.join(' '), textFor('plain question'));
  assert.ok(answer.length >= 1 && answer.length <= 4, `${answer.length} announcements`);
  await chat.close();
});

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds no fault (${colorScheme})`, async () => {
    const chat = await on.open({ colorScheme, reducedMotion: 'reduce' });
    const check = async (when) => {
      const { violations } = await chat.page.evaluate(`${axe}; axe.run({ resultTypes: ['violations'] })`);
      assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`), [], when);
    };
    await check('empty');
    await chat.ask('everything question');
    await chat.ended('done');
    await chat.ask('rate limit question');
    await chat.ended('failed');
    await check('conversation with an error');
    await chat.page.locator('#join-room').click();
    await check('a dialog');
    await chat.answerDialog(`axe ${colorScheme}`);
    await chat.page.getByRole('heading', { name: 'Join a room' }).waitFor();
    await chat.answerDialog('axe');
    await chat.page.locator('#members li').first().waitFor();
    await chat.ask('Hello');
    await chat.page.getByText('Sent', { exact: true }).waitFor();
    await check('a room');
    await chat.close();
  });
}

test('on a phone the list is a drawer that keeps the focus, and gives it back', async () => {
  const chat = await on.open(PHONE);
  const { page } = chat;
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.className);
  assert.equal(await page.locator('#sidebar').isVisible(), false);
  await page.getByRole('button', { name: 'Show conversations' }).click();
  await page.locator('#sidebar').waitFor();
  assert.equal(await focused(), 'close-sidebar');
  assert.equal(await page.locator('#main').evaluate((main) => main.inert), true);
  await page.keyboard.press('Escape');
  await page.locator('#sidebar').waitFor({ state: 'hidden' });
  assert.equal(await focused(), 'open-sidebar');
  assert.equal(await page.locator('#main').evaluate((main) => main.inert), false);
  await chat.close();
});

test('colours: the system’s, or the ones that were chosen', async () => {
  const chat = await on.open({ colorScheme: 'dark' });
  const ground = () => chat.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const [dark, light] = ['rgb(21, 24, 23)', 'rgb(251, 250, 248)'];
  assert.equal(await ground(), dark);
  await chat.page.getByRole('button', { name: 'Colours: as the system' }).click();
  assert.equal(await ground(), light);
  await chat.page.reload();
  assert.equal(await ground(), light, 'the choice is kept');
  await chat.page.getByRole('button', { name: 'Colours: light' }).click();
  await chat.page.getByRole('button', { name: 'Colours: dark' }).click();
  await chat.page.emulateMedia({ colorScheme: 'light' });
  assert.equal(await ground(), light);
  await chat.close();
});

test('two hundred messages are shown at once, and typing stays quick', async () => {
  const chat = await on.open();
  await chat.works();
  await chat.page.evaluate((markdown) => {
    const key = Object.keys(localStorage).find((name) => name.startsWith('wsengine-chat.conversation.'));
    const turns = Array.from({ length: 100 }, (_, index) => [
      { role: 'user', text: `Question ${index}`, at: index }, { role: 'assistant', text: markdown, at: index, question: '', status: 'done' },
    ]).flat();
    localStorage.setItem(key, JSON.stringify(turns));
    window.onpagehide = null;
  }, textFor('everything question'));
  await chat.page.reload();
  const begin = await chat.page.evaluate(() => performance.getEntriesByType('navigation')[0].duration);
  await chat.state('online');
  assert.equal(await chat.answers.count(), 100);
  assert.ok(begin < 8_000, `${begin} ms to load`);
  await chat.ask('plain question');
  await chat.ended('done');
  assert.ok((await chat.distanceFromEnd()) <= 1);
  await chat.close();
});
