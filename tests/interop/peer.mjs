// Peers in JavaScript for the interoperability matrix:
//
//   node peer.mjs ws|undici|chromium URL OPTIONS   as client of a server that echoes
//   node peer.mjs ws-server OPTIONS                npm ws as server of a client that echoes (autobahn_client) or is echoed (wscat)
//
// OPTIONS is JSON: {"closes": [[CODE, REASON], …], "compression": BOOLEAN, "smallWindows": BOOLEAN}. A client prints what was
// negotiated as JSON and ends with 0, or fails. The server prints "listening on 127.0.0.1:PORT", after /updateReports one line of
// JSON with the number of finished cases and what went wrong, and ends with its stdin.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import * as undici from 'undici';
import Ws, { WebSocketServer } from 'ws';
import { close, exercise, visit } from './exercise.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** What npm ws can and a browser cannot: pings and fragments. */
async function more(socket) {
  const pong = once(socket, 'pong');
  socket.ping('are you there');
  assert.equal((await pong)[0].toString(), 'are you there');
  const answer = once(socket, 'message');
  for (const part of ['一', '', '二三']) socket.send(part, { fin: false });
  socket.send('x'.repeat(70_000));
  const [data, isBinary] = await answer;
  assert.ok(!isBinary && Buffer.from(data).toString() === `一二三${'x'.repeat(70_000)}`);
}

const clients = {
  ws: (url, { closes, compression, smallWindows }) => {
    const perMessageDeflate = compression && { threshold: 0, ...(smallWindows && { serverMaxWindowBits: 9 }) };
    const WebSocket = class extends Ws {
      constructor(address, protocols) { super(address, protocols, { perMessageDeflate }); }
    };
    return visit(url, closes, WebSocket, more);
  },

  undici: (url, { closes }) => visit(url, closes, undici.WebSocket),

  chromium: async (url, { closes }) => {
    const { chromium } = createRequire(new URL('../browser/', import.meta.url))('playwright-core');
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
    try {
      const page = await browser.newPage();
      const call = `visit(${JSON.stringify(url)}, ${JSON.stringify(closes)}, WebSocket)`;
      return await page.evaluate(`(() => { ${exercise}\n${close}\n${visit}\nreturn ${call}; })()`);
    } finally {
      await browser.close();
    }
  },
};

function serve({ closes, compression }) {
  const report = { finished: 0, problems: [] };
  const run = async (socket, target) => {
    const { pathname, searchParams } = new URL(target, 'ws://127.0.0.1');
    if (pathname === '/') {
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    } else if (pathname === '/getCaseCount') {
      socket.send(String(1 + closes.length));
      await close(socket, 1000, '');
    } else if (pathname === '/runCase') {
      const number = Number(searchParams.get('case'));
      if (number === 1) {
        await exercise(socket);
        await more(socket);
      }
      await close(socket, ...closes[Math.max(number - 2, 0)]);
      report.finished += 1;
    } else {
      await close(socket, 1000, '');
      console.log(JSON.stringify(report));
    }
  };
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    perMessageDeflate: compression && { threshold: 0 },
    handleProtocols: (offered) => offered.has('chat') && 'chat',
  }, () => console.log(`listening on 127.0.0.1:${server.address().port}`));
  server.on('connection', (socket, request) => {
    socket.on('error', (error) => report.problems.push(error.message));
    run(socket, request.url).catch((error) => report.problems.push(`${request.url}: ${error.message}`));
  });
  process.stdin.on('end', () => process.exit(0)).resume();
}

const [who, ...rest] = process.argv.slice(2);
const options = JSON.parse(rest.pop());
if (who === 'ws-server') {
  serve(options);
} else {
  console.log(JSON.stringify(await clients[who](rest[0], options)));
  process.exit(0); // undici keeps its connections
}
