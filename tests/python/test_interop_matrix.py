"""The C examples against the WebSocket libraries of others, as server and as client, with and without compression. A tap on the
wire shows whether compression was really agreed on and used."""

import asyncio
import json
import shutil
import subprocess
from dataclasses import dataclass

import interop_peers as peers
import pytest
from conftest import EXAMPLES_C, ROOT
from interop_tap import Tap

INTEROP = ROOT / "tests" / "interop"
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is missing")


@dataclass(frozen=True)
class Mode:
    """What the C program is told; the peer is left to agree to it."""

    name: str
    flags: tuple = ()
    takeover: bool = False
    small_windows: bool = False

    @property
    def compression(self):
        return bool(self.flags)

    def for_node(self):
        return json.dumps({"closes": peers.CLOSES, "compression": self.compression, "smallWindows": self.small_windows})


DEFLATE = ("--compression", "--threshold", "0")
MODES = [Mode("plain"), Mode("no-takeover", DEFLATE), Mode("takeover", (*DEFLATE, "--takeover"), takeover=True),
         Mode("small-windows", (*DEFLATE, "--takeover", "--window-bits", "9,9"), takeover=True, small_windows=True)]
modes = pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)


def assert_used(direction, mode):
    """Compression, as it was agreed on, shows in what one end sent."""
    sent = direction.messages()
    large, first, second = sent[peers.LARGE_TEXT], sent[peers.FIRST_COPY], sent[peers.SECOND_COPY]
    assert large.compressed and large.wire_size < peers.LARGE_TEXT_SIZE / 20
    assert first.wire_size > 0.95 * peers.COPY_SIZE, "random bytes do not get smaller"
    if mode.takeover and not mode.small_windows:
        assert second.wire_size < 0.1 * peers.COPY_SIZE, "the second copy has to refer to the first"
    else:
        assert second.wire_size > 0.95 * peers.COPY_SIZE, "the first copy must be forgotten, or out of the window's reach"


def assert_plain(direction):
    sent = direction.messages()
    assert not any(message.compressed for message in sent)
    assert sent[peers.LARGE_TEXT].wire_size == peers.LARGE_TEXT_SIZE


# ---- as server: echo_server ----


def python_client(library):
    return lambda url, mode: asyncio.run(asyncio.wait_for(peers.visit(library, url, mode), 60)).protocol


