#!/usr/bin/env python3
"""A WebSocket echo server that is wrong on purpose, to show that the conformance run notices.

    python3 tests/conformance/lax_server.py utf8        accepts text that is not UTF-8
    python3 tests/conformance/lax_server.py reserved    accepts reserved bits
    python3 tests/conformance/lax_server.py close       answers every close with code 1000, whatever is wrong with it

In all else that the cases of sections 1, 3, 6 and 7 ask for it is right enough. It prints "listening on HOST:PORT" and
serves one thread per connection until it is killed.
"""

import base64
import hashlib
import socketserver
import struct
import sys

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Echo(socketserver.StreamRequestHandler):
    flaw = ""

    def handle(self):
        self.handshake()
        message, kind = bytearray(), None
        while (received := self.read_frame()) is not None:
            fin, rsv, opcode, payload = received
            if rsv and self.flaw != "reserved":
                return self.close(1002)
            if opcode == 8:
                return self.answer_close(payload)
            if opcode == 9:
                self.send(10, payload)
            elif opcode in (0, 1, 2):
                kind = kind or opcode
                message += payload
                if fin:
                    if kind == 1 and self.flaw != "utf8" and not is_utf8(bytes(message)):
                        return self.close(1007)
                    self.send(kind, bytes(message))
                    message, kind = bytearray(), None

    def handshake(self):
        key = ""
        while (line := self.rfile.readline().strip()):
            name, _, value = line.decode().partition(":")
            if name.lower() == "sec-websocket-key":
                key = value.strip()
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        self.wfile.write(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          f"Sec-WebSocket-Accept: {accept}\r\n\r\n").encode())

    def read_frame(self):
        head = self.rfile.read(2)
        if len(head) < 2:
            return None
        size = head[1] & 0x7F
        if size > 125:
            size = int.from_bytes(self.rfile.read(2 if size == 126 else 8), "big")
        mask = self.rfile.read(4)
        payload = self.rfile.read(size)
        if len(payload) < size:
            return None
        return bool(head[0] & 0x80), head[0] & 0x70, head[0] & 0x0F, bytes(b ^ mask[i % 4] for i, b in enumerate(payload))

    def send(self, opcode, payload):
        size = len(payload)
        length = bytes([size]) if size < 126 else struct.pack("!BH", 126, size) if size < 65536 else struct.pack("!BQ", 127, size)
        self.wfile.write(bytes([0x80 | opcode]) + length + payload)

    def close(self, code):
        self.send(8, struct.pack("!H", code))

    def answer_close(self, payload):
        if self.flaw == "close" or not payload:
            return self.close(1000)
        code = int.from_bytes(payload[:2], "big")
        valid = len(payload) >= 2 and (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999)
        if not valid or len(payload) > 125 or not is_utf8(payload[2:]):
            return self.close(1002)
        self.send(8, payload)


def is_utf8(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a peer that breaks off is what the cases are about


if __name__ == "__main__":
    if sys.argv[1:] not in (["utf8"], ["reserved"], ["close"]):
        sys.exit("usage: lax_server.py utf8|reserved|close")
    Echo.flaw = sys.argv[1]
    with Server(("127.0.0.1", 0), Echo) as server:
        print(f"listening on 127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()
