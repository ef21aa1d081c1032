"""The Muduo adapter over sockets: what a route can have beside messages, pressure and reading, and the options with times."""

import json
import socket
import struct
import time

import pytest
import rawws
from http_by_hand import TIME_TO_READ
from rawws import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame, frame
from test_adapter_http import FakeTls
from websockets.sync.client import connect


def events(server):
    """What adapter_server's Features noted."""
    with server.raw() as http:
        http.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        headers = http.read_head()[1]
        return json.loads(http.read(int(headers["content-length"])))


def wait_for_events(server, condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition(seen := events(server)):
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)
    return seen


# ---- chunks ----


def read_chunks(client):
    """The chunks of one message: [(kind, offset, size)]; first and last are where they have to be."""
    chunks = []
    while True:
        kind, offset, size, *flags = client.read_message()[1].decode().split()
        assert ("first" in flags) == (not chunks)
        chunks.append((kind, int(offset), int(size)))
        if "last" in flags:
            return chunks


def test_chunks_of_a_message_larger_than_one_read(adapter):
    with adapter.connect("/chunks") as client:
        data = frame(BINARY, b"x" * 900_000)
        for at in range(0, len(data), 100_000):
            client.send(data[at : at + 100_000])
            time.sleep(0.005)
        chunks = read_chunks(client)
        assert len(chunks) >= 9 and {kind for kind, _, _ in chunks} == {"binary"}
        assert [offset for _, offset, _ in chunks] == [sum(size for _, _, size in chunks[:i]) for i in range(len(chunks))]
        assert sum(size for _, _, size in chunks) == 900_000


def test_chunks_of_small_empty_and_fragmented_messages(adapter):
    with adapter.connect("/chunks") as client:
        client.send(frame(TEXT, b"abc") + frame(BINARY))
        assert [read_chunks(client) for _ in range(2)] == [[("text", 0, 3)], [("binary", 0, 0)]]
        character = "好".encode()
        client.send(frame(TEXT, b"a" + character[:1], fin=False))
        time.sleep(TIME_TO_READ)
        client.send(frame(PING, b"between") + frame(CONTINUATION, character[1:]))
        seen = [client.read_message() for _ in range(3)]
        assert (PONG, b"between") in seen
        assert [text for opcode, text in seen if opcode == TEXT] == [b"text 0 2 first", b"text 2 2 last"]
        client.send(frame(TEXT, b"fine") + frame(TEXT, character[:2]))
        while (message := client.read_message())[0] != CLOSE:
            pass
        assert message[1][:2] == (1007).to_bytes(2, "big")


def test_message_above_the_limit_in_chunks(adapter):
    with adapter.connect("/chunks") as client:
        client.send(frame(TEXT, b"", length=1024 * 1024 + 1))
        assert client.read_close() == (1009, b"")


# ---- pongs and times ----


def test_pong_with_round_trip(start):
    server = start("adapter_server", "--ping", 0.2, "--handshake", 10)  # a near deadline comes behind a distant one
    started = time.monotonic()
    with server.connect("/pong") as client:
        client.send(frame(PONG, b"not asked for"))
        assert client.read_message() == (BINARY, b"pong not asked for -1")
        opcode, payload = client.read_message()
        assert opcode == PING and time.monotonic() - started < 3
        client.send(frame(PONG, payload))
        assert client.read_message() == (BINARY, b"pong " + payload + b" measured")


@pytest.mark.parametrize("options", [("--ping", 0.2, "--pong", 0.3), ("--idle", 0.4), ("--lifetime", 0.4)],
                         ids=lambda options: options[-2])
def test_times_that_end_a_connection(start, options):
    server = start("adapter_server", "--handshake", 10, *options)
    started = time.monotonic()
    with server.connect("/echo") as client:
        while (message := client.read_message())[0] == PING:
            pass
        assert 0.3 < time.monotonic() - started < 3
        assert message[0] == CLOSE and message[1][:2] == (1001).to_bytes(2, "big")
        client.send(close_frame(1001))
        assert client.at_eof()
    (end,) = server.closes(1)
    assert end.startswith("/echo 1001")