def node_client(name):
    def run(url, mode):
        done = subprocess.run([NODE, INTEROP / "peer.mjs", name, url, mode.for_node()], capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["protocol"]

    return run


@dataclass(frozen=True)
class Client:
    run: callable
    offers: bool = True  # permessage-deflate
    compresses: bool = True  # what it sends
    asks_small: bool = False  # for server_max_window_bits


CLIENTS = {
    "websockets": Client(python_client(peers.Websockets), asks_small=True),
    "aiohttp": Client(python_client(peers.Aiohttp), asks_small=True),
    "curl": Client(python_client(peers.Curl), offers=False),
    "ws": Client(node_client("ws"), asks_small=True),
    "undici": Client(node_client("undici"), compresses=False),
    "chromium": Client(node_client("chromium")),
}
in_javascript = ("ws", "undici", "chromium")


@modes
@pytest.mark.parametrize("name", [pytest.param(name, marks=needs_node) if name in in_javascript else name for name in CLIENTS])
def test_client(start_echo, name, mode):
    client = CLIENTS[name]
    server = start_echo("--subprotocol", "chat", *mode.flags)
    with Tap(server.port) as tap:
        assert client.run(tap.url, mode) == "chat"
    wire = tap.connections[0]
    assert len(tap.connections) == 1 + len(peers.CLOSES)
    assert ("sec-websocket-extensions" in wire.from_client.headers) == (client.offers and (mode.compression or name in (
        "websockets", "undici", "chromium"))), "the peer does not behave as this test expects"

    if not (mode.compression and client.offers):
        assert wire.deflate is None
        assert_plain(wire.from_client)
        assert_plain(wire.from_server)
        return
    assert wire.deflate is not None, "permessage-deflate was not agreed on"
    assert ("server_no_context_takeover" in wire.deflate) == (not mode.takeover)
    assert ("client_no_context_takeover" in wire.deflate) == (not mode.takeover)
    if mode.small_windows:
        assert wire.deflate.get("client_max_window_bits") == "9"
        assert wire.deflate.get("server_max_window_bits") == "9" or not client.asks_small
    assert_used(wire.from_server, mode)
    if client.compresses:
        assert_used(wire.from_client, mode)
    else:
        assert_plain(wire.from_client)


# ---- as client: autobahn_client echoes, wscat is echoed ----


@pytest.fixture
def while_node_serves(start_server):
    """while_node_serves(mode, work): runs work(port) while npm ws serves."""

    def run(mode, work):
        server = start_server([NODE, INTEROP / "peer.mjs", "ws-server", mode.for_node()], stdin=subprocess.PIPE)
        work(server.port)
        return server

    return run


def autobahn_client(mode, taps):
    def work(port):
        with Tap(port) as tap:
            command = [EXAMPLES_C / "autobahn_client", *mode.flags, f"127.0.0.1:{tap.port}"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        taps.append(tap)

    return work


def assert_client_wire(taps, mode):
    wire = taps[0].connections[1]  # the first one asked for the number of cases
    offer = wire.from_client.headers.get("sec-websocket-extensions")
    if not mode.compression:
        assert offer is None and wire.deflate is None
        assert_plain(wire.from_client)
        assert_plain(wire.from_server)
        return
    assert offer is not None and offer.startswith("permessage-deflate"), "permessage-deflate was not offered"
    assert wire.deflate is not None, "permessage-deflate was not agreed on"
    assert ("server_no_context_takeover" in wire.deflate) == (not mode.takeover)
    if mode.small_windows:
        assert wire.deflate.get("server_max_window_bits") == "9"
    assert_used(wire.from_client, mode)
    assert_used(wire.from_server, mode)


@modes
@pytest.mark.parametrize("library", [peers.Websockets, peers.Aiohttp], ids=["websockets", "aiohttp"])
def test_python_server(library, mode):
    taps = []
    cases = asyncio.run(asyncio.wait_for(peers.while_serving(library, mode, autobahn_client(mode, taps)), 90))
    assert (cases.finished, cases.problems) == (1 + len(peers.CLOSES), [])
    assert_client_wire(taps, mode)


@modes
@needs_node
def test_npm_ws_server(while_node_serves, mode):
    taps = []
    server = while_node_serves(mode, autobahn_client(mode, taps))
    report = json.loads(server.process.stdout.readline())
    assert report == {"finished": 1 + len(peers.CLOSES), "problems": []}
    assert_client_wire(taps, mode)


LINES = [peers.CHINESE, "", *("你好" * (size // 6) + "x" * (size % 6) for size in peers.SIZES)]


def wscat(mode, taps):
    def work(port):
        text = "".join(line + "\n" for line in LINES)
        with Tap(port) as tap:
            done = subprocess.run([EXAMPLES_C / "wscat", *mode.flags, "-s", "other", "-s", "chat", "-w", "2", tap.url],
                                  input=text, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout == text) == (0, True), done.stderr
        assert "connected, subprotocol: chat" in done.stderr
        taps.append(tap)

    return work


def assert_wscat_wire(taps, mode):
    wire = taps[0].connections[0]
    assert (wire.deflate is not None) == mode.compression
    for direction in (wire.from_client, wire.from_server):
        last = direction.messages()[len(LINES) - 1]
        assert last.compressed == mode.compression
        assert last.wire_size == peers.SIZES[-1] if not mode.compression else last.wire_size < peers.SIZES[-1] / 20


@modes
@pytest.mark.parametrize("library", [peers.Websockets, peers.Aiohttp], ids=["websockets", "aiohttp"])
def test_wscat_and_a_python_server(library, mode):
    taps = []
    asyncio.run(asyncio.wait_for(peers.while_serving(library, mode, wscat(mode, taps)), 90))
    assert_wscat_wire(taps, mode)


@modes
@needs_node
def test_wscat_and_an_npm_ws_server(while_node_serves, mode):
    taps = []
    while_node_serves(mode, wscat(mode, taps))
    assert_wscat_wire(taps, mode)
