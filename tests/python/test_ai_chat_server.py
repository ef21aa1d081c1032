"""The AI chat server as a server: the page, the end, the command line, secrets."""

import asyncio
import contextlib
import http.client
import json
import re
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from ai_chat_harness import (
    COMMAND, DONE, PATIENCE, PROMPT, SLOWNESS, WWW, AiChat, Upstream, answers, asynchronous, delta, endless, exchange, run,
)
from websockets.exceptions import ConnectionClosed


# ---- the page ----


def get(url, method="GET", path_as_is=None):
    """Status, headers, body; the path goes out as it is."""
    host, port = re.match(r"http://([\d.]+):(\d+)/", url).groups()
    with socket.create_connection((host, int(port)), PATIENCE) as client:
        client.sendall(f"{method} {path_as_is or '/'} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while piece := client.recv(65536):
            data += piece
    top, _, body = data.partition(b"\r\n\r\n")
    first, *lines = top.decode().split("\r\n")
    return int(first.split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}, body


def test_the_page(tmp_path):
    page = tmp_path / "www"
    page.mkdir()
    (page / "index.html").write_text("<p>你好</p>", encoding="utf-8")
    (page / "main.js").write_text("run()")
    (page / "big.js").write_text("x" * 2_000_000)
    (tmp_path / "secret.txt").write_text("secret")
    (page / "link.txt").symlink_to("../secret.txt")

    async def test():
        async with AiChat("http://127.0.0.1:9/v1", www=page) as chat:
            def fetch(path, method="GET"):
                return asyncio.to_thread(get, chat.url, method, path)

            for path in "/", "/index.html", "/?lang=zh":
                status, headers, body = await fetch(path)
                assert (status, body.decode(), headers["content-type"]) == (200, "<p>你好</p>", "text/html; charset=utf-8")
            policy = headers["content-security-policy"]
            assert policy.split("; ")[:5] == ["default-src 'none'", "script-src 'self'", "style-src 'self'",
                                              "connect-src 'self'", "img-src 'self'"]
            assert headers["x-content-type-options"] == "nosniff"
            assert (await fetch("/main.js"))[1]["content-type"] == "text/javascript; charset=utf-8"
            assert len((await fetch("/big.js"))[2]) == 2_000_000
            for path in ["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/link.txt", "/none", "/%00",
                         "//etc/passwd", "/ws"]:
                status, headers, body = await fetch(path)
                assert status == 404 and b"secret" not in body, path
                assert "content-security-policy" in headers
            status, headers, body = await fetch("/", "HEAD")
            assert (status, body) == (200, b"")
            kept = http.client.HTTPConnection("127.0.0.1", chat.port, timeout=PATIENCE)
            with contextlib.closing(kept):
                for path in "/big.js", "/none", "/healthz", "/":
                    lengths = []
                    for method in "HEAD", "GET":
                        await asyncio.to_thread(kept.request, method, path)
                        answer = await asyncio.to_thread(kept.getresponse)
                        lengths.append(answer.headers["content-length"])
                        assert len(await asyncio.to_thread(answer.read)) == (0 if method == "HEAD" else int(lengths[1]))
                    assert lengths[0] == lengths[1] != "0", path
            status, headers, body = await fetch("/", "POST")
            assert (status, headers["allow"]) == (405, "GET, HEAD")

    run(test())


@pytest.mark.skipif(not (Path(COMMAND[-1]).resolve().parents[1] / "ai_chat" / "www").exists(), reason="a program that was moved")
@asynchronous
async def test_the_page_that_comes_with_it():
    async with AiChat("http://127.0.0.1:9/v1", www=None) as chat:
        status, _, body = await asyncio.to_thread(get, chat.url)
        assert status == 200 and b"<!doctype html>" in body.lower()


@asynchronous
async def test_who_asks_for_pages_and_does_not_read_them_is_not_heard_further():
    request = b"GET /" + b"x" * 400 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    limit = 24 * 1024 * 1024

    def ask(port):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
            sent = 0
            while sent < limit and select.select([], [client], [], PROMPT)[1]:
                sent += client.send((request * 200)[sent % len(request):])
            stuck, received, tail = sent < limit, 0, b""
            while received < sent // len(request):  # all of them are answered when it reads
                data = tail + client.recv(1 << 20)
                received += data.count(b"HTTP/1.1 404 ")
                tail = data[-12:]
            return stuck, sent // len(request), received

    async with AiChat("http://127.0.0.1:9/v1") as chat:
        stuck, asked, answered = await asyncio.to_thread(ask, chat.port)
        assert stuck and answered == asked > 100
        assert (await asyncio.to_thread(get, chat.url))[0] == 200


# ---- the process ----


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("threads", [0, 2])
@asynchronous
async def test_the_end(stop, threads):
    async with Upstream(endless()) as upstream, AiChat(upstream.url, "--threads", threads, "--drain", 0.1) as chat:
        async with chat.browser() as idle, chat.browser() as busy:
            await busy.say("Count")
            await busy.receive()
            begun = time.monotonic()
            chat.process.send_signal(stop)
            for browser in idle, busy:
                with pytest.raises(ConnectionClosed) as closed:
                    while True:
                        await browser.receive()
                assert closed.value.rcvd.code == 1001
            assert await asyncio.wait_for(chat.process.wait(), PATIENCE) == 0
            assert time.monotonic() - begun < 2 * SLOWNESS, "it does not wait for the upstream"


@asynchronous
async def test_the_end_does_not_wait_for_a_browser_that_does_not_answer():
    async with AiChat("http://127.0.0.1:9/v1") as chat:
        reader, writer = await asyncio.open_connection("127.0.0.1", chat.port)
        writer.write(b"GET /ws/chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        begin = await reader.readexactly(2)
        assert b'"service"' in await reader.readexactly(begin[1])
        begun = time.monotonic()
        chat.terminate()
        assert (await reader.readexactly(4))[2:] == b"\x03\xe9"  # 1001
        assert await asyncio.wait_for(chat.process.wait(), PATIENCE) == 0
        assert time.monotonic() - begun < 5 * SLOWNESS
        writer.close()


def test_the_key_and_the_users_words_stay_secret(tmp_path):
    key = "sk-very-secret-0123456789"
    (tmp_path / "key").write_text(f"  {key}\n")
    error = {"error": {"message": f"Incorrect API key provided: {key}. Question was: private words"}}
    repeats = answers(json.dumps(error).encode(), status="401 Unauthorized", content_type="application/json")

    async def test(*arguments, **more):
        async with Upstream(repeats) as upstream, AiChat(upstream.url, "--verbose", *arguments, **more) as chat:
            async with chat.browser() as browser:
                _, error = await browser.ask("private words")
                assert error["code"] == "upstream_status" and "Incorrect API key provided: [API key]" in error["message"]
                upstream.script = answers(delta("private answer"), DONE)
                assert await browser.ask("private words") == ("private answer", None)
            assert all(call.headers["authorization"] == f"Bearer {key}" for call in upstream.calls)
        log = chat.stderr.decode() + chat.banner
        assert key not in log and "private" not in log
        assert "HTTP 401" in log and "answer_over" in log and "outcome=stop" in log

    run(test("--api-key-file", tmp_path / "key"))
    run(test(environment={"API_KEY": key}))
    run(test("--api-key-file", tmp_path / "key", environment={"API_KEY": "another"}))


def test_quiet_unless_something_is_wrong():
    assert exchange(answers(delta("ok"), DONE)) == ("ok", None, "")


UPSTREAM = ["--upstream", "http://127.0.0.1:9/v1"]


def start(*arguments):
    """For what ends by itself."""
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.parametrize("arguments, words", [
    ([], "--port is missing"),
    (["--port", "0"], "--upstream is missing"),
    (["--port", "65536", *UPSTREAM], "--port takes a number"),
    (["--port", "8080x", *UPSTREAM], "--port takes a number"),
    (["--port"], "--port needs a value"),
    (["--port", "0", "--upstream", "ftp://x/"], "--upstream: "),
    (["--port", "0", "--upstream", "localhost"], "--upstream: "),
    (["--port", "0", "--upstream", "http://user:pass@localhost/"], "--upstream: "),
    (["--port", "0", "--upstream", "http://localhost/?x=1"], "--upstream: "),
    (["--port", "0", *UPSTREAM, "--bind", "localhost"], "--bind takes"),
    (["--port", "0", *UPSTREAM, "--threads", "-1"], "--threads takes"),
    (["--port", "0", *UPSTREAM, "--idle-timeout", "0"], "--idle-timeout takes seconds"),
    (["--port", "0", *UPSTREAM, "--idle-timeout", "soon"], "--idle-timeout takes seconds"),
    (["--port", "0", *UPSTREAM, "--what"], "unknown option --what"),
    (["--port", "0", *UPSTREAM, "-x"], "unknown option -x"),
    (["--port", "0", *UPSTREAM, "more"], "unexpected argument more"),
    (["--port", "0", *UPSTREAM, "--api-key-file", "/does/not/exist"], "cannot read the API key"),
    (["--port", "0", *UPSTREAM, "--api-key-file", "/dev/null"], "is empty"),
    (["--port", "0", *UPSTREAM, "--allow-origin", "not an origin"], "--allow-origin"),
])
def test_a_wrong_command_line(arguments, words):
    result = start(*arguments)
    assert result.returncode == 2 and result.stdout == ""
    assert words in result.stderr and "usage: ai_chat" in result.stderr


def test_a_key_that_is_none_is_not_shown(tmp_path):
    (tmp_path / "key").write_bytes(b"sk-secret\r\nX-Injected: 1")
    result = start("--port", "0", *UPSTREAM, "--api-key-file", tmp_path / "key")
    assert result.returncode == 2 and "sk-secret" not in result.stderr


def test_help():
    result = start("--help")
    assert result.returncode == 0 and result.stdout.startswith("usage: ai_chat")


def test_what_cannot_be_started_says_why():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = start("--port", str(port), *UPSTREAM, "--www", WWW)
        assert result.returncode == 1 and f"port {port}: Address already in use" in result.stderr
    result = start("--port", "0", *UPSTREAM, "--www", "/does/not/exist")
    assert result.returncode == 1 and "/does/not/exist: No such file or directory" in result.stderr
