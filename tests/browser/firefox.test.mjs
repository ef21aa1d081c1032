/** The core of the page in Firefox, through WebDriver BiDi: what depends on the browser's own WebSocket, storage, clipboard, CSP and layout. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import puppeteer from 'puppeteer-core';
import { textFor } from './mock-answers.mjs';
import { MockServer } from './mock-server.mjs';
import { ask, FIREFOX_OPTIONS, resize, state, until } from './puppeteer.mjs';

/** @type {import('puppeteer-core').Browser} */ let browser;
/** @type {MockServer} */ let mock;
/** What the pages' consoles say. */
let complaints = [];

before(async () => {
  mock = await MockServer.start();
  browser = await puppeteer.launch({ browser: 'firefox', ...FIREFOX_OPTIONS, extraPrefsFirefox: { 'intl.accept_languages': 'en-GB' } });
});
after(async () => {
  await browser?.close();
  await mock?.stop();
});

async function open({ width = 1280, height = 800 } = {}) {
  complaints = [];
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.on('console', (message) => { if (['error', 'warn'].includes(message.type())) complaints.push(message.text()); });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await resize(page, width, height);
  await page.goto(mock.url);
  await state(page, 'online');
  return { page, close: async () => {
    await context.close();
    assert.deepEqual(complaints.filter((text) => !/can.t establish a connection|connection .* was interrupted/.test(text)), []);
  } };
}

const ended = (page, status = 'done') => page.waitForSelector(`.turn.assistant:last-child[data-status="${status}"]`);
const text = (page, selector) => page.$$eval(selector, (all) => all.at(-1)?.textContent ?? null);
const shows = (page, length) => until(page, (least) => ([...document.querySelectorAll('.turn.assistant .body')].at(-1)?.textContent ?? '').length >= least, length);

test('asks, shows, stops, and goes on after a reload', async () => {
  const { page, close } = await open();
  await ask(page, 'everything question');
  await ended(page);
  assert.equal(await text(page, '.body h3'), 'What Markdown can do');
  assert.equal(await page.$$eval('.body td', (cells) => cells.length), 12);
  assert.deepEqual(await page.$$eval('.body a', (links) => links.map(({ rel }) => rel)), Array(2).fill('noopener noreferrer nofollow'));
  await ask(page, 'long question');
  await shows(page, 200);
  await page.reload();
  await shows(page, 500);
  assert.equal(await page.$$eval('.turn', (turns) => turns.length), 4);
  assert.ok(await page.$eval('#log', (log) => log.scrollHeight - log.clientHeight - log.scrollTop <= 1), 'it follows');
  await page.keyboard.press('Escape');
  await ended(page, 'stopped');
  await close();
});

test('an answer goes on where it was when the connection breaks', async () => {
  const { page, close } = await open();
  await ask(page, 'Tell a ten-year-old');
  await shows(page, 30);
  mock.drop();
  await state(page, 'waiting');
  await ended(page);
  assert.equal(await text(page, '.turn.assistant .body'), textFor('ten-year-old').replaceAll('**', ''));
  await close();
});

test('nothing in a hostile answer runs or loads', async () => {
  const { page, close } = await open();
  const requests = [];
  page.on('request', (request) => requests.push(request.url()));
  await ask(page, 'hostile question');
  await ended(page);
  const found = await page.$eval('.turn.assistant .body', (body) => ({
    elements: body.querySelectorAll('img, script, style, iframe, form, input, meta, base, link, object, embed, math, template, svg:not(button svg)').length,
    handlers: [...body.querySelectorAll('*')].flatMap((element) => element.getAttributeNames()).filter((name) => /^on|^style$|^src|^id$|^name$/.test(name)),
    links: [...body.querySelectorAll('a[href]')].map((link) => link.protocol),
  }));
  assert.equal(found.elements, 0);
  assert.deepEqual(found.handlers, []);
  assert.deepEqual([...new Set(found.links)], ['https:']);
  assert.deepEqual(requests, []);
  await close();
});

test('a room, and a narrow window that does not scroll sideways', async () => {
  const { page, close } = await open({ width: 360, height: 700 });
  await page.click('#open-sidebar');
  await page.focus('#join-room');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open] #dialog-input');
  await page.keyboard.type('Firefox');
  await page.keyboard.press('Enter');
  await until(page, () => document.querySelector('#dialog-title').textContent === 'Join a room' && document.querySelector('dialog').open);
  await page.keyboard.type('den');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#members li');
  await ask(page, 'Hello');
  await page.waitForSelector('.user[data-delivery="stored"]');
  await page.click('#ask-model');
  await ask(page, 'C function');
  await ended(page);
  assert.deepEqual(await page.evaluate(() => [document.documentElement.scrollWidth - innerWidth, document.querySelector('#log').scrollWidth - document.querySelector('#log').clientWidth]), [0, 0]);
  await close();
});
