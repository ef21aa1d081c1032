// npm ws as client against an echo server:  node ws_client.mjs ws://127.0.0.1:PORT/
//
// Sends messages of every length form, text and binary, whole and in fragments, pings, and closes. Ends with 0 when all came
// back as they went, with 1 and a message otherwise.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import WebSocket from 'ws';

const url = process.argv[2];
const SIZES = [0, 1, 125, 126, 127, 65535, 65536, 65537, 1 << 20, 16 << 20];

setTimeout(() => {
  console.error('ws_client: not done within 60 s');
  process.exit(1);
}, 60_000).unref();

async function open(options) {
  const socket = new WebSocket(url, options);
  await once(socket, 'open');
  return socket;
}

async function echo(socket, message) {
  const answer = once(socket, 'message');
  socket.send(message);
  const [data, isBinary] = await answer;
  assert.equal(isBinary, typeof message !== 'string');
  assert.ok(data.equals(Buffer.from(message)), `${message.length} came back changed`);
}

async function close(socket, code, reason) {
  const closed = once(socket, 'close');
  socket.close(code, reason);
  const [gotCode] = await closed;
  assert.equal(gotCode, code ?? 1005);
}

// Every length form.
let socket = await open();
assert.equal(socket.extensions, '');
for (const size of SIZES) {
  await echo(socket, randomBytes(size));
  await echo(socket, 'é世🌍x'.repeat(size / 10 + 1));
}

// Fragments, with a ping in between.
let answer = once(socket, 'message');
const pong = once(socket, 'pong');
socket.send('one ', { fin: false });
socket.ping('between');
socket.send('two ', { fin: false });
socket.send('three');
assert.equal((await pong)[0].toString(), 'between');
assert.equal((await answer)[0].toString(), 'one two three');

// Many at once, in order.
const received = [];
answer = new Promise((resolve) => {
  socket.on('message', (data) => {
    received.push(Number(data));
    if (received.length === 5000) resolve();
  });
});
for (let i = 0; i < 5000; i++) socket.send(String(i));
await answer;
assert.deepEqual(received, Array.from({ length: 5000 }, (_, i) => i));
await close(socket, 1000, 'bye');

await close(await open(), 4321, 'own code');
await close(await open());

// A subprotocol that the server does not speak: ws takes the answer without one as an error.
const [error] = await once(new WebSocket(url, ['chat']), 'error');
assert.match(error.message, /subprotocol/);

// A hundred connections side by side.
const sockets = await Promise.all(Array.from({ length: 100 }, () => open({ perMessageDeflate: false })));
await Promise.all(sockets.map((each, i) => echo(each, `socket ${i}`)));
await Promise.all(sockets.map((each) => close(each, 1000)));
console.log('ok');
