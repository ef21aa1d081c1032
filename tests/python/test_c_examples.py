"""echo_server as a process: what a client sees on the wire, what it costs, how it stops. (wscat: test_wscat.py)"""

import contextlib
import os
import random
import resource
import select
import signal
import socket
import struct
import subprocess
import threading
import time
import zlib

import pytest
import rawws
import websockets.sync.client
from conftest import EXAMPLES_C
from rawws import BINARY, PING, PONG, TEXT, Connection, close_frame, connect, frame

MIB = 1024 * 1024


def wait_until(condition, timeout=10):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def assert_idle(server, seconds=1.0):
    """The server does not spin."""
    before = server.cpu_seconds()
    time.sleep(seconds)
    assert server.cpu_seconds() - before <= 0.05 * seconds


# ---- the wire ----


def test_messages_come_back_as_they_went(echo):
    with connect(echo) as client:
        for opcode, payload in [(TEXT, b""), (TEXT, "Grüße, 世界 🌍".encode()), (BINARY, bytes(range(256))),
                                (TEXT, b"x" * 65535), (BINARY, os.urandom(65536)), (BINARY, os.urandom(MIB + 1))]:
            client.send(frame(opcode, payload))
            assert client.read_message() == (opcode, payload)


def test_a_fragmented_message_with_a_ping_inside(echo):
    with connect(echo) as client:
        client.send(frame(TEXT, b"one ", fin=False) + frame(PING, b"p") + frame(0, b"two", fin=True))
        assert client.read_message() == (PONG, b"p")
        assert client.read_message() == (TEXT, b"one two")


@pytest.mark.parametrize("option", ["--read-size", "--feed-size"])
def test_the_server_takes_its_input_byte_by_byte(start_echo, option):
    with connect(start_echo(option, "1")) as client:
        client.send(frame(TEXT, "aé".encode()) + frame(BINARY, b"x" * 200) + frame(PING, b"p") + close_frame(1000))
        assert [client.read_message() for _ in range(3)] == [(TEXT, "aé".encode()), (BINARY, b"x" * 200), (PONG, b"p")]
        assert client.read_close()[0] == 1000
        assert client.at_eof()


def test_a_client_that_is_dropped_leaves_no_input_to_the_next(start_echo):
    server = start_echo("--feed-size", "1")
    with connect(server) as client:
        client.send(frame(3) + frame(TEXT, b"never echoed"))
        assert client.read_close()[0] == 1002
    with connect(server) as client:
        client.send(frame(TEXT, b"mine"))
        assert client.read_message() == (TEXT, b"mine")


def test_byte_by_byte(echo):
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    with Connection(echo.address) as client:
        for byte in rawws.request(key=key) + frame(TEXT, "aé".encode()) + frame(BINARY, b"x" * 130) + close_frame(1000):
            client.send(bytes([byte]))
        status, headers = client.read_head()
        assert (status, headers["sec-websocket-accept"]) == (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        assert client.read_message() == (TEXT, "aé".encode())
        assert client.read_message() == (BINARY, b"x" * 130)
        assert client.read_close()[0] == 1000
        assert client.at_eof()


def test_everything_in_one_write(echo):
    """Request, messages and close in one segment."""
    with Connection(echo.address) as client:
        client.send(rawws.request() + b"".join(frame(TEXT, b"%d" % i) for i in range(1000)) + close_frame(1000, b"bye"))
        assert client.read_head()[0] == 101
        for i in range(1000):
            assert client.read_message() == (TEXT, b"%d" % i)
        assert client.read_close()[0] == 1000
        assert client.at_eof()


@pytest.mark.parametrize("request_bytes, status, header", [
    (b"GARBAGE\r\n\r\n", 400, None),
    (rawws.request().replace(b"GET", b"POST", 1), 405, ("allow", "GET")),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 426, ("upgrade", "websocket")),
    (rawws.request().replace(b"Version: 13", b"Version: 8"), 426, ("sec-websocket-version", "13")),
    (rawws.request(key="short"), 400, None),
    (rawws.request(extra=["X: " + "y" * 9000]), 431, None),
    (rawws.request(extra=[f"X-{i}: y" for i in range(100)]), 431, None),
], ids=["garbage", "post", "no upgrade", "version 8", "short key", "large head", "many headers"])
def test_a_wrong_request_is_refused(echo, request_bytes, status, header):
    with Connection(echo.address) as client:
        client.send(request_bytes)
        got, headers = client.read_head()
        assert got == status
        if header:
            assert headers[header[0]].lower() == header[1].lower()
        while client.fill():
            pass
    wait_until(lambda: echo.descriptors() == IDLE_DESCRIPTORS)


