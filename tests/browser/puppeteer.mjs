/**
 * The page through puppeteer, which drives Firefox, too; what it does by means that not every Firefox has (140, an ESR that is still
 * about, is one without) is done by others.
 *
 *   FIREFOX=path   another one than /usr/bin/firefox-esr
 */

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

export const FIREFOX_OPTIONS = { executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr' };

export const state = (page, name) => page.waitForSelector(`#state[data-state="${name}"]`);

export async function ask(page, question) {
  await page.focus('#message');
  await page.keyboard.type(question);
  await page.keyboard.press('Enter');
}

/** Waits until `condition(argument)`, in the page, is true. page.waitForFunction() makes a function there, which the page's CSP forbids. */
export async function until(page, condition, argument) {
  for (const deadline = Date.now() + 30_000; !(await page.evaluate(condition, argument)); await sleep(50)) {
    assert.ok(Date.now() < deadline, `waited in vain for ${condition}`);
  }
}

/** page.setViewport(), which sets the size before it asks for an orientation. */
export async function resize(page, width, height) {
  await page.setViewport({ width, height }).catch((error) => {
    if (!/unknown command emulation.setScreenOrientationOverride/.test(error.message)) throw error;
  });
}
