import { chromium } from 'playwright-core';
import { MockServer } from './mock-server.mjs';
const m = await MockServer.start({ pieceMs: 4 });
const b = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox','--disable-gpu'] });
async function run(name, opts, steps) {
  const c = await b.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 860 }, ...opts });
  const p = await c.newPage();
  p.on('console', (x) => ['error','warning'].includes(x.type()) && console.log(name, x.text()));
  p.on('pageerror', (e) => console.log(name, 'EXC', String(e.stack).slice(0,600)));
  await p.goto(m.url);
  try { await steps(p); } catch (e) { console.log(name, 'STEP', String(e).slice(0,400)); }
  await p.waitForTimeout(400);
  await p.screenshot({ path: `/tmp/page_shot_${name}.png` });
  await c.close();
}
const ask = async (p, q) => { await p.fill('#message', q); await p.press('#message', 'Enter'); };
const done = (p) => p.waitForSelector('.turn.assistant:last-child:not([data-status=waiting],[data-status=streaming])', { timeout: 20000 });
const only = process.argv[2];
const shots = {
  empty: [{}, async () => {}],
  chat: [{}, async (p) => { await ask(p, 'Write a C function that reverses a string.'); await done(p); }],
  everything: [{}, async (p) => { await ask(p, 'Show me everything question'); await done(p); }],
  dark: [{ colorScheme: 'dark', viewport: { width: 1280, height: 1300 } }, async (p) => { await ask(p, 'Show me everything question'); await done(p); }],
  phone: [{ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 }, async (p) => { await ask(p, 'Show me everything question'); await done(p); }],
  phonedark: [{ colorScheme: 'dark', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 }, async (p) => { await ask(p, 'C function'); await done(p); await ask(p, 'rate limit question'); await done(p); await p.tap('#open-sidebar'); }],
  zh: [{ locale: 'zh-CN' }, async (p) => { await ask(p, '给一个十岁的孩子讲讲什么是 WebSocket。'); await done(p); }],
  errors: [{}, async (p) => { await ask(p, 'cut question'); await done(p); await ask(p, 'broken question'); await done(p); await ask(p, 'x queue question'); await p.waitForTimeout(300); }],
  offline: [{ colorScheme: 'dark' }, async (p) => { await ask(p, 'long question'); await p.waitForTimeout(900); m.refusing = true; m.drop(); await p.waitForTimeout(1500); }],
};
const login = async (p, name) => { await p.click('#me'); await p.fill('#dialog-input', name); await p.click('#dialog-ok'); await p.waitForSelector('dialog:not([open])', { state: 'attached' }); };
const join = async (p, name) => { await p.click('#join-room'); await p.fill('#dialog-input', name); await p.click('#dialog-ok'); };
async function people(p, more) {
  const c2 = await b.newContext({ locale: 'en-GB' }); const q = await c2.newPage(); await q.goto(m.url);
  await login(q, 'Ben'); await join(q, 'garden');
  if (p.viewportSize().width < 800) await p.click('#open-sidebar');
  await login(p, 'Ada'); await join(p, 'garden'); await p.waitForSelector('#members li:nth-child(2)');
  const say = async (x, t) => { await x.fill('#message', t); await x.press('#message', 'Enter'); };
  await say(q, 'Has anybody an idea what we could plant beside the wall? It gets sun from noon on.'); await p.waitForSelector('.turn.person');
  await say(p, 'Figs! And something that climbs.'); await q.waitForSelector('.turn.person');
  await q.click('#ask-model'); await say(q, 'Explain what a WebSocket is to a ten-year-old.');
  await p.waitForSelector('.turn.assistant[data-status=streaming]');
  await more?.(p, q, say);
  return c2;
}
shots.room = [{}, async (p) => { await people(p); await done(p); }];
shots.roomphone = [{ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 }, async (p) => { await people(p); await done(p); }];
shots.direct = [{ colorScheme: 'dark' }, async (p) => { await people(p, async (p, q, say) => { await done(p);
  await q.click('#members button:not(:disabled)'); await say(q, 'Shall we go to the market on Saturday?'); await p.waitForSelector('#people-list .entry'); await say(q, 'Early, before it gets hot.'); await p.waitForTimeout(200); await p.click('#people-list .open'); await say(p, 'Gladly. At eight?'); await say(q,'Fine!'); await p.waitForTimeout(300); await say(p, 'See you.'); await p.click('#room-list .open'); await say(q,'Bring a bag'); await p.waitForTimeout(300); await p.click('#people-list .open'); }); }];
shots.name = [{}, async (p) => { await p.click('#join-room'); await p.click('#dialog-ok'); }];
for (const [n, [o, s]] of Object.entries(shots)) if (!only || only.split(',').includes(n)) { await run(n, o, s); m.refusing = false; m.tokens.clear(); m.roomMessages.clear(); }
await b.close(); await m.stop(); process.exit(0);
