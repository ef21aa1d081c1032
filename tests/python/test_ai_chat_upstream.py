"""The AI chat server and a model's server that is busy, gone, or not quite like the others: when it is asked again, and what
becomes of the answer."""

import asyncio
import json
import re
import socket
import time
from email.utils import formatdate

import pytest
from ai_chat_harness import (
    DONE, PATIENCE, PROMPT, SLOWNESS, AiChat, Upstream, answers, asynchronous, delta, exchange, finish, head, run, sse,
    wait_until,
)

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
KEY = "sk-very-secret-0123456789"


def refuses(status, body=b"", **headers):
    """A script that answers with an error, and closes."""

    async def script(call):
        await call.send(head(status, "application/json", Content_Length=len(body), Connection="close", **headers) + body)

    return script


def one_after_the_other(*scripts):
    """A script that follows these for its calls; the last one for all further ones."""
    left = list(scripts)

    async def script(call):
        call.at = time.monotonic()
        return await (left.pop(0) if len(left) > 1 else left[0])(call)

    return script


async def cut(call):
    """Resets the connection."""
    call.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    call.writer.transport.abort()


HI = answers(delta("hi"), finish(), DONE)


def check_error(error, code, words, retryable):
    assert error is not None and error["code"] == code, error
    assert re.search(words, error["message"]), error["message"]
    assert error["retryable"] is retryable


# ---- asked again ----


@pytest.mark.parametrize("first", [
    pytest.param(refuses("503 Service Unavailable", b'{"error": "loading"}'), id="503"),
    pytest.param(refuses("429 Too Many Requests"), id="429"),
    pytest.param(refuses("408 Request Timeout"), id="408"),
    pytest.param(refuses("500 Internal Server Error", b"<html>"), id="500"),
    pytest.param(answers(), id="cut behind the head"),
    pytest.param(answers(b": thinking\n\n"), id="cut behind a comment"),
    pytest.param(answers(sse({"choices": [{"delta": {"role": "assistant", "content": ""}}]})), id="cut behind the role"),
    pytest.param(answers(b": thinking\n\n", Content_Length=1000), id="too short"),
    pytest.param(cut, id="reset"),
    pytest.param(answers(sse({"error": {"message": "busy", "code": 503}})), id="error event with a status"),
])
@asynchronous
async def test_asked_again_before_the_first_token(first):
    async with Upstream(one_after_the_other(first, first, HI)) as upstream, AiChat(upstream.url) as chat:
        assert await chat.ask("Hello?") == ("hi", None)
        assert len(upstream.calls) == 3
        assert all(call.body == upstream.calls[0].body for call in upstream.calls)


@asynchronous
async def test_asked_again_so_many_times():
    for retries in 0, 1, 3:
        async with Upstream(refuses("503 Busy", b'{"error": "no GPU"}')) as upstream:
            async with AiChat(upstream.url, "--retries", retries) as chat:
                text, error = await chat.ask()
                assert text == ""
                check_error(error, "upstream_status", "HTTP 503: no GPU$", True)
                assert len(upstream.calls) == 1 + retries


@asynchronous
async def test_a_server_that_starts_while_it_is_asked():
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))  # not listening: refused
        async with AiChat(f"http://127.0.0.1:{reserved.getsockname()[1]}/v1", "--retries", 10, "--max-retry-after", 1) as chat:
            answer = asyncio.create_task(chat.ask())
            await asyncio.sleep(0.3)
            reserved.listen()

            async def serve(reader, writer):
                request = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(re.search(rb"Content-Length: (\d+)", request).group(1)))
                writer.write(head() + delta("hi") + DONE)
                writer.close()

            async with await asyncio.start_server(serve, sock=reserved.dup()):
                assert await answer == ("hi", None)


@asynchronous
async def test_not_asked_again_behind_the_first_token():
    def half_and(rest):
        async def script(call):
            await call.send(head(Content_Length=10000) + delta("Half"))
            await asyncio.sleep(0.05)
            await rest(call)
        return script

    async def end(call):
        pass

    async def report(call):
        await call.send(sse({"error": {"message": "busy", "code": 503}}))

    for rest, code in [(end, "upstream_protocol"), (cut, "upstream_protocol"), (report, "upstream_status")]:
        async with Upstream(half_and(rest)) as upstream, AiChat(upstream.url) as chat:
            text, error = await chat.ask()
            assert text == "Half"
            check_error(error, code, "closed the connection|reported an error", True)
            assert len(upstream.calls) == 1


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found", "409 Conflict",
                                    "413 Too Large", "422 Unprocessable", "302 Found"])
@asynchronous
async def test_not_asked_again_what_would_fail_again(status):
    async with Upstream(refuses(status, Retry_After=1)) as upstream, AiChat(upstream.url) as chat:
        text, error = await chat.ask()
        assert text == ""
        check_error(error, "upstream_status", "HTTP " + status[:3], False)
        assert len(upstream.calls) == 1


