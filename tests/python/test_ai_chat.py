"""The AI chat server: what becomes of a model's answer, good or bad."""

import asyncio
import re
import socket
import ssl
import subprocess

import pytest
from ai_chat_harness import (
    DONE, KEEP_ALIVE, SLOWNESS, TEXT, AiChat, Upstream, answers, asynchronous, delta, exchange, finish, head, raw_delta,
    run, sse,
)


# ---- an answer ----


@asynchronous
async def test_an_answer_arrives_as_the_model_gave_it():
    script = answers(sse({"choices": [{"delta": {"role": "assistant", "content": None}, "finish_reason": None}]}),
                     *(delta(character) for character in TEXT), finish(),
                     sse({"choices": [], "usage": {"total_tokens": 42}}), DONE)
    async with Upstream(script) as upstream, AiChat(upstream.url + "/", "--model", "tiny") as chat:
        assert await chat.ask("What is 你好?") == (TEXT, None)
        call, = upstream.calls
        assert call.request_line == "POST /v1/chat/completions HTTP/1.1"
        assert call.headers["content-type"] == "application/json"
        assert "authorization" not in call.headers
        assert call.body == {"model": "tiny", "stream": True, "stream_options": {"include_usage": True}, "messages": [{"role": "user", "content": "What is 你好?"}]}
    assert re.search(r"on (Muduo|Muduo's stand-in), wsengine \d+\.\d+\.\d+; model \"tiny\"", chat.banner)


@asynchronous
async def test_tokens_leave_as_they_arrive():
    go = asyncio.Event()

    async def script(call):
        await call.send(head())
        for word in "abc":
            await call.send(delta(word))
            await go.wait()
            go.clear()
        await call.send(DONE)
        await call.hang()  # [DONE] is the end, not the end of the connection

    async with Upstream(script) as upstream, AiChat(upstream.url) as chat, chat.browser() as browser:
        await browser.say("Hello")
        for word in "abc":
            message = await browser.receive()
            assert (message["content"], message["done"]) == (word, False)
            go.set()
        message = await browser.receive()
        assert (message["content"], message["done"], message["finish_reason"]) == ("", True, "stop")


STREAM = b"".join(delta(TEXT[i:i + 3]) for i in range(0, len(TEXT), 3)) + finish() + DONE


@pytest.mark.parametrize("stream", [
    pytest.param(STREAM, id="lf"),
    pytest.param(STREAM.replace(b"\n", b"\r\n"), id="crlf"),
    pytest.param(STREAM.replace(b"\n", b"\r"), id="cr"),
    pytest.param(b"\xef\xbb\xbf: hello\n\n" + STREAM.replace(b"data: ", b": comment\nid: 1\nevent: message\ndata:"),
                 id="comments and fields"),
    pytest.param(STREAM.replace(b', "delta"', b',\ndata: "delta"'), id="data over several lines"),
    pytest.param(STREAM.replace(DONE, b"data: [DONE]"), id="no newline at the end"),
    pytest.param(STREAM.replace(DONE, b""), id="finish reason, no DONE"),
    pytest.param(STREAM.replace(finish(), b""), id="DONE, no finish reason"),
    pytest.param(STREAM.replace(DONE, sse({"choices": [], "usage": {}}) + DONE), id="usage"),
    pytest.param(STREAM + delta("behind the end"), id="more behind DONE"),
    pytest.param(b"data:\n\ndata: {}\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n" + STREAM, id="events without a choice"),
    pytest.param(STREAM.replace("👩".encode(), b"\\ud83d\\udc69"), id="escapes"),
])
@pytest.mark.parametrize("size", [1, 7, 100000])
def test_every_form_of_a_stream(stream, size):
    async def script(call):
        await call.send(head(Transfer_Encoding="chunked"))
        for i in range(0, len(stream), size):
            await call.send_chunk(stream[i:i + size])
            if size == 1 and i % 16 == 0:
                await asyncio.sleep(0)
        await call.send(b"0\r\n\r\n")

    call = exchange(script)
    assert call[:2] == (TEXT, None)


def test_characters_split_over_writes_never_leave_in_halves():
    async def script(call):
        call.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await call.send(head())
        for byte in raw_delta("你👩".encode()):
            await call.send(bytes([byte]))
            await asyncio.sleep(0.002)
        await call.send(DONE)

    assert exchange(script)[:2] == ("你👩", None)


def test_characters_split_over_deltas_are_joined():
    text = "é你👩🌍"
    pieces = [raw_delta(bytes([byte])) for byte in text.encode()]
    assert exchange(answers(*pieces, DONE, pause=0.005))[:2] == (text, None)
    halves = ["\\ud83d", "\\udc69", "a\\ud83c", "\\udf0d"]  # as servers with UTF-16 strings cut
    assert exchange(answers(*(raw_delta(half.encode()) for half in halves), DONE, pause=0.005))[:2] == ("👩a🌍", None)


