"""WebSocket by hand on a plain socket: what a test needs to send what no library would send, and to see the bytes that came."""

import base64
import hashlib
import os
import socket
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(opcode, payload=b"", *, fin=True, rsv=0, mask=b"\x37\xfa\x21\x3d", length=None):
    """One frame. mask=None leaves it unmasked; `length` lies about the payload's length."""
    size = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask is not None else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += struct.pack("!BH", bit | 126, size)
    else:
        head += struct.pack("!BQ", bit | 127, size)
    if mask is None:
        return head + payload
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    masked = int.from_bytes(payload, "little") ^ int.from_bytes(repeated, "little")
    return head + mask + masked.to_bytes(len(payload), "little")


def close_frame(code, reason=b"", **options):
    return frame(CLOSE, struct.pack("!H", code) + reason, **options)


def accept_key(key):
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def request(host="127.0.0.1", target="/", key="dGhlIHNhbXBsZSBub25jZQ==", extra=()):
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}",
             "Sec-WebSocket-Version: 13", *extra]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Connection:
    """A client's socket with a buffer before it."""

    def __init__(self, address, timeout=20, receive_buffer=None):
        self.socket = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(address)
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def fill(self):
        """Reads once; False at EOF or reset."""
        try:
            data = self.socket.recv(256 * 1024)
        except ConnectionResetError:
            return False
        self.buffer += data
        return bool(data)

    def read(self, size):
        while len(self.buffer) < size:
            if not self.fill():
                raise EOFError(f"EOF after {len(self.buffer)} of {size} bytes")
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def read_head(self):
        """The head of an HTTP answer: (status, {lower-case name: value})."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.fill():
                raise EOFError(f"EOF within the head: {bytes(self.buffer)!r}")
        head, _, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        self.buffer[:] = rest
        first, *lines = head.decode().split("\r\n")
        return int(first.split(" ")[1]), {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}

    def upgrade(self, **options):
        key = base64.b64encode(os.urandom(16)).decode()
        self.send(request(key=key, **options))
        status, headers = self.read_head()
        assert status == 101 and headers["sec-websocket-accept"] == accept_key(key), (status, headers)
        return self

    def read_frame(self):
        """(fin, opcode, payload) of a frame that a server sent: unmasked, no reserved bits."""
        first, second = self.read(2)
        assert first & 0x70 == 0, f"reserved bits are set: {first:#x}"
        assert second & 0x80 == 0, "a server's frame is masked"
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self.read(2))
            assert size > 125, "the length is not in its shortest form"
        elif size == 127:
            (size,) = struct.unpack("!Q", self.read(8))
            assert size > 65535, "the length is not in its shortest form"
        return bool(first & 0x80), first & 0x0F, self.read(size)

    def read_message(self):
        fin, opcode, payload = self.read_frame()
        assert fin, "a fragment where a whole message was expected"
        return opcode, payload

    def read_close(self):
        """The close frame that has to come next: (code or None, reason)."""
        opcode, payload = self.read_message()
        assert opcode == CLOSE, (opcode, payload[:100])
        return (struct.unpack("!H", payload[:2])[0], payload[2:]) if payload else (None, b"")

    def at_eof(self):
        """Waits for the end; True when nothing came before it."""
        return not self.buffer and not self.fill()


def connect(server, **options):
    """A connection to a conftest.Server, upgraded."""
    return Connection(server.address, **options).upgrade()
