"""Peers in Python for the interoperability matrix: `websockets` and `aiohttp` as client and as server, libcurl as client. What a
peer does is the same for each, and the same as in tests/interop/exercise.mjs for the peers in JavaScript."""

import asyncio
import os
import select
from types import SimpleNamespace

import aiohttp
import pycurl
import websockets
from aiohttp import WSMsgType, web
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

SIZES = [125, 126, 65535, 65536, 1 << 20]
PROTOCOLS = ["other", "chat"]
CHINESE = "你好，世界 🌍 Grüße"

# Where in the order of `messages()`: one that gets much smaller, and random bytes that are sent twice.
LARGE_TEXT, LARGE_TEXT_SIZE = 11, 1 << 20
FIRST_COPY, SECOND_COPY, COPY_SIZE = 13, 14, 2048

# How connections are closed, beside the first one. A browser may send no other codes than 1000 and from 3000 on.
CLOSES = [(1000, ""), (3000, "registered"), (4999, "世界")]


def text_of(size):
    """Text of so many bytes."""
    data = ("你好世界 " * (size // 13)).encode()
    return (data + b"x" * (size - len(data))).decode()


def messages():
    random = os.urandom(COPY_SIZE)
    return ["", b"", CHINESE, *(make(size) for size in SIZES for make in (text_of, os.urandom)), random, random]


async def exercise(connection):
    """What is done on an open connection to something that echoes."""
    for message in messages():
        await connection.send(message)
        assert await connection.receive() == message, f"{message[:40]!r} ({len(message)}) came back changed"
    await connection.ping(b"are you there")
    if hasattr(connection, "send_fragments"):
        for fragments in (["一", "", "二三", "x" * 70000], [b"\x00" * 70000, b"\xff"]):
            await connection.send_fragments(fragments)
            assert await connection.receive() == type(fragments[0])().join(fragments)


async def close(connection, code, reason):
    assert await connection.close(code, reason) == code


# ---- PyPI websockets ----


class WebsocketsConnection:
    def __init__(self, library):
        self.library = library
        self.protocol = library.subprotocol
        self.send, self.receive, self.send_fragments = library.send, library.recv, library.send

    async def ping(self, data):
        await asyncio.wait_for(await self.library.ping(data), 5)

    async def close(self, code, reason):
        await self.library.close(code, reason)
        return self.library.protocol.close_rcvd.code


class Websockets:
    @staticmethod
    async def connect(url, mode):
        asks = {"server_max_window_bits": 9} if mode.small_windows else {}
        library = await websockets.connect(url, compression=None, extensions=[ClientPerMessageDeflateFactory(**asks)],
                                           subprotocols=PROTOCOLS, max_size=None)
        return WebsocketsConnection(library)

    @staticmethod
    async def serve(handler, mode):
        async def handle(library):
            await handler(library.request.path, WebsocketsConnection(library))

        extensions = [ServerPerMessageDeflateFactory()] if mode.compression else []
        # Told the subprotocols, it would refuse a client that offers none.
        server = await websockets.serve(handle, "127.0.0.1", 0, compression=None, extensions=extensions, max_size=None,
                                        select_subprotocol=lambda _, offered: "chat" if "chat" in offered else None)
        return server.sockets[0].getsockname()[1], server.wait_closed, server.close


# ---- PyPI aiohttp ----


class AiohttpConnection:
    """It has no way to send fragments."""

    def __init__(self, library, session=None):
        self.library, self.session = library, session
        self.protocol = library.ws_protocol if session is None else library.protocol

    async def send(self, message):
        await (self.library.send_str if isinstance(message, str) else self.library.send_bytes)(message)

    async def receive(self):
        message = await self.library.receive()
        assert message.type in (WSMsgType.TEXT, WSMsgType.BINARY), message
        return message.data

    async def ping(self, data):
        await self.library.ping(data)
        message = await self.library.receive(5)
        assert (message.type, bytes(message.data)) == (WSMsgType.PONG, data)

    async def close(self, code, reason):
        await self.library.close(code=code, message=reason.encode())
        if self.session:
            await self.session.close()
        return self.library.close_code


class Aiohttp:
    @staticmethod
    async def connect(url, mode):
        session = aiohttp.ClientSession()
        compress = 0 if not mode.compression else 9 if mode.small_windows else 15
        library = await session.ws_connect(url, compress=compress, protocols=PROTOCOLS, autoping=False, max_msg_size=0)
        return AiohttpConnection(library, session)

    @staticmethod
    async def serve(handler, mode):
        async def handle(request):
            library = web.WebSocketResponse(compress=mode.compression, protocols=["chat"], autoping=False, max_msg_size=0)
            await library.prepare(request)
            await handler(request.path_qs, AiohttpConnection(library))
            return library

        runner = web.ServerRunner(web.Server(handle))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return site._server.sockets[0].getsockname()[1], runner.cleanup, lambda: None


# ---- libcurl, through PyPI pycurl ----


class CurlConnection:
    """Its calls block. libcurl knows no compression, and answers pings by itself."""

    def __init__(self, curl, protocol):
        self.curl, self.protocol = curl, protocol

    def patiently(self, call, *arguments):
        descriptor = self.curl.getinfo(pycurl.ACTIVESOCKET)
        while True:
            try:
                return call(*arguments)
            except BlockingIOError:
                writing = [descriptor] if call == self.curl.ws_send else []
                assert any(select.select([] if writing else [descriptor], writing, [], 20)), "nothing for 20 s"

    def send_frame(self, data, flags):
        sent = self.patiently(self.curl.ws_send, data, flags)
        while sent < len(data):
            sent += self.patiently(self.curl.ws_send, data[sent:], flags)

    def receive_message(self):
        """(flags, payload) of a message or of a control frame."""
        payload = b""
        while True:
            data, meta = self.patiently(self.curl.ws_recv, 65536)
            payload += data
            if meta.bytesleft == 0 and not meta.flags & pycurl.WS_CONT:
                return meta.flags, payload

    async def send(self, message):
        self.send_frame(message.encode() if isinstance(message, str) else message,
                        pycurl.WS_TEXT if isinstance(message, str) else pycurl.WS_BINARY)

    async def send_fragments(self, fragments):
        kind = pycurl.WS_TEXT if isinstance(fragments[0], str) else pycurl.WS_BINARY
        for i, fragment in enumerate(fragments):
            data = fragment.encode() if isinstance(fragment, str) else fragment
            self.send_frame(data, kind | (pycurl.WS_CONT if i + 1 < len(fragments) else 0))

    async def receive(self):
        flags, payload = self.receive_message()
        assert flags & (pycurl.WS_TEXT | pycurl.WS_BINARY), flags
        return payload.decode() if flags & pycurl.WS_TEXT else payload

    async def ping(self, data):
        self.send_frame(data, pycurl.WS_PING)
        flags, payload = self.receive_message()
        assert flags & pycurl.WS_PONG and payload == data

    async def close(self, code, reason):
        self.send_frame(code.to_bytes(2, "big") + reason.encode(), pycurl.WS_CLOSE)
        flags, payload = self.receive_message()
        assert flags & pycurl.WS_CLOSE
        self.curl.close()
        return int.from_bytes(payload[:2], "big")


class Curl:
    @staticmethod
    async def connect(url, _mode):
        head = []
        curl = pycurl.Curl()
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.CONNECT_ONLY, 2)
        curl.setopt(pycurl.HTTPHEADER, ["Sec-WebSocket-Protocol: " + ", ".join(PROTOCOLS)])
        curl.setopt(pycurl.HEADERFUNCTION, lambda line: head.append(line.decode().strip()))
        curl.perform()
        assert head[0].split(" ")[1] == "101", head
        fields = dict(line.lower().split(": ", 1) for line in head if ": " in line)
        return CurlConnection(curl, fields.get("sec-websocket-protocol"))


# ---- what they do ----


async def visit(library, url, mode):
    """As client of a server that echoes. Returns the subprotocol."""
    connection = await library.connect(url, mode)
    await exercise(connection)
    await close(connection, 1000, "done")
    for code, reason in CLOSES:
        await close(await library.connect(url, mode), code, reason)
    return SimpleNamespace(protocol=connection.protocol)


class Cases:
    """As server of a client that echoes what /runCase?case=N sends (autobahn_client), or of one that is to be echoed (wscat)."""

    def __init__(self):
        self.finished, self.problems = 0, []

    async def handle(self, path, connection):
        try:
            if path == "/":
                while True:
                    await connection.send(await connection.receive())
            elif path.startswith("/getCaseCount"):
                await connection.send(str(1 + len(CLOSES)))
                await close(connection, 1000, "")
            elif path.startswith("/runCase?case="):
                case = int(path.split("=")[1].split("&")[0])
                if case == 1:
                    await exercise(connection)
                await close(connection, *CLOSES[max(case - 2, 0)])
                self.finished += 1
            else:
                await close(connection, 1000, "")
        except Exception as error:  # of the library or an assertion: what the test is about
            if path != "/":  # there, the client's close ends it
                self.problems.append(f"{path}: {error!r}")


async def while_serving(library, mode, work):
    """Runs `work(port)` in a thread while the library serves. Returns the cases that it served."""
    cases = Cases()
    port, wait_closed, stop = await library.serve(cases.handle, mode)
    try:
        await asyncio.to_thread(work, port)
    finally:
        stop()
        await wait_closed()
    return cases
