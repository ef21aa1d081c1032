// npm ws as server for a client under test:  node ws_server.mjs
//
// Prints "listening on 127.0.0.1:PORT". What it does depends on the path:
//   /echo        sends every message back
//   /push        sends text, binary and a ping, then closes with 1000 once the pong is there
//   /large       sends 16 MiB of text, then closes with 1000
//   /close/CODE  closes with that code at once
//   /terminate   drops the connection without a close frame
//   /refuse      answers the handshake with 401
// Ends when its stdin ends.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const behaviours = {
  echo: (socket) => socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })),
  push: (socket) => {
    socket.send('pushed text é');
    socket.send(Buffer.from([0, 1, 2, 255]));
    socket.ping('are you there');
    socket.on('pong', (data) => socket.close(data.toString() === 'are you there' ? 1000 : 1011));
  },
  large: (socket) => {
    socket.send('x'.repeat(16 << 20));
    socket.close(1000);
  },
  close: (socket, code) => socket.close(Number(code), 'as asked'),
  terminate: (socket) => socket.terminate(),
};

const http = createServer();
const websockets = new WebSocketServer({ noServer: true, maxPayload: 64 << 20, perMessageDeflate: true });
http.on('upgrade', (request, socket, head) => {
  const [, name, argument] = request.url.split('/');
  if (name === 'refuse') {
    socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    return;
  }
  websockets.handleUpgrade(request, socket, head, (accepted) => {
    accepted.on('error', (error) => console.error(error.message));
    behaviours[name](accepted, argument);
  });
});
http.listen(0, '127.0.0.1', () => console.log(`listening on 127.0.0.1:${http.address().port}`));
process.stdin.on('end', () => process.exit(0)).resume();