def test_bytes_that_are_no_text_become_replacement_characters():
    script = answers(raw_delta(b"a\xff"), raw_delta(b"b\xe4\xbd"), raw_delta(b"c\\ud83d"), raw_delta(b"d\xe4"), DONE, pause=0.005)
    assert exchange(script)[:2] == ("a\ufffdb\ufffdc\ufffdd\ufffd", None)


def test_an_empty_answer():
    assert exchange(answers(finish(), DONE))[:2] == ("", None)


@asynchronous
async def test_the_connection_to_the_upstream_is_used_again():
    async def script(call):
        body = delta("hi") + DONE
        await call.send(head(Content_Length=len(body)) + body)
        return "next"

    async with Upstream(script) as upstream, AiChat(upstream.url) as chat, chat.browser() as browser:
        for _ in range(5):
            assert await browser.ask("Hello") == ("hi", None)
        assert (len(upstream.calls), upstream.connections) == (5, 1)


def test_finish_reason_and_then_silence_is_an_end():
    async def script(call):
        await call.send(head() + delta("hi") + finish())
        await call.hang()

    assert exchange(script, "--idle-timeout", 0.3 * SLOWNESS)[:2] == ("hi", None)


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine():
    proxy = {"http_proxy": "http://127.0.0.1:9", "all_proxy": "http://127.0.0.1:9"}
    assert exchange(answers(delta("hi"), DONE), environment=proxy)[:2] == ("hi", None)


# ---- an upstream that fails ----


def check_error(result, code, words, text=""):
    answer, error, log = result
    assert answer == text
    assert error is not None and error["code"] == code, error
    assert re.search(words, error["message"]), error["message"]
    assert code in log and "127.0.0.1" in log  # the operator learns where


def test_dead_port():
    with socket.socket() as dead:  # bound, not listening
        dead.bind(("127.0.0.1", 0))

        async def test():
            async with AiChat(f"http://127.0.0.1:{dead.getsockname()[1]}/v1") as chat, chat.browser() as browser:
                for _ in range(3):
                    text, error = await browser.ask("Hello")
                    assert (text, error["code"]) == ("", "upstream_unreachable")
                    assert "refused" in error["message"]

        run(test())


@asynchronous
async def test_unknown_host():
    async with AiChat("http://does-not-exist.invalid/v1") as chat:
        text, error = await chat.ask()
        assert (text, error["code"]) == ("", "upstream_unreachable")


@asynchronous
async def test_connect_timeout_and_tls_with_nobody():
    async def silent(reader, writer):
        await reader.read(-1)
        writer.close()

    async def plain(reader, writer):
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    for serve, code in [(silent, "upstream_timeout"), (plain, "upstream_unreachable")]:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with AiChat(f"https://127.0.0.1:{port}/v1", "--connect-timeout", 0.3 * SLOWNESS) as chat:
                text, error = await chat.ask()
                assert (text, error["code"]) == ("", code)