@pytest.mark.parametrize("bytes_sent, code", [
    (frame(TEXT, b"x", mask=None), 1002),
    (frame(TEXT, b"x", rsv=4), 1002),
    (frame(3, b"x"), 1002),
    (frame(PING, b"x" * 126), 1002),
    (frame(0, b"x"), 1002),
    (frame(TEXT, b"\xff"), 1007),
    (frame(TEXT, b"\xed\xa0\x80", fin=False), 1007),
    (close_frame(1005), 1002),
    (frame(BINARY, length=64 * MIB + 1), 1009),
    (frame(BINARY, length=2**63 - 1), 1009),
], ids=["unmasked", "rsv1", "opcode 3", "long ping", "lone continuation", "not UTF-8", "surrogate",
        "close 1005", "too large", "2^63-1"])
def test_a_wrong_frame_closes_with_its_code(echo, bytes_sent, code):
    with connect(echo) as client:
        client.send(frame(TEXT, b"before") + bytes_sent)
        assert client.read_message() == (TEXT, b"before")
        assert client.read_close()[0] == code
        client.send(close_frame(code))
        assert client.at_eof()
    wait_until(lambda: echo.descriptors() == IDLE_DESCRIPTORS)


def test_max_message_counts_fragments(start_echo):
    server = start_echo("--max-message", "1000")
    with connect(server) as client:
        client.send(frame(BINARY, b"x" * 1000))
        assert client.read_message() == (BINARY, b"x" * 1000)
        client.send(frame(BINARY, b"x" * 600, fin=False) + frame(0, b"x" * 401))
        assert client.read_close()[0] == 1009


# ---- what is echoed: messages, chunks or frames ----


def test_frames_come_back_as_frames(start_echo):
    with connect(start_echo("--delivery", "frames")) as client:
        client.send(frame(TEXT, "世".encode()[:2], fin=False) + frame(PING, b"p"))
        assert {client.read_frame(), client.read_frame()} == {(False, TEXT, "世".encode()[:2]), (True, PONG, b"p")}
        client.send(frame(0, "世".encode()[2:], fin=False) + frame(0) + frame(BINARY, b"whole"))
        assert client.read_frame() == (False, 0, "世".encode()[2:])
        assert client.read_frame() == (True, 0, b"")
        assert client.read_frame() == (True, BINARY, b"whole")


def test_chunks_come_back_before_the_message_is_complete(start_echo):
    payload = random.Random(5).randbytes(3 * MIB)
    with connect(start_echo("--delivery", "chunks")) as client:
        whole = frame(BINARY, payload)
        client.send(whole[:1000])
        fin, opcode, received = client.read_frame()
        assert (fin, opcode) == (False, BINARY) and payload.startswith(received)
        client.send(whole[1000:])
        while not fin:
            fin, opcode, part = client.read_frame()
            assert opcode == 0
            received += part
        assert received == payload
        client.send(frame(TEXT))
        assert client.read_frame() == (True, TEXT, b"")


@pytest.mark.parametrize("delivery", ["messages", "chunks", "frames"])
def test_every_delivery_echoes_the_same(start_echo, delivery):
    """With compression, of which the frames' parts are inflated and deflated one by one."""
    server = start_echo("--delivery", delivery, "--compression", "--takeover", "--threshold", "0", "--feed-size", "999")
    text = "Grüße, 世界 🌍 " * 1000
    with websockets.sync.client.connect(server.url, max_size=None) as client:
        for message in ["", b"", text, os.urandom(100_000), text]:
            client.send(message)
            assert client.recv(timeout=20) == message
        client.send(part for part in (text[:5], "", text[5:777], text[777:]))
        assert client.recv(timeout=20) == text


# ---- large messages, slow readers ----

