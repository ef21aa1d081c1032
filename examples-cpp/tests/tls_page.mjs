// A page that was loaded over https opens a WebSocket to its server:  node tls_page.mjs HOST:PORT
//
// The certificate is not one that Chromium trusts, so it is told to take any. Ends with 0 when everything came back as it went.
import { createRequire } from 'node:module';
import { close, exercise } from '../../tests/interop/exercise.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const { chromium } = createRequire(new URL('../../tests/browser/', import.meta.url))('playwright-core');

const server = process.argv[2];
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
try {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const response = await page.goto(`https://${server}/`);
  if (!(await response.text()).includes('WebSocket echo')) throw new Error(`${response.status()}: not the page that was expected`);
  await page.evaluate(`(async () => {
    ${exercise}
    ${close}
    const socket = new WebSocket('wss://${server}/echo');
    await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = () => reject(new Error('no connection')); });
    await exercise(socket);
    await close(socket, 1000, 'done');
  })()`);
} finally {
  await browser.close();
}
