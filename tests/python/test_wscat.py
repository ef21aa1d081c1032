"""wscat as a process: what it sends and prints, and its exit codes, against servers that misbehave on purpose."""

import contextlib
import os
import pty
import signal
import socket
import subprocess
import threading
import time

import pytest
import rawws
from conftest import EXAMPLES_C
from rawws import CLOSE, TEXT, close_frame, frame
from websockets.datastructures import Headers
from websockets.http11 import Response
from websockets.sync.server import serve

MIB = 1024 * 1024


def wscat(*arguments, **options):
    """Runs it to its end. The second argument is stdin, unless it is an option."""
    url, *rest = arguments
    text = rest.pop(0) if rest and not rest[0].startswith("-") else ""
    return subprocess.run([EXAMPLES_C / "wscat", url, *rest], input=text, capture_output=True, text=True, timeout=30, **options)


@contextlib.contextmanager
def library_server(handler, **options):
    """A `websockets` server in a thread: gives its port."""
    with serve(handler, "127.0.0.1", 0, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def raw_server(script):
    """A server that accepts one connection and gives it to `script` after the request was read: gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        accepted, _ = listener.accept()
        with accepted:
            accepted.settimeout(20)
            request = b""
            while b"\r\n\r\n" not in request:
                request += accepted.recv(4096)
            lines = request.decode().split("\r\n")
            key = next(line.split(": ", 1)[1] for line in lines if line.lower().startswith("sec-websocket-key:"))
            script(accepted, key)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join()
        listener.close()


def switch_protocols(accepted, key):
    accepted.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      f"Sec-WebSocket-Accept: {rawws.accept_key(key)}\r\n\r\n").encode())


def read_to_eof(accepted):
    with contextlib.suppress(ConnectionResetError):
        while accepted.recv(65536):
            pass


# ---- lines and messages ----


def test_sends_lines_and_prints_messages(echo):
    result = wscat(echo.url, "one\ntwo\r\n\n世界\nlast without newline")
    assert result.stdout == "one\ntwo\n\n世界\nlast without newline\n"
    assert result.returncode == 0
    assert "* connected" in result.stderr and "code 1000" in result.stderr


def test_many_and_long_lines(echo):
    text = "".join(f"{i}\n" for i in range(20_000)) + "y" * (4 * MIB) + "\n"
    result = wscat(echo.url, text)
    assert result.stdout == text and result.returncode == 0


def test_skips_a_line_that_is_not_utf8(echo):
    result = subprocess.run([EXAMPLES_C / "wscat", echo.url], input=b"a\n\xff\nb\n", capture_output=True, timeout=30)
    assert (result.returncode, result.stdout) == (0, b"a\nb\n")
    assert b"line 2 was not sent" in result.stderr


# ---- exit codes ----


@pytest.mark.parametrize("url, complaint", [
    ("wss://127.0.0.1/", "TLS"), ("http://127.0.0.1/", "ws://"), ("ws://", "no host"), ("ws://[::1", "not closed"),
    ("ws://::1/", "brackets"), ("ws://a:0/", "port"), ("ws://a:65536/", "port"), ("ws://a/#b", "fragment"),
    ("ws://a/b c", "spaces"), ("ws://me:secret@a/", "Authorization"), ("ws://nowhere.invalid/", "cannot connect"),
])
def test_exits_1_without_a_connection(url, complaint):
    result = wscat(url)
    assert result.returncode == 1 and complaint in result.stderr


def test_exits_1_when_nobody_listens_or_a_header_is_wrong(echo):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    assert wscat(f"ws://127.0.0.1:{port}/").returncode == 1
    assert wscat(echo.url, "-H", "no colon").returncode == 1
    assert wscat(echo.url, "-H", "Split: a\r\nInjected: b").returncode == 1
    assert wscat(echo.url, "-s", "with space").returncode == 1


@pytest.mark.parametrize("status", [302, 401, 403, 404, 500, 503])
def test_exits_2_when_refused(status):
    def refuse(connection, request):
        return Response(status, "No", Headers([("Content-Length", "2")]), b"no")

    with library_server(lambda ws: None, process_request=refuse) as port:
        result = wscat(f"ws://127.0.0.1:{port}/", "lost\n")
    assert result.returncode == 2 and f"HTTP status {status}" in result.stderr


@pytest.mark.parametrize("answer", [
    b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
], ids=["nothing", "ssh", "200", "wrong key", "no headers"])
def test_exits_2_after_a_wrong_answer(answer):
    with raw_server(lambda accepted, key: accepted.sendall(answer)) as port:
        result = wscat(f"ws://127.0.0.1:{port}/")
    assert result.returncode == 2 and "handshake" in result.stderr


@pytest.mark.parametrize("bytes_sent", [b"", frame(TEXT, b"masked"), frame(TEXT, b"\xff", mask=None),
                                        frame(TEXT, b"cut", mask=None)[:-1], frame(TEXT, b"x", rsv=2, mask=None)],
                         ids=["lost", "masked frame", "not UTF-8", "cut frame", "rsv2"])
def test_exits_3_when_it_ends_badly(bytes_sent):
    def script(accepted, key):
        switch_protocols(accepted, key)
        accepted.sendall(bytes_sent)
        accepted.shutdown(socket.SHUT_WR)
        read_to_eof(accepted)

    with raw_server(script) as port:
        result = wscat(f"ws://127.0.0.1:{port}/", "-w", "20")
    assert result.returncode == 3 and "not cleanly" in result.stderr


def test_exits_3_when_its_close_is_not_answered():
    def script(accepted, key):
        switch_protocols(accepted, key)
        read_to_eof(accepted)

    began = time.monotonic()
    with raw_server(script) as port:
        result = wscat(f"ws://127.0.0.1:{port}/")
    assert result.returncode == 3 and "no answer to our close" in result.stderr
    assert 4 < time.monotonic() - began < 8


@pytest.mark.parametrize("code, exit_code", [(1000, 0), (1001, 0), (None, 0), (1008, 4), (1011, 4), (4000, 4)])
def test_exit_code_follows_the_servers_close(code, exit_code):
    def script(accepted, key):
        switch_protocols(accepted, key)
        accepted.sendall(frame(CLOSE, mask=None) if code is None else close_frame(code, b"that is why", mask=None))
        read_to_eof(accepted)

    with raw_server(script) as port:
        result = wscat(f"ws://127.0.0.1:{port}/", "-w", "20")
    assert result.returncode == exit_code
    assert f"code {code or 1005}" in result.stderr
    assert code is None or "that is why" in result.stderr


# ---- the rest ----


def test_request():
    seen = {}

    def handler(ws):
        seen["headers"], seen["path"], seen["subprotocol"] = ws.request.headers, ws.request.path, ws.subprotocol
        ws.ping(b"are you there").wait(5)
        seen["pong"] = True
        ws.send(b"\x00\x01\xff")

    with library_server(handler, subprotocols=["chat.v2"]) as port:
        result = wscat(f"ws://127.0.0.1:{port}/a/b?c=d", "-w", "20", "-H", "X-Token: abc ", "-H", "X-Token: def",
                       "-s", "chat.v3", "-s", "chat.v2", "-o", "https://example.com")
    assert result.returncode == 0
    assert seen["headers"]["Host"] == f"127.0.0.1:{port}" and seen["path"] == "/a/b?c=d"
    assert seen["headers"]["Origin"] == "https://example.com"
    assert seen["headers"].get_all("X-Token") == ["abc", "def"]
    assert seen["subprotocol"] == "chat.v2" and "subprotocol: chat.v2" in result.stderr
    assert seen["pong"] and "* ping: are you there" in result.stderr
    assert result.stdout == "<binary, 3 bytes> 00 01 ff\n"


def test_closes_cleanly_on_interrupt(echo):
    process = subprocess.Popen([EXAMPLES_C / "wscat", echo.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    assert process.stderr.readline() == "* connected\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 0
    assert "code 1000" in process.stderr.read()
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()


def test_keeps_control_characters_from_a_terminal():
    def script(accepted, key):
        switch_protocols(accepted, key)
        accepted.sendall(frame(TEXT, "\x1b]0;owned\x07 \u009b31m é\ttab".encode(), mask=None) + close_frame(1000, mask=None))
        read_to_eof(accepted)

    terminal, its_end = pty.openpty()
    with raw_server(script) as port:
        result = subprocess.run([EXAMPLES_C / "wscat", "-w", "20", f"ws://127.0.0.1:{port}/"], stdin=subprocess.DEVNULL,
                                stdout=its_end, stderr=subprocess.DEVNULL, timeout=20)
    shown = os.read(terminal, 1000)
    os.close(terminal)
    os.close(its_end)
    assert result.returncode == 0
    assert shown == "\\x1b]0;owned\\x07 \\x9b31m é\ttab\r\n".encode()


def test_ipv6(start_echo):
    if not has_ipv6():
        pytest.skip("no IPv6 loopback here")
    server = start_echo("--bind", "::1")
    assert server.host == "::1"
    result = wscat(f"ws://[::1]:{server.port}/", "hello\n")
    assert (result.returncode, result.stdout) == (0, "hello\n")


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