# stdin, stdout, stderr, the listener, epoll and the eventfd
IDLE_DESCRIPTORS = 6


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_16_mib_to_a_slow_reader(echo, opcode):
    """The socket takes a bit at a time: every write comes up short."""
    payload = random.Random(1).randbytes(16 * MIB) if opcode == BINARY else ("héllo wörld " * (16 * MIB // 14)).encode()
    with connect(echo, receive_buffer=16 * 1024) as client:
        client.send(frame(opcode, payload) + frame(opcode, b"after"))
        time.sleep(0.2)
        received = client.read_message()
        assert received[0] == opcode and received[1] == payload
        assert client.read_message() == (opcode, b"after")


def test_64_mib(echo):
    payload = random.Random(2).randbytes(64 * MIB)
    with connect(echo) as client:
        client.send(frame(BINARY, payload))
        assert client.read_message() == (BINARY, payload)


@pytest.mark.parametrize("options", [[], ["--delivery", "chunks"], ["--feed-size", "10000"]], ids=" ".join)
def test_large_messages_among_small_ones_to_a_slow_reader(start_echo, options):
    """Large ones are written from where they lie where the socket takes them, and nothing comes between the bytes of a frame."""
    server = start_echo(*options)
    sizes = [128 * 1024 - 1, 128 * 1024, 5, 700_000, 128 * 1024, 0, 3_000_000, 20_000, 300_000] * 2
    data = random.Random(5).randbytes(max(sizes))
    with connect(server, receive_buffer=16 * 1024) as client:
        sent = b"".join(frame(BINARY, data[:size]) + frame(PING, b"%d" % size) for size in sizes)
        writer = threading.Thread(target=client.send, args=(sent,))
        writer.start()
        time.sleep(0.2)
        received, message = [], b""
        while len(received) < len(sizes):
            fin, opcode, part = client.read_frame()
            if opcode != PONG:
                message += part
                if fin:
                    received.append(message)
                    message = b""
        assert received == [data[:size] for size in sizes]
        writer.join()


def test_large_messages_are_compressed(start_echo):
    server = start_echo("--compression")
    with Connection(server.address) as client:
        client.upgrade(extra=["Sec-WebSocket-Extensions: permessage-deflate"])
        client.send(frame(BINARY, bytes(300_000)))
        first, second = client.read(2)
        assert first == 0xC0 | BINARY and second <= 126 # less than 64 KiB
        (size,) = struct.unpack("!H", client.read(2))
        deflated = client.read(size) + b"\0\0\xff\xff"
        assert zlib.decompressobj(-15).decompress(deflated) == bytes(300_000)


def test_who_never_reads_a_large_message_is_dropped(start_echo):
    """The rest of its frame waits in the engine, not in the server's hands: so the deadline of a write stall is at work."""
    server = start_echo("--write-stall-timeout", "1500")
    with connect(server, receive_buffer=4096) as client, connect(server) as lively:
        client.send(frame(BINARY, bytes(8 * MIB)))
        wait_until(lambda: server.descriptors() == IDLE_DESCRIPTORS + 1)
        lively.send(frame(TEXT, b"here"))
        assert lively.read_message() == (TEXT, b"here")


def test_who_never_reads_costs_bounded_memory_and_loses_nothing(echo):
    message = frame(BINARY, b"z" * 65536)
    with connect(echo) as warm_up:
        warm_up.send(message)
        warm_up.read_message()
    before = echo.rss()

    with connect(echo, receive_buffer=4096) as client:
        # Send until nothing has gone out for a second.
        client.socket.setblocking(False)
        sent, offset = 0, 0
        while select.select([], [client.socket], [], 1.0)[1]:
            offset += client.socket.send(message[offset:])
            if offset == len(message):
                sent, offset = sent + 1, 0
            assert sent < 10_000, "the server takes more and more"
        assert echo.rss() - before < 8 * MIB
        assert_idle(echo)

        # Then read: everything that was sent comes back.
        client.socket.settimeout(20)
        rest = threading.Thread(target=client.send, args=(message[offset:],))
        rest.start()
        for _ in range(sent + 1):
            assert client.read_message() == (BINARY, b"z" * 65536)
        rest.join()
        client.send(frame(TEXT, b"still here"))
        assert client.read_message() == (TEXT, b"still here")
    assert echo.peak_rss() - before < 10 * MIB


@pytest.mark.parametrize("options", [[], ["--feed-size", "1"], ["--delivery", "chunks"], ["--delivery", "frames"]], ids=" ".join)
def test_compressed_input_that_grows_a_thousandfold(start_echo, options):
    """300 MiB come out of 300 KiB. They are inflated as there is room for them, so that memory is bounded and nothing is lost."""
    server = start_echo("--compression", "--threshold", str(2**31), *options)  # the echoes are sent plain
    count, data = 300, bytes(MIB)
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    deflated = (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")
    with Connection(server.address) as client:
        client.upgrade(extra=["Sec-WebSocket-Extensions: permessage-deflate"])
        client.send(frame(BINARY, deflated, rsv=4) * count + frame(PING, b"behind them"))
        time.sleep(0.3)
        assert_idle(server)
        received, pongs = 0, 0
        while received < count * MIB or not pongs:
            fin, opcode, part = client.read_frame()
            pongs += opcode == PONG
            if opcode != PONG:
                assert part == data[: len(part)]
                received += len(part)
        assert (received, pongs) == (count * MIB, 1)
        client.send(frame(TEXT, b"still here"))
        assert client.read_message() == (TEXT, b"still here")
    assert server.peak_rss() < 32 * MIB
    assert server.terminate() == 0


def test_a_blocked_client_does_not_disturb_the_others(echo):
    with connect(echo, receive_buffer=4096) as blocked, connect(echo) as lively:
        blocked.socket.setblocking(False)
        message = frame(BINARY, b"z" * 65536) * 16
        with contextlib.suppress(BlockingIOError):
            while True:
                blocked.socket.send(message)
        began = time.monotonic()
        for i in range(200):
            lively.send(frame(TEXT, b"%d" % i))
            assert lively.read_message() == (TEXT, b"%d" % i)
        assert time.monotonic() - began < 5


# ---- many connections ----


@pytest.mark.parametrize("workers", [1, 3])
def test_2000_connections(start_echo, many_descriptors, workers):
    server = start_echo("--workers", str(workers))
    count = min(2000, many_descriptors - 200)
    before = server.rss()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Connection(server.address)) for _ in range(count)]
        for client in clients:
            client.send(rawws.request())
        for client in clients:
            assert client.read_head()[0] == 101
        for i, client in enumerate(clients):
            client.send(frame(TEXT, b"%d" % i))
        for i, client in enumerate(clients):
            assert client.read_message() == (TEXT, b"%d" % i)
        assert (server.rss() - before) / count < 4096, "idle connections are to be small"
        assert_idle(server)
    wait_until(lambda: server.descriptors() == IDLE_DESCRIPTORS + 3 * (workers - 1))
    assert server.terminate() == 0


def test_out_of_descriptors(start_echo):
    """Those who came first are served, the others wait, and the server does not spin."""
    server = start_echo(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Connection(server.address, timeout=5)) for _ in range(60)]
        for client in clients:
            client.send(rawws.request())
        served = 40 - IDLE_DESCRIPTORS
        for client in clients[:served]:
            assert client.read_head()[0] == 101
        assert not select.select([client.socket for client in clients[served:]], [], [], 0.5)[0]
        before = server.cpu_seconds()
        time.sleep(2)
        assert server.cpu_seconds() - before < 0.1

        for client in clients[:30]:
            client.socket.close()
        for client in clients[served:]:
            assert client.read_head()[0] == 101
        clients[-1].send(frame(TEXT, b"late"))
        assert clients[-1].read_message() == (TEXT, b"late")
    assert any("accept" in line for line in server.errors)
    assert len(server.errors) < 20
    assert server.terminate() == 0


