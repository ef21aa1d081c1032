"""The AI chat server and its browsers: stop, loss, several at once, sessions, back pressure."""

import asyncio
import contextlib
import json
import shutil
import subprocess
import time

import pytest
from ai_chat_harness import (
    DONE, PATIENCE, PROMPT, SLOWNESS, AiChat, Upstream, answers, asynchronous, delta, endless, head, run, wait_until,
)
from websockets.exceptions import ConnectionClosed, InvalidStatus


# ---- stop, and browsers that go ----


@asynchronous
async def test_stop_cancels_at_once_and_keeps_what_was_said():
    seen = asyncio.get_running_loop().create_future()
    script = endless(seen=seen)

    async def first_endless(call):
        await (script if not seen.done() else answers(delta("ok"), DONE))(call)

    async with Upstream(first_endless) as upstream, AiChat(upstream.url) as chat, chat.browser() as browser:
        await browser.say("Count")
        text = "".join([(await browser.receive())["content"] for _ in range(5)])
        stopped = time.monotonic()
        await browser.stop()
        rest, error = await browser.answer()
        assert error is None
        assert time.monotonic() - stopped < PROMPT
        assert await asyncio.wait_for(seen, PATIENCE) - stopped < PROMPT
        await browser.silent()
        # The model sees what the reader saw.
        assert await browser.ask("Go on") == ("ok", None)
        assert upstream.calls[1].body["messages"] == [{"role": "user", "content": "Count"},
                                                      {"role": "assistant", "content": text + rest},
                                                      {"role": "user", "content": "Go on"}]


@pytest.mark.parametrize("before", [b"", head()])
@asynchronous
async def test_stop_before_the_first_token(before):
    reached, gone = asyncio.Event(), asyncio.Event()

    async def script(call):
        await call.send(before)
        reached.set()
        await call.gone()
        gone.set()

    async with Upstream(script) as upstream, AiChat(upstream.url) as chat, chat.browser() as browser:
        await browser.say("Hello")
        await asyncio.wait_for(reached.wait(), PATIENCE)
        await browser.stop()
        assert await browser.answer() == ("", None)
        await asyncio.wait_for(gone.wait(), PROMPT)


