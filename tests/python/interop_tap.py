"""A wire between a client and a server that records what goes over it, and takes the frames apart."""

import contextlib
import socket
import threading
from dataclasses import dataclass


@dataclass
class Message:
    """A data message as it was on the wire."""

    opcode: int
    compressed: bool  # RSV1 of its first frame
    wire_size: int  # payload bytes of all its frames
    frames: int


class Direction:
    """The bytes that one end sent: a head, then frames."""

    def __init__(self):
        self.data = bytearray()

    @property
    def headers(self):
        """{lower-case name: value} of the head."""
        lines = bytes(self.data).partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def messages(self):
        found, rest = [], memoryview(bytes(self.data).partition(b"\r\n\r\n")[2])
        while len(rest) >= 2:
            first, second = rest[0], rest[1]
            size, at = second & 0x7F, 2
            if size > 125:
                at = 4 if size == 126 else 10
                size = int.from_bytes(rest[2:at], "big")
            at += 4 * (second >> 7)
            assert first & 0x30 == 0, "RSV2 or RSV3 is set"
            opcode, compressed = first & 0x0F, bool(first & 0x40)
            if opcode in (1, 2):
                found.append(Message(opcode, compressed, size, 1))
            else:
                assert not compressed, "RSV1 on a continuation or control frame (RFC 7692, 6.1)"
                if opcode == 0:
                    found[-1].wire_size += size
                    found[-1].frames += 1
            rest = rest[at + size :]
        return found


class Connection:
    def __init__(self):
        self.from_client, self.from_server = Direction(), Direction()

    @property
    def deflate(self):
        """The parameters of permessage-deflate that were agreed on, or None when it was not."""
        extension, *parameters = [part.strip() for part in self.from_server.headers.get("sec-websocket-extensions", "").split(";")]
        if not extension:
            return None
        assert extension == "permessage-deflate"
        return {name.strip(): value.strip() for name, _, value in (parameter.partition("=") for parameter in parameters)}


class Tap:
    """Listens on a port of its own and forwards to another: Tap(port) as a context."""

    def __init__(self, port):
        self.target = port
        self.connections = []
        self.sockets, self.threads = [], []

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}/"
        self.start(self.accept)
        return self

    def __exit__(self, *_):
        for each in (self.listener, *self.sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        for each in (self.listener, *self.sockets):
            each.close()

    def start(self, target, *arguments):
        self.threads.append(threading.Thread(target=target, args=arguments))
        self.threads[-1].start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            connection = Connection()
            self.connections.append(connection)
            self.sockets += [client, server]
            self.start(self.pump, client, server, connection.from_client)
            self.start(self.pump, server, client, connection.from_server)

    @staticmethod
    def pump(source, sink, direction):
        with contextlib.suppress(OSError):
            while data := source.recv(256 * 1024):
                direction.data += data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