def test_connections_that_vanish_leave_nothing_behind(echo):
    for how in ("reset", "fin", "half-close", "reset while blocked"):
        clients = [connect(echo, receive_buffer=4096) for _ in range(20)]
        for client in clients:
            if how == "reset while blocked":
                client.socket.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        client.socket.send(frame(BINARY, b"z" * 65536) * 16)
            if how.startswith("reset"):
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if how == "half-close":
                client.socket.shutdown(socket.SHUT_WR)
                assert client.at_eof()
            client.socket.close()
        wait_until(lambda: echo.descriptors() == IDLE_DESCRIPTORS)


def test_a_peer_that_does_not_close_its_side_is_dropped(echo):
    """After the close handshake the server waits five seconds for EOF, no longer."""
    with connect(echo) as client:
        client.send(close_frame(1000))
        assert client.read_close()[0] == 1000
        assert client.at_eof()
        wait_until(lambda: echo.descriptors() == IDLE_DESCRIPTORS, timeout=8)


def test_a_handshake_has_ten_seconds(echo):
    """Neither silence nor a trickle keeps a connection: both get 408."""
    with Connection(echo.address) as silent, Connection(echo.address) as trickling, connect(echo) as idle:
        began = time.monotonic()
        trickling.send(b"GET / HTTP/1.1\r\n")
        ended = {}
        while len(ended) < 2 and time.monotonic() - began < 15:
            with contextlib.suppress(OSError):
                trickling.send(b"a: b\r\n")
            for name, client in (("silent", silent), ("trickling", trickling)):
                if name not in ended and select.select([client.socket], [], [], 0.25)[0] and not client.fill():
                    ended[name] = time.monotonic() - began
                    assert client.buffer.startswith(b"HTTP/1.1 408 "), client.buffer
        assert all(9 < seconds < 13 for seconds in ended.values()) and len(ended) == 2, ended
        idle.send(frame(TEXT, b"here"))
        assert idle.read_message() == (TEXT, b"here")