SLOW_NAMES = """
#include <netdb.h>
#include <unistd.h>
int getaddrinfo(const char* node, const char* service, const struct addrinfo* hints, struct addrinfo** result) {
  sleep(4);
  return EAI_AGAIN;
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@asynchronous
async def test_a_slow_name_server_blocks_nobody(tmp_path):
    (tmp_path / "slow.c").write_text(SLOW_NAMES)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "slow.so", tmp_path / "slow.c"], check=True)
    environment = {"LD_PRELOAD": str(tmp_path / "slow.so"), "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}
    async with AiChat("http://model.example/v1", "--connect-timeout", 1, "--retries", 0, environment=environment) as chat:
        async with chat.browser() as one, chat.browser() as two:
            await one.say("Hello")
            await asyncio.sleep(0.2)
            begun = time.monotonic()
            await one.stop()
            assert await one.answer() == ("", None)
            assert (await two.ask("Hello"))[1]["code"] == "upstream_timeout"
            assert time.monotonic() - begun < 1 + PROMPT


@asynchronous
async def test_stop_of_nothing_is_silent_and_what_follows_is_not_mixed_up():
    upstream = Upstream(answers(delta("ok"), DONE))
    async with upstream, AiChat(upstream.url, "--max-commands", 1000) as chat, chat.browser() as browser:
        await browser.stop()
        await browser.silent()
        for _ in range(20):  # a stop and a question in one write: the first answer is cancelled, the second is not
            await browser.say("one")
            await browser.stop()
            await browser.say("two")
            first, second = await browser.answer(), await browser.answer()
            assert first[1] is None and second == ("ok", None)


@pytest.mark.parametrize("how", ["close", "vanish"])
@asynchronous
async def test_an_answer_that_nobody_reads_is_cancelled_after_the_time_of_grace(how):
    seen = asyncio.get_running_loop().create_future()
    async with Upstream(endless(seen=seen)) as upstream, AiChat(upstream.url, "--grace", 1.5 * SLOWNESS) as chat:
        async with chat.browser() as browser:
            await browser.say("Count")
            await browser.receive()
            left = time.monotonic()
            if how == "close":
                await browser.websocket.close()
            else:
                browser.websocket.transport.abort()
            assert await asyncio.wait_for(seen, PATIENCE) - left >= 1.5 * SLOWNESS


@asynchronous
async def test_nothing_is_left_behind():
    """Descriptors and memory do not grow with answers that complete, fail, are stopped or abandoned."""

    count = 0

    async def script(call):
        nonlocal count
        count += 1
        if count % 3 == 0:
            return await endless()(call)
        if count % 3 == 1:
            return await answers(delta("ok"), DONE)(call)
        return await answers(delta("half"))(call)

    async with Upstream(script) as upstream, AiChat(upstream.url, "--grace", 1) as chat:
        async def round_of_answers():
            for _ in range(30):
                async with chat.browser() as browser:
                    await browser.say("Hello")
                    await browser.receive()

        await round_of_answers()
        await wait_until(lambda: chat.descriptors() < 25)
        before = chat.descriptors()
        await round_of_answers()
        await wait_until(lambda: chat.descriptors() <= before + 2)


# ---- several at once ----


@pytest.mark.parametrize("threads", [0, 3])
@asynchronous
async def test_connections_do_not_block_each_other(threads):
    release = asyncio.Event()

    async def script(call):
        question = call.body["messages"][-1]["content"]
        await call.send(head())
        if question == "slow":
            await call.send(delta("s"))
            await release.wait()
        for i in range(20):
            await call.send(delta(f"{question} {i} "))
            await asyncio.sleep(0.002)
        await call.send(DONE)

    async with Upstream(script) as upstream, AiChat(upstream.url, "--threads", threads) as chat:
        async with chat.browser() as slow, contextlib.AsyncExitStack() as stack:
            await slow.say("slow", session="slow")
            assert (await slow.receive())["content"] == "s"
            browsers = [await stack.enter_async_context(chat.browser()) for _ in range(16)]
            results = await asyncio.gather(*(browser.ask(f"q{i}", session=f"s{i}") for i, browser in enumerate(browsers)))
            for i, result in enumerate(results):
                assert result == ("".join(f"q{i} {n} " for n in range(20)), None)
            release.set()
            assert await slow.answer() == ("".join(f"slow {n} " for n in range(20)), None)


@asynchronous
async def test_several_questions_at_once_on_one_connection():
    release = asyncio.Event()

    async def script(call):
        question = call.body["messages"][-1]["content"]
        await call.send(head() + delta(question + " a"))
        await release.wait()
        await call.send(delta(question + " b") + DONE)

    async with Upstream(script) as upstream, AiChat(upstream.url) as chat, chat.browser() as browser:
        texts = {"1": "", "2": ""}
        for request in texts:
            await browser.send({"type": "chat", "sessionId": "s" + request, "message": request, "requestId": request})
        for _ in texts:
            message = await browser.receive()
            texts[message["requestId"]] += message["content"]
        assert texts == {"1": "1 a", "2": "2 a"}
        await browser.send("no JSON")
        assert (await browser.receive())["code"] == "bad_request"
        await browser.silent()  # the answers go on: no done
        release.set()
        done = 0
        while done < 2:
            message = await browser.receive()
            texts[message["requestId"]] += message["content"]
            done += message["done"]
        assert texts == {"1": "1 a1 b", "2": "2 a2 b"}


# ---- what browsers send ----


@asynchronous
async def test_bad_requests():
    async with Upstream(answers(delta("ok"), DONE)) as upstream, AiChat(upstream.url, "--max-message", 1000) as chat:
        async with chat.browser() as browser:
            for message in ["", "{", "[]", "null", '{"type": 1}', '{"type": "stop"', "[" * 100000, b'{"type": "stop"}',
                            '{"type": "chat", "sessionId": "s", "message": "\\ud800"}']:
                await browser.send(message)
                error = await browser.receive()
                assert (error["type"], error["code"], error["retryable"]) == ("error", "bad_request", False), message
            await browser.send({"type": "shout", "requestId": "r"})
            error = await browser.receive()
            assert error["code"] == "unknown_type" and "resume" in error["message"]
            await browser.silent()  # nobody waits for the end of an answer
            for wrong in [{}, {"sessionId": 1}, {"message": ""}, {"sessionId": "s" * 129}, {"requestId": "r" * 129}]:
                await browser.send({"type": "chat", "sessionId": "s", "message": "m", "requestId": "r"} | wrong if wrong else {"type": "chat"})
                text, error = await browser.answer()
                assert (text, error["code"]) == ("", "bad_request"), wrong
            await browser.say("你" * 334)
            text, error = await browser.answer()
            assert (text, error["code"]) == ("", "message_too_long")
            assert "1002 bytes, the limit is 1000" in error["message"]
            assert upstream.calls == []
            await browser.send({"type": "chat", "sessionId": "s", "message": "你" * 333, "requestId": "r", "more": {"x": [1]}})
            assert await browser.answer() == ("ok", None)


@asynchronous
async def test_messages_of_the_engines_limit_close_the_connection():
    async with AiChat("http://127.0.0.1:9/v1") as chat, chat.browser() as browser:
        with contextlib.suppress(ConnectionClosed):
            await browser.say("x" * 1_100_000)
        with pytest.raises(ConnectionClosed) as closed:
            await browser.receive()
        assert closed.value.rcvd.code == 1009


def test_origins():
    async def refused(chat, origin):
        with pytest.raises(InvalidStatus) as error:
            async with chat.browser(origin=origin):
                pass
        return error.value.response.status_code == 403

    async def test():
        async with Upstream(answers(delta("ok"), DONE)) as upstream:
            async with AiChat(upstream.url) as chat:
                assert await refused(chat, "https://evil.example")
                async with chat.browser(origin=f"http://127.0.0.1:{chat.port}") as browser:
                    assert await browser.ask("Hello") == ("ok", None)
            async with AiChat(upstream.url, "--allow-origin", "https://a.example", "--allow-origin", "https://b.example") as chat:
                assert await refused(chat, "https://evil.example")
                for origin in "https://a.example", "https://b.example":
                    async with chat.browser(origin=origin) as browser:
                        assert await browser.ask("Hello") == ("ok", None)
            async with AiChat(upstream.url, "--allow-origin", "*") as chat, chat.browser(origin="https://any.example") as browser:
                assert await browser.ask("Hello") == ("ok", None)

    run(test())


# ---- sessions ----


@asynchronous
async def test_the_model_sees_the_conversation():
    async def script(call):
        await answers(delta("re: " + call.body["messages"][-1]["content"]), DONE)(call)

    async with Upstream(script) as upstream, AiChat(upstream.url, "--history-turns", 4) as chat:
        async with chat.browser() as one, chat.browser() as two:
            for browser, session, question in [(one, "A", "1"), (two, "B", "2"), (one, "A", "3"), (two, "A", "4"), (one, "A", "5")]:
                assert await browser.ask(question, session=session) == ("re: " + question, None)
        seen = [[turn["content"] for turn in call.body["messages"]] for call in upstream.calls]
        assert seen == [["1"], ["2"], ["1", "re: 1", "3"], ["1", "re: 1", "3", "re: 3", "4"], ["3", "re: 3", "4", "re: 4", "5"]]


@asynchronous
async def test_a_failed_answer_keeps_what_was_said_and_drops_what_was_not():
    scripts = [answers(status="500 No"), answers(delta("Half")), answers(delta("ok"), DONE)]

    async def script(call):
        await scripts.pop(0)(call)

    async with Upstream(script) as upstream, AiChat(upstream.url, "--retries", 0) as chat, chat.browser() as browser:
        assert (await browser.ask("1"))[1]["code"] == "upstream_status"
        assert (await browser.ask("2"))[1]["code"] == "upstream_protocol"
        assert await browser.ask("3") == ("ok", None)
        assert [turn["content"] for turn in upstream.calls[2].body["messages"]] == ["2", "Half", "3"]


# ---- back pressure ----


def flood(total, written):
    """Sends `total` bytes of text as fast as they are taken; counts them in written[0]."""

    async def script(call):
        call.writer.transport.set_write_buffer_limits(high=65536)
        await call.send(head())
        piece = "0123456789" * 100
        while written[0] < total:
            await call.send(delta(piece))
            written[0] += len(piece)
        await call.send(DONE)

    return script


@asynchronous
async def test_a_browser_that_does_not_read_pauses_the_upstream():
    total, written = 40_000_000, [0]  # more than the sockets' buffers on the way can take
    options = ["--idle-timeout", 0.5 * SLOWNESS, "--max-answer", total]
    async with Upstream(flood(total, written)) as upstream, AiChat(upstream.url, *options) as chat:
        before = chat.peak_memory()
        async with chat.browser(lazy=True) as browser:
            await browser.say("Flood")
            await asyncio.sleep(1.5 * SLOWNESS)  # longer than the idle timeout: this silence is not the upstream's
            stalled, cpu = written[0], chat.cpu_seconds()
            assert 0 < stalled < 20_000_000
            await asyncio.sleep(0.5)
            assert written[0] == stalled, "the upstream went on"
            if SLOWNESS == 1:
                assert chat.cpu_seconds() - cpu <= 0.03, "waiting costs nothing"
            text, error = await browser.answer()
            assert error is None and text == "0123456789" * (total // 10)
            if SLOWNESS == 1:  # the answer is kept, for a reader who comes back, and not much else
                assert chat.peak_memory() - before < 1.3 * total + 8_000_000


@asynchronous
async def test_a_browser_that_never_reads_is_dropped():
    gone, written = asyncio.Event(), [0]
    script = flood(10**9, written)

    async def watched(call):
        try:
            await script(call)
        finally:
            gone.set()

    options = ["--stall-timeout", 0.5 * SLOWNESS, "--grace", 1, "--max-answer", 10**9]
    async with Upstream(watched) as upstream, AiChat(upstream.url, *options) as chat:
        async with chat.browser(lazy=True) as browser:
            await browser.say("Flood")
            await asyncio.wait_for(gone.wait(), PATIENCE)
            browser.websocket.transport.abort()


@asynchronous
async def test_a_browser_that_does_not_read_holds_up_nobody():
    written = [0]
    async with Upstream(flood(40_000_000, written)) as upstream, AiChat(upstream.url, "--max-answer", 40_000_000) as chat:
        async with chat.browser(lazy=True) as stuck:
            await stuck.say("Flood")
            stalled = -1
            while written[0] == 0 or written[0] != stalled:
                stalled = written[0]
                await asyncio.sleep(0.3 * SLOWNESS)
            upstream.script = answers(delta("ok"), DONE)
            async with chat.browser() as browser:
                assert await browser.ask("Hello", session="other") == ("ok", None)
            # And it can still stop.
            await stuck.stop()
            text, error = await stuck.answer()
            assert error is None and len(text) <= stalled < 40_000_000
            assert await stuck.ask("Hello") == ("ok", None)