@asynchronous
async def test_not_asked_again_after_nonsense():
    for body in b"data: {\n\n", sse({"error": "no such model"}):
        async with Upstream(answers(body)) as upstream, AiChat(upstream.url) as chat:
            text, error = await chat.ask()
            assert text == ""
            check_error(error, "upstream_protocol", "not JSON|no such model", True)
            assert len(upstream.calls) == 1


# ---- Retry-After ----


@pytest.mark.parametrize("status, value, least", [
    ("429 Too Many Requests", lambda: "1", 1.0),
    ("503 Service Unavailable", lambda: formatdate(time.time() + 2.9, usegmt=True), 0.9),  # dates are whole seconds
])
@asynchronous
async def test_retry_after(status, value, least):
    async def first(call):
        await refuses(status, Retry_After=value())(call)

    async with Upstream(one_after_the_other(first, HI)) as upstream, AiChat(upstream.url, "--max-retry-after", 10) as chat:
        assert await chat.ask() == ("hi", None)
        waited = upstream.calls[1].at - upstream.calls[0].at
        assert least <= waited < 5 * SLOWNESS


@asynchronous
async def test_a_retry_after_that_is_too_long():
    for value, words in [("90", r"in 90 s"), (formatdate(time.time() + 3600, usegmt=True), r"in 3\d\d\d s")]:
        async with Upstream(refuses("429 Too Many Requests", b'{"error": "quota"}', Retry_After=value)) as upstream:
            async with AiChat(upstream.url, "--max-retry-after", 30) as chat:
                text, error = await asyncio.wait_for(chat.ask(), 5 * SLOWNESS)
                assert text == ""
                check_error(error, "upstream_status", "HTTP 429: quota .*" + words, True)
                assert len(upstream.calls) == 1


@asynchronous
async def test_stop_during_the_wait():
    async with Upstream(one_after_the_other(refuses("429 Slow", Retry_After=1), HI)) as upstream:
        async with AiChat(upstream.url, "--max-retry-after", 30) as chat, chat.browser() as browser:
            await browser.say("Hello")
            await wait_until(lambda: upstream.calls)
            await asyncio.sleep(0.1 * SLOWNESS)
            stopped = time.monotonic()
            await browser.stop()
            assert await browser.answer() == ("", None)
            assert time.monotonic() - stopped < PROMPT
            await asyncio.sleep(1.2)
            assert len(upstream.calls) == 1
            assert await browser.ask("And now?", session="session-2") == ("hi", None)


@asynchronous
async def test_the_end_of_the_server_during_the_wait():
    async with Upstream(refuses("429 Slow", Retry_After=25)) as upstream:
        async with AiChat(upstream.url, "--max-retry-after", 30, "--retries", 1, "--drain", 0) as chat, chat.browser() as browser:
            await browser.say("Hello")
            await wait_until(lambda: upstream.calls)
            await asyncio.sleep(0.1 * SLOWNESS)
            chat.process.terminate()
            assert await asyncio.wait_for(chat.process.wait(), PATIENCE) == 0


# ---- usage ----


async def last_message(browser):
    """The one with done:true."""
    while True:
        message = await browser.receive()
        if message["type"] == "stream" and message["done"]:
            return message


@pytest.mark.parametrize("end", [
    pytest.param([finish("length"), sse({"choices": [], "usage": USAGE}), DONE], id="before DONE"),
    pytest.param([finish("length"), sse({"choices": [], "usage": USAGE})], id="no DONE"),
    pytest.param([sse({"choices": [{"delta": {}, "finish_reason": "length"}], "usage": USAGE}), DONE], id="on the last choice"),
    pytest.param([sse({"choices": [], "usage": USAGE}), finish("length"), DONE], id="before the finish reason"),
])
@asynchronous
async def test_usage_and_finish_reason(end):
    script = answers(delta("hi", usage=None), *end)
    async with Upstream(script) as upstream, AiChat(upstream.url) as chat, chat.browser() as browser:
        await browser.say("Hello")
        message = await last_message(browser)
        assert message["finish_reason"] == "length"
        assert message["usage"] == USAGE
        assert upstream.calls[0].body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("status, body", [
    ("400 Bad Request", b'{"error": {"message": "Unrecognized request argument supplied: stream_options"}}'),
    ("422 Unprocessable Entity", b'{"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"]}]}'),
])
@asynchronous
async def test_a_server_that_does_not_know_stream_options(status, body):
    async def script(call):
        await (refuses(status, body) if "stream_options" in call.body else HI)(call)

    async with Upstream(script) as upstream, AiChat(upstream.url, "--retries", 0) as chat, chat.browser() as browser:
        for _ in range(2):
            assert await browser.ask("Hello") == ("hi", None)
        assert ["stream_options" in call.body for call in upstream.calls] == [True, False, False]
        async with chat.browser() as other:
            assert await other.ask("Hello") == ("hi", None)
        assert len(upstream.calls) == 4


