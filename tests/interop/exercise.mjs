// What a peer does, the same as in tests/python/interop_peers.py. These functions need nothing but a WebSocket as browsers have
// it, and nothing from outside of themselves but each other: Chromium gets their source.

/** Sends messages of every kind and size over an open socket to something that echoes, and checks what comes back. */
export async function exercise(socket) {
  const sizes = [125, 126, 65535, 65536, 1 << 20];
  const encoder = new TextEncoder();
  const textOf = (size) => {
    const text = '你好世界 '.repeat(Math.floor(size / 13));
    return text + 'x'.repeat(size - encoder.encode(text).length);
  };
  const randomOf = (size) => {
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
    return bytes;
  };
  const twice = randomOf(2048);
  const messages = ['', new Uint8Array(0), '你好，世界 🌍 Grüße', ...sizes.flatMap((size) => [textOf(size), randomOf(size)]), twice, twice];

  socket.binaryType = 'arraybuffer';
  for (const message of messages) {
    const answer = new Promise((resolve, reject) => {
      socket.onmessage = ({ data }) => resolve(data);
      socket.onclose = ({ code, reason }) => reject(new Error(`closed: ${code} ${reason}`));
    });
    socket.send(message);
    const data = await answer;
    const same = typeof message === 'string' || typeof data === 'string'
      ? data === message
      : data.byteLength === message.length && new Uint8Array(data).every((byte, i) => byte === message[i]);
    if (!same) throw new Error(`${message.length} of ${typeof message} came back changed`);
  }
}

/** Closes; the other end has to answer with the same code. */
export async function close(socket, code, reason) {
  const closed = new Promise((resolve) => { socket.onclose = resolve; });
  socket.close(code, reason);
  const event = await closed;
  if (event.code !== code || !event.wasClean) throw new Error(`closed with ${code}, answered with ${event.code}`);
}

/** As client of a server that echoes. Returns what was negotiated. */
export async function visit(url, closes, WebSocket, more = async () => {}) {
  const connect = () => new Promise((resolve, reject) => {
    const socket = new WebSocket(url, ['other', 'chat']);
    socket.onopen = () => resolve(socket);
    socket.onerror = (event) => reject(new Error(`no connection: ${event.message ?? event.error ?? ''}`));
  });
  const socket = await connect();
  const { protocol, extensions } = socket;
  await exercise(socket);
  await more(socket);
  await close(socket, 1000, 'done');
  for (const [code, reason] of closes) await close(await connect(), code, reason);
  return { protocol, extensions };
}