def test_signs_of_life_keep_a_connection(start):
    server = start("adapter_server", "--ping", 0.2, "--pong", 0.4, "--idle", 0.6)
    with server.connect("/echo") as client:
        for number in range(12):
            client.send(frame(TEXT, b"%d" % number))
            while (message := client.read_message())[0] == PING:
                client.send(frame(PONG, message[1]))
            assert message == (TEXT, b"%d" % number)
            time.sleep(0.15)
        client.send(frame(PING, b"still"))
        while (message := client.read_message())[0] == PING:
            pass
        assert message == (PONG, b"still")


def test_a_slow_reader_lives_though_no_pong_comes(start):
    """Below the high water mark it is read from, and its ping waits behind what it takes slowly."""
    server = start("adapter_server", "--ping", 0.3, "--pong", 0.6, "--stall", 5)
    with server.connect("/some", receive_buffer=4096) as client:
        for _ in range(12):
            time.sleep(0.25)
            client.read(40_000)
            client.buffer.clear()
        assert server.stats()["closes"] == []


# ---- compression and prepared messages ----


@pytest.mark.parametrize("options", [(), ("--compression",)], ids=["plain", "compressed"])
def test_prepared_messages_and_compression(start, options):
    server = start("adapter_server", *options)
    with connect(server.url("/pressure"), compression="deflate") as client:
        assert bool(client.protocol.extensions) == bool(options)
        client.send("prepared")
        assert [client.recv() for _ in range(3)] == ["a" * 3000, "a" * 3000, b"binary"]
        client.send("echo " * 2000)
        assert client.recv() == "echo " * 2000


# ---- pressure ----