@asynchronous
async def test_a_server_that_only_repeats_the_request():
    async def script(call):
        await refuses("400 Bad Request", b"too long: " + json.dumps(call.body).encode())(call)

    async with Upstream(script) as upstream, AiChat(upstream.url) as chat:
        for _ in range(2):
            text, error = await chat.ask()
            check_error(error, "upstream_status", "HTTP 400", False)
        assert ["stream_options" in call.body for call in upstream.calls] == [True, False, True, False]


# ---- forms of an answer ----


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "text/event-stream"])
@asynchronous
async def test_a_whole_completion(content_type):
    text = "Not streamed: 你好 \"quoted\"\n"
    body = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
                       "usage": USAGE}).encode()

    async def script(call):
        await call.send(head(content_type=content_type, Content_Length=len(body) + 2) + b"\r\n")
        for half in body[:50], body[50:]:
            await call.send(half)
            await asyncio.sleep(0.02)

    async with Upstream(script) as upstream, AiChat(upstream.url) as chat:
        assert await chat.ask() == (text, None)
        assert len(upstream.calls) == 1


def test_a_whole_completion_that_is_slow():
    """Blank lines keep the connection alive; they are no answer, and the answer is not late once it has begun."""
    body = json.dumps({"choices": [{"message": {"content": "x" * 40}}]}).encode()

    async def script(call):
        await call.send(head(content_type="application/json", Content_Length=len(body)))
        for i in range(0, len(body), 10):
            await call.send(body[i:i + 10])
            await asyncio.sleep(0.1)

    async def blank(call):
        await call.send(head(content_type="application/json"))
        while True:
            await call.send(b"\n")
            await asyncio.sleep(0.05)

    times = ["--first-token-timeout", 0.4 * SLOWNESS, "--idle-timeout", 0.4 * SLOWNESS]
    assert exchange(script, *times)[:2] == ("x" * 40, None)
    text, error, _ = exchange(blank, *times)
    assert text == ""
    check_error(error, "upstream_timeout", "not begun to answer", True)


def test_a_whole_completion_without_end():
    async def script(call):
        await call.send(head(content_type="application/json") + b'{"choices": [{"message": {"content": "')
        while True:
            await call.send(b"x" * 100000)

    text, error, _ = exchange(script, "--max-answer", 100000)
    assert text == ""
    check_error(error, "upstream_protocol", "longer than 100000 bytes", True)


def test_a_stream_that_is_called_json():
    assert exchange(answers(delta("hi"), finish(), DONE, content_type="application/json"))[:2] == ("hi", None)


EVENTS = delta("Grü你") + finish() + sse({"choices": [], "usage": USAGE})
STREAM = b": hi\r\n\r\n" + EVENTS.replace(b"\n", b"\r\n") + b"data: [DONE]"


@asynchronous
async def test_every_split_of_a_stream():
    """Every place, in one connection to the browser; the two parts reach the server as two reads."""
    at = 0

    async def script(call):
        call.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await call.send(head(Content_Length=len(STREAM)) + STREAM[:at])
        await asyncio.sleep(0.003)
        await call.send(STREAM[at:])
        return "next"

    async with Upstream(script) as upstream, AiChat(upstream.url, "--history-turns", 0, "--max-commands", 1000) as chat, \
            chat.browser() as browser:
        for at in range(len(STREAM)):
            assert await browser.ask("Hello") == ("Grü你", None), f"cut at {at}"
        assert len(upstream.calls) == len(STREAM)
        assert upstream.connections == 1


# ---- secrets ----


def test_the_key_is_in_no_message_and_no_log_line():
    said = f"the key {KEY} is wrong".encode()
    error_event = sse({"error": {"message": said.decode(), "code": 401}})
    body = b'{"error": "' + said + b'"}'
    scripts = [refuses("401 Unauthorized", body), refuses("503 Busy", body), refuses("429 Slow", body, Retry_After=60),
               answers(error_event), answers(delta("a"), error_event), answers(b"<", content_type="x/" + KEY),
               answers(b"data: " + said + b"\n\n"), cut]

    async def ask(script):
        async with Upstream(script) as upstream:
            async with AiChat(upstream.url, "--verbose", environment={"API_KEY": KEY}) as chat:
                _, error = await chat.ask()
            assert upstream.calls[0].headers["authorization"] == "Bearer " + KEY
            assert KEY not in json.dumps(error) and KEY.encode() not in chat.stderr
            assert error["code"].encode() in chat.stderr
            return error

    async def test():
        errors = [await ask(script) for script in scripts]
        assert "the key [API key] is wrong" in errors[0]["message"]

    run(test())
