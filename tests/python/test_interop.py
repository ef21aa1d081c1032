"""The C examples against WebSocket libraries of others: PyPI `websockets` and npm `ws`, as client and as server.

npm ws is installed by `npm ci` in tests/interop/; without node those tests are skipped.
"""

import asyncio
import os
import shutil
import subprocess
import threading

import pytest
import websockets
from conftest import EXAMPLES_C, ROOT
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.server import serve

INTEROP = ROOT / "tests" / "interop"
NODE = shutil.which("node")
needs_npm_ws = pytest.mark.skipif(NODE is None or not (INTEROP / "node_modules" / "ws").is_dir(),
                                  reason="node is missing, or `npm ci` was not run in tests/interop/")
SIZES = [0, 1, 125, 126, 127, 65535, 65536, 65537, 1 << 20, 16 << 20]


def wscat(url, text="", *options):
    return subprocess.run([EXAMPLES_C / "wscat", *options, url], input=text, capture_output=True, text=True, timeout=60)


# ---- PyPI websockets as client, echo_server ----


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("size", SIZES)
def test_websockets_client(echo, size, compression):
    """With "deflate" the client offers compression; whether the server takes it is its own affair."""
    with connect(echo.url, compression=compression, max_size=None) as client:
        data = os.urandom(size)
        text = "é世🌍x" * (size // 10 + 1)
        for message in (data, text):
            client.send(message)
            assert client.recv() == message


def test_websockets_client_fragments_pings_and_order(echo):
    with connect(echo.url) as client:
        client.send(iter(["one ", "", "two ", "three"]))
        assert client.recv() == "one two three"
        client.send(iter([b"\x00" * 70000, b"\xff"]))
        assert client.recv() == b"\x00" * 70000 + b"\xff"
        assert client.ping(b"between").wait(5)
        for i in range(2000):
            client.send(str(i))
        assert [client.recv() for _ in range(2000)] == [str(i) for i in range(2000)]


@pytest.mark.parametrize("code, reason", [(1000, ""), (1001, "going"), (3000, "registered"), (4999, "世界")])
def test_websockets_client_closes(echo, code, reason):
    with connect(echo.url) as client:
        client.close(code, reason)
        with pytest.raises(ConnectionClosedOK if code in (1000, 1001) else ConnectionClosedError) as closed:
            client.recv()
    assert (closed.value.rcvd.code, closed.value.sent.code) == (code, code)


def test_websockets_client_sees_1009(start_echo):
    server = start_echo("--max-message", "1000")
    with connect(server.url) as client:
        client.send("x" * 1001)
        with pytest.raises(ConnectionClosedError) as closed:
            client.recv()
        assert closed.value.rcvd.code == 1009


def test_websockets_client_sees_1001_when_the_server_stops(start_echo):
    server = start_echo()
    with connect(server.url) as client:
        server.process.terminate()
        with pytest.raises(ConnectionClosedOK) as closed:
            client.recv(timeout=5)
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "server is going away")
    assert server.process.wait(5) == 0


def test_websockets_asyncio_500_clients(echo):
    async def one(i):
        async with websockets.connect(echo.url) as client:
            for j in range(5):
                await client.send(f"{i}/{j}")
                assert await client.recv() == f"{i}/{j}"

    async def all_of_them():
        await asyncio.gather(*(one(i) for i in range(500)))

    asyncio.run(all_of_them())


# ---- PyPI websockets as server, wscat ----


@pytest.fixture
def library_server():
    """library_server(handler, **options) -> URL"""
    running = []

    def start(handler, **options):
        server = serve(handler, "127.0.0.1", 0, **options)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        running.append((server, thread))
        return f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()


def echo_handler(websocket):
    for message in websocket:
        websocket.send(message)


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_websockets_server_echoes_to_wscat(library_server, compression):
    url = library_server(echo_handler, compression=compression, max_size=None)
    lines = ["one", "", "é世🌍", "y" * 70000, "z" * (2 << 20)]
    result = wscat(url, "".join(line + "\n" for line in lines), "-w", "2")
    assert result.stdout == "".join(line + "\n" for line in lines)
    assert result.returncode == 0


def test_websockets_server_sends_fragments_to_wscat(library_server):
    def handler(websocket):
        websocket.send(iter(["one ", "two ", "three"]))
        websocket.close(4001, "enough")

    result = wscat(library_server(handler), "", "-w", "10")
    assert result.stdout == "one two three\n"
    assert result.returncode == 4 and "code 4001" in result.stderr and "enough" in result.stderr


def test_websockets_server_refuses_wscat(library_server):
    url = library_server(echo_handler, origins=["https://example.com"])
    assert wscat(url, "", "-o", "https://example.com").returncode == 0
    refused = wscat(url, "", "-o", "https://evil.example")
    assert refused.returncode == 2 and "HTTP status 403" in refused.stderr


# ---- npm ws ----


@needs_npm_ws
def test_npm_ws_client(echo):
    result = subprocess.run([NODE, INTEROP / "ws_client.mjs", echo.url], capture_output=True, text=True, timeout=90)
    assert (result.returncode, result.stdout) == (0, "ok\n"), result.stderr


@pytest.fixture
def npm_ws_url(start_server):
    return start_server([NODE, INTEROP / "ws_server.mjs"], stdin=subprocess.PIPE).url  # it ends with its stdin


@needs_npm_ws
def test_npm_ws_server_echoes_to_wscat(npm_ws_url):
    lines = ["one", "", "é世🌍", "y" * 70000, "z" * (2 << 20)]
    result = wscat(npm_ws_url + "echo", "".join(line + "\n" for line in lines), "-w", "2")
    assert result.stdout == "".join(line + "\n" for line in lines)
    assert result.returncode == 0


@needs_npm_ws
@pytest.mark.parametrize("path, exit_code, out, err", [
    ("push", 0, "pushed text é\n<binary, 4 bytes> 00 01 02 ff\n", "* ping: are you there"),
    ("large", 0, "x" * (16 << 20) + "\n", "code 1000"),
    ("close/1001", 0, "", "code 1001"),
    ("close/1011", 4, "", "code 1011"),
    ("close/4000", 4, "", "as asked"),
    ("terminate", 3, "", "lost"),
    ("refuse", 2, "", "HTTP status 401"),
])
def test_npm_ws_server_and_wscat(npm_ws_url, path, exit_code, out, err):
    result = wscat(npm_ws_url + path, "", "-w", "20")
    assert (result.returncode, result.stdout == out) == (exit_code, True), result.stderr
    assert err in result.stderr


def test_a_refusal_that_a_library_understands(echo):
    """A handshake without what RFC 6455 asks for is answered with an HTTP response that an HTTP library can read."""
    with pytest.raises(InvalidStatus) as refused:
        connect(echo.url, additional_headers={"Sec-WebSocket-Version": "8"})
    assert 400 <= refused.value.response.status_code < 500
