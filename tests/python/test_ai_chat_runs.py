"""Answers that outlive connections: resume, repeated questions, limits and the queue, grace, history, regenerate."""

import asyncio

import pytest
from ai_chat_harness import (
    DONE, SLOWNESS, AiChat, Upstream, answers, asynchronous, delta, endless, finish, head, sse, wait_until,
)


async def ask(browser, request, message="Hello", session="s", **more):
    await browser.send({"type": "chat", "sessionId": session, "message": message, "requestId": request, **more})


async def resume(browser, request, after=0, session="s"):
    await browser.send({"type": "resume", "sessionId": session, "requestId": request, "after": after})


async def rest_of(browser, request):
    """The numbered messages of one answer, up to its end."""
    messages = []
    while not (messages and messages[-1].get("done")):
        message = await browser.receive("stream", "error")
        if message.get("requestId") == request:
            messages.append(message)
    return messages


def text_of(messages):
    return "".join(message.get("content", "") for message in messages)


def slowly(pieces, pause=0.02):
    return answers(*map(delta, pieces), finish(), sse({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}),
                   DONE, pause=pause)


PIECES = [f"{i} 你👩{'x' * (i % 5)} " for i in range(40)]


# ---- the messages ----


@asynchronous
async def test_messages_are_numbered_and_the_last_one_says_how_it_ended():
    async with Upstream(slowly(PIECES)) as upstream, AiChat(upstream.url, "--merge", 1) as chat, chat.browser() as browser:
        assert (await browser.receive_any())["type"] == "service"
        await ask(browser, "r")
        status = await browser.receive_any()
        assert status == {"type": "status", "requestId": "r", "status": "thinking"}
        messages = await rest_of(browser, "r")
        assert [message["seq"] for message in messages] == list(range(1, len(messages) + 1))
        assert text_of(messages) == "".join(PIECES)
        assert [message["done"] for message in messages] == [False] * (len(messages) - 1) + [True]
        assert messages[-1]["finish_reason"] == "stop"
        assert messages[-1]["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


@asynchronous
async def test_a_request_without_a_name_gets_one():
    async with Upstream(answers(delta("ok"), DONE)) as upstream, AiChat(upstream.url) as chat, chat.browser() as browser:
        names = set()
        for _ in range(3):
            await browser.say("Hello")
            status = await browser.receive("status")
            assert len(status["requestId"]) >= 16
            names.add(status["requestId"])
            assert (await rest_of(browser, status["requestId"]))[-1]["done"]
        assert len(names) == 3


@asynchronous
async def test_the_subprotocol():
    async with AiChat("http://127.0.0.1:9/v1") as chat:
        async with chat.browser(subprotocols=["other", "wsengine-chat.v1"]) as browser:
            assert browser.websocket.subprotocol == "wsengine-chat.v1"
        async with chat.browser() as browser:
            await browser.send({"type": "ping", "id": 5})
            assert await browser.receive() == {"type": "pong", "id": 5}


# ---- resume ----


@pytest.mark.parametrize("threads", [0, 3])
@asynchronous
async def test_resume_gives_what_is_missing_and_goes_on(threads):
    """The connection is cut behind every message; the next one goes on there."""
    async with Upstream(slowly(PIECES)) as upstream, AiChat(upstream.url, "--threads", threads, "--merge", 1) as chat:
        seen = []
        while not (seen and seen[-1]["done"]):
            async with chat.browser() as browser:
                if seen:
                    await resume(browser, "r", after=seen[-1]["seq"])
                else:
                    await ask(browser, "r")
                seen.append(await browser.receive("stream"))
                browser.websocket.transport.abort()
        assert [message["seq"] for message in seen] == list(range(1, len(seen) + 1))
        assert text_of(seen) == "".join(PIECES)
        assert len(upstream.calls) == 1
        # It is kept for a while.
        async with chat.browser() as browser:
            await resume(browser, "r")
            assert await rest_of(browser, "r") == seen


@asynchronous
async def test_two_readers_of_one_answer():
    async with Upstream(slowly(PIECES)) as upstream, AiChat(upstream.url) as chat:
        async with chat.browser() as one, chat.browser() as two:
            await ask(one, "r")
            first = await one.receive("stream")
            await resume(two, "r")
            rest, all_of_it = await asyncio.gather(rest_of(one, "r"), rest_of(two, "r"))
            assert [first, *rest] == all_of_it and text_of(all_of_it) == "".join(PIECES)


@asynchronous
async def test_asking_again_with_the_same_name_asks_once():
    async with Upstream(slowly(PIECES)) as upstream, AiChat(upstream.url) as chat:
        async with chat.browser() as browser:
            await ask(browser, "r")
            await browser.receive("stream")
        async with chat.browser() as browser:
            await ask(browser, "r")
            assert text_of(await rest_of(browser, "r")) == "".join(PIECES)
            await ask(browser, "r", session="another")
            assert text_of(await rest_of(browser, "r")) == "".join(PIECES)
        assert len(upstream.calls) == 2, "names belong to their session"


@asynchronous
async def test_what_is_not_known_or_no_longer_kept():
    async with Upstream(answers(delta("ok"), DONE)) as upstream, AiChat(upstream.url, "--grace", SLOWNESS) as chat:
        async with chat.browser() as browser:
            await resume(browser, "r")
            error, end = await rest_of(browser, "r")
            assert (error["code"], error["retryable"], end["finish_reason"]) == ("unknown_request", False, "error")
            await ask(browser, "r")
            await rest_of(browser, "r")
            await resume(browser, "r", session="another")
            assert (await rest_of(browser, "r"))[0]["code"] == "unknown_request"
            for _ in range(100):
                await resume(browser, "r")
                messages = await rest_of(browser, "r")
                if messages[0]["type"] == "error":
                    break
                await asyncio.sleep(0.1 * SLOWNESS)
            assert messages[0]["code"] == "unknown_request"


# ---- stop ----


@asynchronous
async def test_stop_names_its_answer_and_works_from_another_connection():
    async with Upstream(endless()) as upstream, AiChat(upstream.url) as chat:
        async with chat.browser() as one, chat.browser() as two:
            for request in "ab":
                await ask(one, request, session=request)
            await one.send({"type": "stop", "requestId": "a"})
            assert (await rest_of(one, "a"))[-1]["finish_reason"] == "cancelled"
            await two.send({"type": "stop", "requestId": "b"})  # not known there: nothing happens
            await two.send({"type": "ping"})
            await two.receive("pong")
            assert (await one.receive("stream"))["requestId"] == "b"
            await two.send({"type": "stop", "requestId": "b", "sessionId": "b"})
            assert (await rest_of(one, "b"))[-1]["finish_reason"] == "cancelled"


@asynchronous
async def test_stop_without_a_name_stops_all_of_this_connection():
    async with Upstream(endless()) as upstream, AiChat(upstream.url) as chat:
        async with chat.browser() as one, chat.browser() as two:
            await ask(one, "a", session="a")
            await ask(one, "b", session="b")
            await ask(two, "c", session="c")
            await two.receive("stream")
            await one.stop()
            ended = set()
            while len(ended) < 2:
                message = await one.receive("stream")
                if message["done"]:
                    ended.add(message["requestId"])
            assert not (await two.receive("stream"))["done"]
            await two.stop()
            await rest_of(two, "c")


# ---- limits ----


@asynchronous
async def test_the_queue_and_its_places():
    async with Upstream(endless()) as upstream, AiChat(upstream.url, "--max-runs", 1, "--max-queue", 2) as chat:
        async with chat.browser() as one, chat.browser() as two, chat.browser() as three, chat.browser() as four:
            await ask(one, "1", session="1")
            await one.receive("stream")
            await ask(two, "2", session="2")
            assert await two.receive("status") == {"type": "status", "requestId": "2", "status": "queued", "position": 1}
            await ask(three, "3", session="3")
            assert (await three.receive("status"))["position"] == 2
            await ask(four, "4", session="4")
            error, end = await rest_of(four, "4")
            assert (error["code"], error["retryable"], end["done"]) == ("overloaded", True, True)
            await one.stop()
            await rest_of(one, "1")
            assert (await two.receive("status"))["status"] == "thinking"
            assert (await three.receive("status"))["position"] == 1
            await three.stop()
            assert [message["finish_reason"] for message in await rest_of(three, "3")] == ["cancelled"]
            await two.stop()
            await rest_of(two, "2")
        assert len(upstream.calls) == 2, "what was stopped in the queue never reached the model"


@asynchronous
async def test_who_has_enough_answers_holds_up_nobody_else():
    async with Upstream(endless()) as upstream, AiChat(upstream.url, "--max-runs-per-user", 1) as chat:
        async with chat.browser() as greedy, chat.browser() as other:
            for request in "abc":
                await ask(greedy, request, session=request)
            assert (await greedy.receive("error"))["code"] == "overloaded"
            await ask(other, "o", session="o")
            await other.receive("stream")
            await other.stop()
            await greedy.stop()
            await wait_until(lambda: len(upstream.calls) == 2)


@asynchronous
async def test_too_many_messages_a_second():
    async with AiChat("http://127.0.0.1:9/v1", "--max-commands", 5) as chat, chat.browser() as browser:
        for i in range(6):
            await browser.send({"type": "ping", "id": i})
        answers_ = [await browser.receive() for _ in range(6)]
        assert [message.get("id") for message in answers_[:5]] == [0, 1, 2, 3, 4]
        assert answers_[5]["code"] == "too_fast"
        await ask(browser, "r")
        error, end = await rest_of(browser, "r")  # who waits for an answer waits no longer
        assert (error["code"], error["retryable"], end["done"]) == ("too_fast", True, True)
        for question in "without a requestId", 7:
            text, error = await browser.ask(question)
            assert (text, error["code"]) == ("", "too_fast")
        await browser.send({"type": "message", "id": "m1", "to": "ben", "text": "hello"})
        error = await browser.receive()
        assert (error["code"], error["id"]) == ("too_fast", "m1")


# ---- conversations ----


@asynchronous
async def test_history_and_regenerate():
    async def script(call):
        await answers(delta(f"answer {len(upstream.calls)}"), finish(), DONE)(call)

    async with Upstream(script) as upstream, AiChat(upstream.url) as chat, chat.browser() as browser:
        for request, question in ("1", "one"), ("2", "two"):
            await ask(browser, request, question)
            await rest_of(browser, request)
        await ask(browser, "3", "two", regenerate="2")
        await rest_of(browser, "3")
        assert [turn["content"] for turn in upstream.calls[-1].body["messages"]] == ["one", "answer 1", "two"]
        await browser.send({"type": "history", "sessionId": "s"})
        assert (await browser.receive("history"))["turns"] == [
            {"role": "user", "content": "one", "requestId": "1"},
            {"role": "assistant", "content": "answer 1", "finish_reason": "stop"},
            {"role": "user", "content": "two", "requestId": "3"},
            {"role": "assistant", "content": "answer 3", "finish_reason": "stop"}]
        await browser.send({"type": "history", "sessionId": "nobody's"})
        assert (await browser.receive("history"))["turns"] == []


# ---- the end ----


@asynchronous
async def test_a_server_that_ends_lets_answers_end_first():
    go = asyncio.Event()

    async def script(call):
        await call.send(head() + delta("a"))
        await go.wait()
        await call.send(delta("b") + DONE)

    async with Upstream(script) as upstream, AiChat(upstream.url) as chat, chat.browser() as browser:
        await ask(browser, "1")
        await browser.receive("stream")
        chat.terminate()
        await asyncio.sleep(0.3 * SLOWNESS)  # the signal and the question come different ways
        await ask(browser, "2")
        assert (await rest_of(browser, "2"))[0]["code"] == "shutting_down"
        go.set()
        assert text_of(await rest_of(browser, "1")) == "b"
        await browser.websocket.wait_closed()
        assert browser.websocket.close_code == 1001


@asynchronous
async def test_an_answer_that_does_not_end_in_time_is_cut_with_a_word():
    async with Upstream(endless()) as upstream, AiChat(upstream.url, "--drain", 0.5) as chat, chat.browser() as browser:
        await ask(browser, "1")
        await browser.receive("stream")
        chat.terminate()
        messages = await rest_of(browser, "1")
        assert (messages[-2]["code"], messages[-2]["retryable"]) == ("shutting_down", True)
        assert messages[-1]["finish_reason"] == "error"
        await browser.websocket.wait_closed()