def test_a_peer_that_does_not_read_is_not_read_from_and_nothing_is_lost(start):
    server = start("adapter_server", "--stall", 20)
    with server.connect("/pressure", receive_buffer=4096) as client:
        client.send(frame(TEXT, b"fill"))
        wait_for_events(server, lambda seen: "high" in seen)
        client.socket.settimeout(0.5)
        sent, rest = 0, b""
        try:
            while sent < 10_000:  # it fills the kernel's buffers: the server takes none of it
                rest = frame(TEXT, b"%04d" % sent + b"y" * 1000)
                while rest:
                    rest = rest[client.socket.send(rest) :]
                sent += 1
        except TimeoutError:
            pass
        assert sent < 10_000
        cpu = server.cpu_seconds()
        time.sleep(1)
        assert server.cpu_seconds() - cpu < 0.05
        assert [event for event in events(server) if event in ("high", "writable")] == ["high"]

        client.socket.settimeout(20)
        received = 0
        while received < sent:
            opcode, payload = client.read_message()
            assert opcode == (BINARY if payload[:1] == b"x" else TEXT)
            if opcode == TEXT and payload != b"room":
                assert payload[:4] == b"%04d" % received
                received += 1
        client.send(rest + frame(TEXT, b"last"))
        while client.read_message() != (TEXT, b"last"):
            pass
        seen = [event for event in wait_for_events(server, lambda seen: seen[-1] == "complete") if event in ("high", "writable")]
        assert seen[:2] == ["high", "writable"] and seen == ["high", "writable"] * (len(seen) // 2)


def test_write_complete_comes_once_for_what_one_turn_sends(adapter):
    with adapter.connect("/pressure") as client:
        wait_for_events(adapter, lambda seen: seen == ["up", "complete"])  # the answer to the handshake
        client.send(frame(TEXT, b"one") + frame(TEXT, b"two"))
        assert [client.read_message() for _ in range(2)] == [(TEXT, b"one"), (TEXT, b"two")]
        wait_for_events(adapter, lambda seen: seen == ["up", "complete", "complete"])
    wait_for_events(adapter, lambda seen: seen == ["up", "complete", "complete", "down"])


def test_a_message_that_never_fits_does_not_keep_the_loop_busy(adapter):
    """It is refused, and nobody is told of room, which would not help."""
    with adapter.connect("/never-fits") as client:
        client.send(frame(TEXT, b"try"))
        assert client.read_message() == (TEXT, b"refused")
        cpu = adapter.cpu_seconds()
        time.sleep(0.5)
        assert adapter.cpu_seconds() - cpu < 0.05


def test_input_that_is_held_does_not_keep_the_loop_busy(start):
    """A host that decrypts hands over what it has read, though the adapter has stopped reading meanwhile."""
    server = start("adapter_server", "--tls", "--cut", "--stall", 20)
    with FakeTls(server.address, receive_buffer=4096) as client:
        client.upgrade(target="/pressure")
        client.send(frame(TEXT, b"fill") + frame(TEXT, b"y" * 2000) + b"".join(frame(TEXT, b"%d" % i) for i in range(2000)))
        time.sleep(0.3)
        cpu = server.cpu_seconds()
        time.sleep(0.5)
        assert server.cpu_seconds() - cpu < 0.05
        while client.read_message() != (TEXT, b"y" * 2000):
            pass
        assert [client.read_message() for _ in range(2000)] == [(TEXT, b"%d" % i) for i in range(2000)]


# ---- callbacks of one connection ----


def test_callbacks_are_replaced_inside_the_running_one(adapter):
    with adapter.connect("/replace") as client, adapter.connect("/replace") as other:
        client.send(frame(TEXT, b"1") + frame(TEXT, b"2") + frame(TEXT, b"3") + frame(TEXT, b"4"))
        captured = b"c" * 100
        assert [client.read_message()[1] for _ in range(4)] == [b"first", b"second 1 2 " + captured, b"third", b"third"]
        client.send(frame(PONG) * 3)
        assert [client.read_message()[1] for _ in range(3)] == [b"first pong " + captured] + [b"second pong"] * 2
        other.send(frame(TEXT, b"1"))
        assert other.read_message() == (TEXT, b"first")
        client.send(close_frame(4321))
        client.read_close()
        wait_for_events(adapter, lambda seen: seen == ["own complete c", "own down 4321"])


# ---- reading ----


@pytest.mark.parametrize("command", ["stop", "stop-worker"])
def test_application_stops_reading_and_goes_on(adapter, command):
    with adapter.connect("/reading") as client:
        client.send(frame(TEXT, f"{command} 600".encode()))
        time.sleep(0.15)
        started = time.monotonic()
        client.send(frame(TEXT, b"waits"))
        assert client.read_message() == (TEXT, b"waits")
        assert time.monotonic() - started > 0.3
        client.send(frame(TEXT, b"does not"))
        assert client.read_message() == (TEXT, b"does not")


def test_time_for_the_pong_does_not_count_while_nothing_is_read(start):
    server = start("adapter_server", "--ping", 0.2, "--pong", 0.3, "--idle", 0.8)
    with server.connect("/reading") as client:
        client.send(frame(TEXT, b"stop 1500"))
        time.sleep(1.4)
        client.send(frame(TEXT, b"here"))
        while (message := client.read_message())[0] == PING:
            client.send(frame(PONG, message[1]))
        assert message == (TEXT, b"here")


def test_stopped_reading_and_a_reset(adapter):
    """Muduo does not look at a socket that it does not read from: the adapter does, now and then."""
    before = adapter.stats()["fds"]
    client = adapter.connect("/reading")
    client.send(frame(TEXT, b"stop 2500"))
    time.sleep(0.1)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()
    adapter.wait_for(lambda stats: stats["fds"] == before, seconds=2)


# ---- routes ----


def test_wildcard_routes(adapter):
    for target, name in (("/files/", "files"), ("/files/a?b", "files"), ("/files/deep", "files"), ("/files/deep/", "deep"),
                         ("/files/deep/exact", "exact"), ("/files/deep/exact/", "deep"), ("/files/deep/*", "deep"), ("/files/*", "files")):
        with adapter.connect(target) as client:
            client.send(frame(TEXT, b"who"))
            assert client.read_message() == (TEXT, name.encode()), target
    with adapter.raw() as client:
        client.send(rawws.request(target="/files"))
        assert client.read_head()[0] == 404