@pytest.mark.parametrize("size", [3_000_000, 3_400_000, 16 * MIB])
def test_who_half_closes_after_the_close_frame_gets_everything(echo, size):
    """EOF with much still to write: the server neither spins nor gives up. The kernel holds up to about 2.5 MiB, so that the
    smaller sizes leave less than the server's high water, where it reads on, and the large one leaves more."""
    payload = random.Random(4).randbytes(size)
    with connect(echo, receive_buffer=4096) as client:
        client.send(frame(BINARY, payload) + close_frame(1000))
        client.socket.shutdown(socket.SHUT_WR)
        time.sleep(0.3)
        assert_idle(echo)
        assert client.read_message() == (BINARY, payload)
        assert client.read_close()[0] == 1000
        assert client.at_eof()
    wait_until(lambda: echo.descriptors() == IDLE_DESCRIPTORS)


def test_the_close_frame_is_not_lost_to_what_comes_behind_the_error(echo):
    """close() with unread input would be a reset, which takes the close frame away from a client that is still sending."""
    with connect(echo) as client:
        client.send(frame(TEXT, b"unmasked", mask=None) + os.urandom(4 * MIB))
        time.sleep(0.1)
        client.send(b"more")
        assert client.read_close()[0] == 1002
        assert client.at_eof()


# ---- stopping, options ----


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
def test_stop_says_goodbye(start_echo, stop_signal, workers):
    server = start_echo("--workers", str(workers))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(10)]
        half_open = stack.enter_context(Connection(server.address))
        half_open.send(b"GET / HT")
        time.sleep(0.1)
        server.process.send_signal(stop_signal)
        for client in clients:
            assert client.read_close() == (1001, b"server is going away")
        with pytest.raises(OSError): # once the last worker has closed its listener
            wait_until(lambda: Connection(server.address).socket.close())
        for client in clients:
            client.send(close_frame(1001))
            assert client.at_eof()
        assert not half_open.fill()
        for client in clients:
            client.socket.close()
        assert server.process.wait(1) == 0
    assert server.errors == []


def test_stop_sends_what_is_queued(start_echo):
    """The echo of 16 MiB is under way to a slow reader when the signal comes."""
    server = start_echo()
    payload = random.Random(3).randbytes(16 * MIB)
    with connect(server, receive_buffer=16 * 1024) as client:
        client.send(frame(BINARY, payload))
        client.fill()
        server.process.send_signal(signal.SIGTERM)
        assert client.read_message() == (BINARY, payload)
        assert client.read_close()[0] == 1001
        client.send(close_frame(1001))
        assert client.at_eof()
    assert server.process.wait(5) == 0


def test_stop_waits_for_nobody_for_long(start_echo):
    server = start_echo()
    with connect(server, receive_buffer=4096) as blocked, connect(server) as mute:
        blocked.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                blocked.socket.send(frame(BINARY, b"z" * 65536) * 16)
        began = time.monotonic()
        assert server.terminate(8) == 0
        assert 2 < time.monotonic() - began < 5
        assert mute.read_close()[0] == 1001


@pytest.mark.parametrize("arguments", [["--port", "65536"], ["--port", "x"], ["--workers", "0"], ["--max-message", "-1"],
                                       ["--bogus"], ["surplus"], ["--window-bits", "9"], ["--window-bits", "7,15"],
                                       ["--window-bits", "9,15x"], ["--level", "10"], ["--threshold", "x"],
                                       ["--max-fragments", "0"], ["--read-size", "0"], ["--feed-size", "0"],
                                       ["--subprotocol", "a b"], ["--delivery", "bytes"], ["--ping-interval", "x"], ["--write-stall-timeout", "x"]])
def test_wrong_options(arguments):
    result = subprocess.run([EXAMPLES_C / "echo_server", *arguments], capture_output=True, text=True, timeout=5)
    assert result.returncode == 2 and result.stderr and not result.stdout


def test_port_in_use(echo):
    result = subprocess.run([EXAMPLES_C / "echo_server", "--port", str(echo.port)], capture_output=True, text=True, timeout=5)
    assert result.returncode == 1 and "Address already in use" in result.stderr
