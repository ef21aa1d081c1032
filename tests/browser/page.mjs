/**
 * The page in Chromium, with the steps that a reader takes, and the mock server that most tests of it run on.
 *
 *   CHROMIUM=path   another browser than /usr/bin/chromium
 */

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { chromium } from 'playwright-core';
import { textFor } from './mock-answers.mjs';
import { MockServer } from './mock-server.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** A name for this machine. A page of it on plain http is no secure context, as one of 127.0.0.1 is. */
export const NAMED_HOST = 'chat.test';

export const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };

export const CHROMIUM_OPTIONS = {
  executablePath: CHROMIUM,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    `--host-resolver-rules=MAP ${NAMED_HOST} 127.0.0.1`,
  ],
};

export const startBrowser = () => chromium.launch(CHROMIUM_OPTIONS);

/** Mock server and browser for a test file; filled when its tests run. `setUp` comes before the first. */
export function mockStage(options = {}, setUp = async () => {}) {
  const parts = /** @type {{ mock: MockServer, browser: import('playwright-core').Browser, open: (options?: object) => Promise<ChatPage> }} */ ({});
  before(async () => {
    parts.mock = await MockServer.start(options);
    parts.browser = await startBrowser();
    parts.open = (context) => ChatPage.open(parts.browser, parts.mock.url, context);
    await setUp();
  });
  after(async () => {
    await parts.browser?.close();
    await parts.mock?.stop();
  });
  return parts;
}

/** What Chromium itself reports when a server is gone, also of a picture that it was about to fetch; no page can prevent it. */
const CONNECTION_LOST = /^WebSocket connection to '[^']+' failed|^Failed to load resource: net::ERR_CONNECTION_REFUSED$/;
/** What a client says unasked. */
const UNASKED = ['ping', 'pong', 'received', 'service'];

export class ChatPage {
  /** Everything that must not happen: errors and warnings on the console, exceptions, CSP violations, dialogs. */
  complaints = [];
  /** Messages of the page's WebSockets, both ways. */
  sent = [];
  received = [];

  static async open(browser, url, options = {}) {
    const chat = new ChatPage();
    chat.context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 800 }, ...options });
    await chat.openTab(url);
    return chat;
  }

  async openTab(url) {
    const chat = this;
    const page = chat.page = await chat.context.newPage();
    await page.exposeFunction('complain', (what) => chat.complaints.push(what));
    await page.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) => window.complain(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
    });
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type()) && !CONNECTION_LOST.test(message.text())) chat.complaints.push(message.text());
    });
    page.on('pageerror', (error) => chat.complaints.push(`exception: ${error.stack}`));
    page.on('dialog', (dialog) => {
      chat.complaints.push(`dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on('websocket', (socket) => {
      const keep = (list) => ({ payload }) => {
        const message = JSON.parse(String(payload));
        if (!UNASKED.includes(message.type)) list.push(message);
      };
      socket.on('framesent', keep(chat.sent));
      socket.on('framereceived', keep(chat.received));
    });
    chat.input = page.locator('#message');
    chat.log = page.getByRole('log');
    chat.answers = page.locator('.turn.assistant');
    chat.answer = chat.answers.last();
    chat.questions = page.locator('.turn.user');
    chat.people = page.locator('.turn.person');
    chat.entries = page.locator('#chat-list .entry .open');
    chat.stopButton = page.getByRole('button', { name: 'Stop the answer' });
    chat.sendButton = page.getByRole('button', { name: 'Send', exact: true });
    chat.jumpButton = page.getByRole('button', { name: 'Jump to latest' });
    await page.goto(url);
    await chat.state('online');
  }

  /** Waits for the connection to be in `state`. */
  async state(state) {
    await this.page.locator(`#state[data-state="${state}"]`).waitFor({ timeout: 30_000 });
  }

  async ask(question) {
    await this.input.fill(question);
    await this.input.press('Enter');
  }

  /** Waits until the last answer has ended as `status` says. */
  async ended(status = 'done') {
    await this.page.locator('.turn.assistant:last-child:not([data-status="waiting"], [data-status="streaming"])').waitFor({ timeout: 30_000 });
    assert.equal(await this.answer.getAttribute('data-status'), status);
  }

  /** Waits until the last answer shows at least so many characters. */
  async shows(length) {
    await this.page.waitForFunction((least) => {
      const bodies = document.querySelectorAll('.turn.assistant .body');
      return (bodies[bodies.length - 1]?.textContent ?? '').length >= least;
    }, length);
  }

  /** The last answer as the reader sees it. */
  text() {
    return this.answer.locator('.body').evaluate((body) => body.textContent);
  }

  /** Distance of the conversation from its end, in pixels, as it was drawn: behind a frame, before anything else changes. */
  distanceFromEnd() {
    return this.log.evaluate((log) => new Promise((resolve) => {
      const drawn = new MessageChannel();
      drawn.port1.onmessage = () => resolve(log.scrollHeight - log.clientHeight - log.scrollTop);
      requestAnimationFrame(() => drawn.port2.postMessage(0));
    }));
  }

  /** Asks and gets an answer: the page works. */
  async works() {
    await this.ask('plain question');
    await this.ended('done');
    assert.equal(await this.text(), textFor('plain question'));
  }

  // ---- people ----

  async answerDialog(text) {
    await this.page.locator('#dialog-input').fill(text);
    await this.page.locator('#dialog-ok').click();
  }

  async login(name) {
    await this.page.locator('#me').click();
    await this.answerDialog(name);
    await this.page.locator('#me-name').getByText(name, { exact: true }).waitFor();
  }

  async join(room) {
    await this.page.locator('#join-room').click();
    await this.answerDialog(room);
    await this.page.locator('#members li').first().waitFor();
  }

  async close() {
    await this.context.close();
    assert.deepEqual(this.complaints, [], 'the page must not complain');
  }
}
