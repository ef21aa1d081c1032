"""The Muduo adapter over sockets: upgrades in every cut of the bytes, refusals, messages, what the application sees."""

import socket
import struct
import subprocess
import time

import pytest
import rawws
from http_by_hand import TIME_TO_READ, UPGRADE
from rawws import BINARY, CONTINUATION, PING, PONG, TEXT, frame
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect


# ---- upgrades in every cut ----


def test_upgrade_cut_in_two_at_every_place(echo):
    for at in range(1, len(UPGRADE)):
        with echo.raw() as client:
            client.send(UPGRADE[:at])
            time.sleep(0.001)
            client.send(UPGRADE[at:])
            assert client.read_head()[0] == 101, at


def test_upgrade_byte_by_byte_with_a_message(echo):
    with echo.raw() as client:
        for byte in UPGRADE + frame(TEXT, b"hello"):
            client.send(bytes([byte]))
            time.sleep(0.0005)
        assert client.read_head()[0] == 101
        assert client.read_message() == (TEXT, b"hello")


def test_head_and_frames_in_one_write(echo):
    with echo.raw() as client:
        client.send(UPGRADE + frame(TEXT, b"one") + frame(BINARY, b"two") + frame(PING, b"three"))
        assert client.read_head()[0] == 101
        assert [client.read_message() for _ in range(3)] == [(TEXT, b"one"), (BINARY, b"two"), (PONG, b"three")]


def test_head_and_frames_cut_in_two_around_the_end_of_the_head(echo):
    data = UPGRADE + frame(TEXT, b"one") + frame(TEXT, b"two", fin=False) + frame(CONTINUATION, b" and three")
    for at in range(len(UPGRADE) - 5, len(data)):
        with echo.raw() as client:
            client.send(data[:at])
            time.sleep(0.001)
            client.send(data[at:])
            assert client.read_head()[0] == 101
            assert [client.read_message() for _ in range(2)] == [(TEXT, b"one"), (TEXT, b"two and three")], at


def test_head_and_a_large_message_in_one_write(echo):
    payload = b"x" * 900_000
    with echo.raw() as client:
        client.send(UPGRADE + frame(BINARY, payload))
        assert client.read_head()[0] == 101
        assert client.read_message() == (BINARY, payload)


# ---- refusals ----


def refusal(server, request):
    with server.raw() as client:
        client.send(request)
        status, headers = client.read_head()
        client.read(int(headers["content-length"]))
        assert client.at_eof()
        return status, headers


def test_wrong_origin(echo):
    assert refusal(echo, rawws.request(target="/echo", extra=["Origin: https://evil.example"]))[0] == 403
    with echo.raw() as client:
        client.send(rawws.request(target="/echo", host="chat.example", extra=["Origin: https://chat.example"]))
        assert client.read_head()[0] == 101


def test_unknown_path(echo):
    for target in ("/", "/Echo", "/echo/", "/other?x=/echo"):
        assert refusal(echo, rawws.request(target=target))[0] == 404
    with pytest.raises(InvalidStatus) as info:
        connect(echo.url("/other"))
    assert info.value.response.status_code == 404
    assert info.value.response.body == b"There is no WebSocket at this path.\n"


def test_path_with_query_and_in_absolute_form(echo):
    for target in ("/echo?token=1&x=/other", "http://127.0.0.1/echo?x"):
        with echo.raw() as client:
            client.send(rawws.request(target=target))
            assert client.read_head()[0] == 101


def test_wrong_version(echo):
    status, headers = refusal(echo, UPGRADE.replace(b"Version: 13", b"Version: 8"))
    assert (status, headers["sec-websocket-version"]) == (426, "13")


def test_wrong_requests(echo):
    assert refusal(echo, UPGRADE.replace(b"Connection: Upgrade", b"Connection: keep-alive"))[0] == 400
    assert refusal(echo, UPGRADE.replace(b"Sec-WebSocket-Key: ", b"Sec-WebSocket-Key: x"))[0] == 400
    many = "".join(f"X-{i}: y\r\n" for i in range(70)).encode()
    assert refusal(echo, UPGRADE.replace(b"\r\n\r\n", b"\r\n" + many + b"\r\n"))[0] == 431


# ---- messages ----


@pytest.mark.parametrize("payload", ["你好 " * 128_000 + "end", b"\x00\xff" * 450_000], ids=["text", "binary"])
def test_large_messages(echo, payload):
    with connect(echo.url("/echo"), max_size=None) as client:
        for _ in range(3):
            client.send(payload)
            assert client.recv() == payload


def test_empty_and_small_messages(echo):
    with connect(echo.url("/echo")) as client:
        for payload in ("", b"", "a", b"a", "x" * 125, "x" * 126, "x" * 65535, "x" * 65536):
            client.send(payload)
            assert client.recv() == payload
        assert client.ping(b"abc").wait(5)


def test_message_above_the_limit(echo):
    with echo.connect() as client:
        client.send(frame(TEXT, b"", length=1024 * 1024 + 1))
        assert client.read_close() == (1009, b"")
        assert client.at_eof()


def test_text_that_is_not_utf8(echo):
    with echo.connect() as client:
        client.send(frame(TEXT, b"fine") + frame(TEXT, b"\xc3\x28") + frame(TEXT, b"never seen"))
        assert client.read_message() == (TEXT, b"fine")
        assert client.read_close() == (1007, b"")
        assert client.at_eof()


def test_frame_without_mask(echo):
    with echo.connect() as client:
        client.send(frame(TEXT, b"hello", mask=None))
        assert client.read_close() == (1002, b"")