def test_certificate_that_nobody_signed(tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-keyout",
                    tmp_path / "key.pem", "-out", tmp_path / "cert.pem"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

    async def test():
        async with await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0, ssl=context) as server:
            async with AiChat(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1") as chat:
                text, error = await chat.ask()
                assert (text, error["code"]) == ("", "upstream_unreachable")
                assert "TLS" in error["message"]

    run(test())


@pytest.mark.parametrize("status, body, words", [
    ("500 Internal Server Error", b'{"error": {"message": "out of\\nmemory \xe4\xbd\xa0", "type": "x"}}',
     "HTTP 500: out of memory 你"),
    ("429 Too Many Requests", b'{"error": "slow down"}', "HTTP 429: slow down"),
    ("422 Unprocessable Entity", b'{"detail": "no such model"}', "HTTP 422: no such model"),
    ("404 Not Found", b"<html>not here</html>", "HTTP 404$"),
    ("503 Service Unavailable", b"", "HTTP 503$"),
    ("400 Bad Request", b'{"error": {"message": "' + b"x" * 20000 + b'"}}', "HTTP 400: x{400,500}…$"),
    ("502 Bad Gateway", b'{"error": ' + b"[" * 20000, "HTTP 502$"),
    ("204 No Content", None, "HTTP 204"),
])
def test_status(status, body, words):
    async def script(call):
        await call.send(head(status, "application/json", **({} if body is None else {"Content_Length": len(body)})) + (body or b""))

    check_error(exchange(script), "upstream_status", words)


@asynchronous
async def test_redirects_are_not_followed():
    async with Upstream(answers(delta("stolen"), DONE)) as other:
        script = answers(status="307 Temporary Redirect", Location=other.url + "/chat/completions", Content_Length=0)
        async with Upstream(script) as upstream, AiChat(upstream.url) as chat:
            text, error = await chat.ask()
            assert (text, error["code"]) == ("", "upstream_status")
            assert "HTTP 307 (redirects are not followed)" in error["message"]
        assert other.calls == []


def test_an_error_body_without_end():
    async def script(call):
        await call.send(head("500 Oh", "text/html"))
        while True:
            await call.send(b"<p>" * 5000)

    check_error(exchange(script), "upstream_status", "HTTP 500$")


def test_an_error_body_that_hangs():
    async def script(call):
        await call.send(head("500 Oh", "application/json", Content_Length=1000) + b'{"error"')
        await call.hang()

    check_error(exchange(script, "--first-token-timeout", 0.3), "upstream_status", "HTTP 500$")


@pytest.mark.parametrize("before", [b"", head(), head() + KEEP_ALIVE,
                                    head() + sse({"choices": [{"delta": {"role": "assistant"}}]})],
                         ids=["nothing", "head", "comment", "role"])
def test_hanging_before_the_first_token(before):
    async def script(call):
        await call.send(before)
        await call.gone()  # given up, not left open

    check_error(exchange(script, "--first-token-timeout", 0.3), "upstream_timeout", r"not begun to answer within 0\.3 s")


def test_comments_for_ever_are_no_answer():
    async def script(call):
        await call.send(head())
        while True:
            await call.send(KEEP_ALIVE)
            await asyncio.sleep(0.02)

    check_error(exchange(script, "--first-token-timeout", 0.4), "upstream_timeout", "0.4 s")


def test_hanging_in_mid_answer():
    async def script(call):
        await call.send(head() + delta("Half an ans"))
        await call.gone()

    check_error(exchange(script, "--idle-timeout", 0.3), "upstream_timeout", r"nothing for 0\.3 s", text="Half an ans")


def test_thinking_is_not_hanging():
    async def script(call):
        await call.send(head())
        for _ in range(8):
            await call.send(sse({"choices": [{"delta": {"reasoning_content": "hm"}}]}))
            await asyncio.sleep(0.1 * SLOWNESS)
        await call.send(delta("42") + DONE)

    times = ["--first-token-timeout", 0.4 * SLOWNESS, "--idle-timeout", 0.4 * SLOWNESS]
    assert exchange(script, *times)[:2] == ("42", None)


@pytest.mark.parametrize("body, words, text", [
    (delta("Half") + raw_delta(b"\xe4"), "before it was complete", "Half"),
    (delta("Half") + b'data: {"choi', "not JSON", "Half"),
    (delta("a") + sse(b'{"choices": [{"delta": {"content": "b"'), "not JSON", "a"),
    (delta("a") + sse(b"null"), "not a JSON object", "a"),
    (delta("a") + sse({"choices": "b"}), "not an array", "a"),
    (delta("a") + sse({"choices": [{"delta": {"content": {"x": 1}}}]}), "not a string", "a"),
    (delta("a") + sse(b"[" * 100000), "not JSON", "a"),
    (delta("a") + sse({"error": {"message": "GPU on\nfire"}}), "reported an error: GPU on fire", "a"),
    (delta("a") + b"event: error\ndata: {\"message\": \"oops\"}\n\n", "reported an error: oops", "a"),
    (delta("a") + b"data: " + b"x" * 1100000, "longer than 1048576 bytes", "a"),
    (delta("a") + (b"data: " + b"x" * 1000 + b"\n") * 1100, "longer than 1048576 bytes", "a"),
    (b"", "empty answer", ""),
    (b"\n\n: only comments\n\n", "empty answer", ""),
    (b"<!doctype html><html></html>", "empty answer", ""),
])
def test_broken_streams(body, words, text):
    check_error(exchange(answers(body)), "upstream_protocol", words, text)


@pytest.mark.parametrize("content_type, body, words", [
    ("application/json", b'{"id": 7}', "JSON that is no completion"),
    ("application/json", b'["x"]', "application/json instead of an event stream$"),
    ("application/json; charset=utf-8", b'{"error": {"message": "no key"}}', "reported an error: no key"),
    ("text/html", b"<html>", "text/html instead"),
])
def test_not_an_event_stream(content_type, body, words):
    check_error(exchange(answers(body, content_type=content_type)), "upstream_protocol", words)


def test_cut_in_mid_answer():
    async def cut(call):
        await call.send(head(Transfer_Encoding="chunked"))
        await call.send_chunk(delta("Half"))
        await asyncio.sleep(0.05)

    async def reset(call):
        await cut(call)
        call.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        call.writer.transport.abort()

    async def too_short(call):
        await call.send(head(Content_Length=10000) + delta("Half"))

    for script in cut, reset, too_short:
        check_error(exchange(script), "upstream_protocol", "closed the connection before the answer was complete", "Half")


def test_not_even_http():
    async def nothing(call):
        pass

    async def garbage(call):
        await call.send(b"\x16\x03\x01 what?\r\n\r\n" * 10)

    check_error(exchange(nothing), "upstream_protocol", "without an answer")
    check_error(exchange(garbage), "upstream_protocol", "broke the protocol")


def test_an_answer_without_end():
    async def script(call):
        await call.send(head())
        while True:
            await call.send(delta("x" * 10000))

    text, error, _ = exchange(script)
    assert error["code"] == "upstream_protocol" and "longer than 4194304 bytes" in error["message"]
    assert 4_000_000 < len(text) <= 4_194_304 and set(text) == {"x"}
