/** What puppeteer does by means that not every Firefox has: 140, an ESR that is still about, is one without. */

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

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