def test_a_burst_leaves_in_one_write(adapter):
    with adapter.connect("/command") as client:
        time.sleep(TIME_TO_READ)
        before = data_segments_in(client.socket)
        client.send(frame(TEXT, b"burst 200"))
        assert [client.read_message()[1] for _ in range(200)] == [str(i).encode() for i in range(200)]
        assert data_segments_in(client.socket) - before == 1
        client.send(frame(TEXT, b"header a") * 50)
        assert all(client.read_message() == (TEXT, b"a=") for _ in range(50))
        assert data_segments_in(client.socket) - before <= 3


def data_segments_in(sock):
    """tcpi_data_segs_in of struct tcp_info: each write of the server is at least one."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
    return struct.unpack_from("I", info, 152)[0]


def test_sends_from_timers_and_functors(adapter):
    with connect(adapter.url("/command")) as client:
        client.send("later")
        assert [client.recv() for _ in range(3)] == ["a", "b", "c"]


def test_what_a_worker_sent_before_is_not_overtaken(adapter):
    with connect(adapter.url("/command")) as client:
        for _ in range(50):
            client.send("overtake")
            assert [client.recv() for _ in range(2)] == ["worker", "loop"]


def test_workers_send_in_order(adapter):
    threads, count = 4, 3000
    with connect(adapter.url("/workers")) as client:
        client.send(f"{threads} {count}")
        seen = [[] for _ in range(threads)]
        for _ in range(threads * count):
            thread, number = client.recv().split()
            seen[int(thread)].append(int(number))
    assert seen == [list(range(count))] * threads


def test_workers_outrun_a_slow_reader_and_lose_nothing(start):
    """The limit is small, so most sends are refused at first and tried again."""
    adapter = start("adapter_server", "--threads", 1, "--limit", 2000)
    with connect(adapter.url("/workers"), max_queue=1) as client:
        client.send("2 3000")
        seen = [[], []]
        for i in range(6000):
            if i % 1000 == 0:
                time.sleep(0.1)
            thread, number = client.recv().split()
            seen[int(thread)].append(int(number))
    assert seen == [list(range(3000))] * 2


def test_a_refused_worker_can_send_again(adapter):
    """A refusal wakes the loop, which finds nothing to take; what is sent later must wake it once more."""
    with connect(adapter.url("/command"), max_queue=1) as client:
        client.send("fill-worker")
        time.sleep(1.5)
        while client.recv(timeout=20) != "room again":
            pass


def test_text_to_send_must_be_utf8(adapter):
    with connect(adapter.url("/command")) as client:
        for command in ("bad-text", "bad-text-worker"):
            client.send(command)
            assert client.recv() == "refused"


def test_ping_of_the_server(adapter):
    with adapter.connect("/command") as client:
        client.send(frame(TEXT, b"ping abc"))
        assert [client.read_message() for _ in range(2)] == [(PING, b"abc"), (TEXT, b"pinged")]
        client.send(frame(TEXT, b"ping " + b"x" * 126))
        assert client.read_message() == (TEXT, b"refused")


def test_broadcast_to_all_loops(adapter):
    clients = [adapter.connect("/command") for _ in range(6)]
    clients[0].send(frame(TEXT, b"broadcast news"))
    assert all(client.read_message() == (TEXT, b"news") for client in clients)


# ---- the handshake, as the application sees it ----


def test_request_is_known_to_the_application(adapter):
    options = {"additional_headers": [("X-Twice", "a"), ("x-twice", "b"), ("Cookie", "session=1")], "user_agent_header": "tester"}
    with connect(adapter.url("/command?token=%41&b"), subprotocols=["chat.v1", "chat.v2"], **options) as client:
        assert client.subprotocol == "chat.v2"  # the server's preference
        client.send("request")
        path, query, subprotocol, address = client.recv().split("|")
        assert (path, query, subprotocol) == ("/command", "token=%41&b", "chat.v2")
        assert address == "%s:%d" % client.local_address
        for name, value in (("cookie", "session=1"), ("COOKIE", "session=1"), ("X-TWICE", "a, b"), ("User-Agent", "tester"), ("Nothing", "")):
            client.send(f"header {name}")
            assert client.recv() == f"{name}={value}"
        client.send("context one")
        client.send("context two")
        assert [client.recv() for _ in range(2)] == ["was ", "was one"]


def test_application_refuses(adapter):
    assert refusal(adapter, rawws.request(target="/private"))[0] == 401
    assert refusal(adapter, rawws.request(target="/private", extra=["Cookie: token=wrong"]))[0] == 401
    assert refusal(adapter, rawws.request(target="/private", extra=["Cookie: token=crash"]))[0] == 500
    with adapter.connect("/private", extra=["Cookie: token=secret"]) as client:
        client.send(frame(TEXT, b"in"))
        assert client.read_message() == (TEXT, b"in")
    assert adapter.closes(1) == ["/private 1006 "]  # the refused ones had no callbacks
    assert "the status must be 300 to 599; 500 is sent" in adapter.stop()


# ---- the example itself ----


def test_example_says_what_is_wrong(build, echo):
    def run(*arguments):
        done = subprocess.run([build / "echo_muduo", *arguments], capture_output=True, text=True, timeout=10)
        return done.returncode, done.stderr

    port = str(echo.address[1])
    assert run("--port", port) == (1, f"error: port {port} on 127.0.0.1: cannot be bound: Address already in use\n")
    for arguments in ((), ("--port", "70000"), ("--port", "1", "--route", "B"), ("--port", "1", "more")):
        code, errors = run(*arguments)
        assert code == 2 and "usage: echo_muduo" in errors
