/**
 * The page in Chromium and Firefox on two real nodes with one Redis behind haproxy, when a part of all that breaks in mid-answer:
 * what the reader ends up with is what the model said.
 */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import puppeteer from 'puppeteer-core';
import { Cluster } from './cluster-harness.mjs';
import { answerTo } from './harness.mjs';
import { CHROMIUM_OPTIONS } from './page.mjs';
import { ask, FIREFOX_OPTIONS, state, until } from './puppeteer.mjs';

const QUESTION = 'story question';
/** The answer as it is shown: paragraphs, and no markup in them. */
const STORY = answerTo(QUESTION).replaceAll('\n\n', '');

const BROWSERS = { chrome: CHROMIUM_OPTIONS, firefox: FIREFOX_OPTIONS };

/** @type {Cluster} */ let cluster;

before(async () => {
  cluster = await Cluster.start();
});
after(() => cluster?.stop());

for (const [kind, options] of Object.entries(BROWSERS)) {
  describe(kind, () => {
    /** @type {import('puppeteer-core').Browser} */ let browser;
    /** @type {import('puppeteer-core').Page} */ let page;
    before(async () => {
      browser = await puppeteer.launch({ browser: kind, defaultViewport: null, ...options });
    });
    after(() => browser?.close());

    async function open() {
      page = await (await browser.createBrowserContext()).newPage();
      // The server says which node it is; the page has no use for that.
      await page.evaluateOnNewDocument(() => {
        window.WebSocket = class extends WebSocket {
          constructor(...all) {
            super(...all);
            this.addEventListener('message', ({ data }) => {
              const message = JSON.parse(data);
              if (message.type === 'service') window.node = message.node;
            });
          }
        };
      });
      await page.goto(cluster.url);
      await state(page, 'online');
    }

    const ended = (status) => page.waitForSelector(`.turn.assistant[data-status="${status}"]`);
    const text = () => page.$eval('.turn.assistant .body', (body) => body.textContent);
    const shows = (length) => until(page, (least) => (document.querySelector('.turn.assistant .body')?.textContent ?? '').length >= least, length);

    test('the network is cut twice', async () => {
      await open();
      await ask(page, QUESTION);
      for (const length of [80, 300]) {
        await shows(length);
        cluster.network.cut();
        await state(page, 'waiting');
        await sleep(300);
        cluster.network.mend();
      }
      await ended('done');
      assert.equal(await text(), STORY);
      await page.close();
    });

    test('Redis is killed', async () => {
      await open();
      await ask(page, QUESTION);
      await shows(80);
      await cluster.killRedis();
      await page.waitForSelector('#degraded', { visible: true });
      await ended('done');
      assert.equal(await text(), STORY);
      await cluster.startRedis();
      await page.waitForSelector('#degraded', { hidden: true });
      await page.reload();
      await until(page, (story) => document.querySelector('.turn.assistant .body')?.textContent === story, STORY);
      await page.close();
    });

    test('the node is killed: what it wrote stays, and another one answers again', async () => {
      await open();
      await ask(page, QUESTION);
      await shows(80);
      const node = await page.evaluate('node');
      await cluster.killNode(node);
      await ended('failed');
      assert.notEqual(await page.evaluate('node'), node);
      const partial = await text();
      assert.ok(partial.length >= 80 && STORY.startsWith(partial), partial);
      await page.click('.turn.assistant .again');
      await ended('done');
      assert.equal(await text(), STORY);
      assert.equal(await page.$$eval('.turn', (turns) => turns.length), 2);
      await cluster.startNode(node);
      await page.close();
    });
  });
}
