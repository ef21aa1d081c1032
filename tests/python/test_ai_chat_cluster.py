"""Two nodes of the AI chat with one Redis: whoever comes to either finds the same conversations, answers, people and rooms."""

import asyncio
import contextlib

import pytest
from ai_chat_cluster import (
    Balancer, Model, Reader, ask, check_answer, cluster, eventually, history, join, login, person, post, proxies, rest_of, resume,
    text_of, token,
)
from ai_chat_harness import DONE, Upstream, answers, asynchronous, delta, endless, finish
from test_ai_chat_ops import health

PIECES = [f"{i} 你👩{'x' * (i % 5)} " for i in range(40)]
TEXT = "".join(PIECES)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return proxies.certificate(tmp_path_factory.mktemp("certificate"))


# ---- conversations and answers ----


@asynchronous
async def test_the_other_node_goes_on_with_the_conversation(tmp_path):
    async def script(call):
        await answers(delta(f"answer {len(upstream.calls)}"), finish(), DONE)(call)

    async with Upstream(script) as upstream, cluster(upstream.url, tmp_path) as (_, one, two):
        async with one.browser() as first, two.browser() as second:
            for number, browser in enumerate([first, second, first, second], 1):
                await ask(browser, f"r{number}", f"question {number}")
                assert text_of(await rest_of(browser, f"r{number}")) == f"answer {number}"
            turns = [turn["content"] for turn in upstream.calls[-1].body["messages"]]
            assert turns == [f"{kind} {number}" for number in (1, 2, 3) for kind in ("question", "answer")] + ["question 4"]
            await ask(first, "r5", "question 4", regenerate="r4")
            await rest_of(first, "r5")
            assert await history(first) == await history(second)
            assert [turn["content"] for turn in await history(second)] == [*turns, "answer 5"]


@asynchronous
async def test_resume_on_the_other_node(tmp_path):
    """The connection is cut behind every message; the next one is to the other node."""
    model = Model(PIECES, pause=0.02)
    async with Upstream(model) as upstream, cluster(upstream.url, tmp_path, "--merge", 1) as (_, one, two):
        reader = Reader([one, two], "r", cut_after=1)
        assert await reader.read() == TEXT
        assert len(reader.messages) >= 10 and set(reader.nodes) == {"one", "two"}
        assert len(upstream.calls) == 1
        for node in one, two:
            async with node.browser() as browser:
                await resume(browser, "r")
                assert await rest_of(browser, "r") == reader.messages
                await resume(browser, "r", after=5)
                assert await rest_of(browser, "r") == reader.messages[5:]


@asynchronous
async def test_an_answer_whose_reader_is_on_the_other_node_is_not_cancelled(tmp_path):
    go_on = asyncio.Event()
    async with Upstream(Model(PIECES, gates={20: go_on})) as upstream, cluster(upstream.url, tmp_path, "--grace", 1) as (_, one, two):
        reader = Reader([one, *[two] * 100], "r", cut_after=1)
        reading = asyncio.create_task(reader.read())
        await reader.says("".join(PIECES[:20]))
        await asyncio.sleep(4)  # longer than the time of grace
        go_on.set()
        assert await reading == TEXT and reader.messages[-1]["finish_reason"] == "stop"


@asynchronous
async def test_stop_on_the_other_node_cancels_the_model(tmp_path):
    cancelled = asyncio.get_running_loop().create_future()
    async with Upstream(endless(seen=cancelled)) as upstream, cluster(upstream.url, tmp_path) as (_, one, two):
        async with one.browser() as first, two.browser() as second:
            await ask(first, "r")
            await first.receive("stream")
            await second.send({"type": "stop", "requestId": "r", "sessionId": "s"})
            assert (await rest_of(first, "r"))[-1]["finish_reason"] == "cancelled"
            await asyncio.wait_for(cancelled, 5)
            await resume(second, "r")
            messages = await rest_of(second, "r")
            check_answer(messages)
            assert (await history(second))[1] == {"role": "assistant", "content": text_of(messages), "finish_reason": "cancelled"}


@asynchronous
async def test_the_other_node_knows_what_waits_for_its_turn(tmp_path):
    async with Upstream(endless()) as upstream, cluster(upstream.url, tmp_path, "--max-runs", 1) as (_, one, two):
        async with one.browser() as first, two.browser() as second:
            for request in "r1", "r2", "r3":
                await ask(first, request, session=request)
            while (await first.receive("status")).get("requestId") != "r3":
                pass
            for request in "r2", "r3":
                await resume(second, request, session=request)
            await second.send({"type": "stop", "requestId": "r3", "sessionId": "r3"})
            assert [message["finish_reason"] for message in await rest_of(second, "r3")] == ["cancelled"]
            await first.send({"type": "stop", "requestId": "r1"})
            assert (await rest_of(first, "r1"))[-1]["finish_reason"] == "cancelled"
            await until(second, lambda message: message["type"] == "stream" and message["requestId"] == "r2")
            await second.send({"type": "stop", "requestId": "r2", "sessionId": "r2"})
            assert (await rest_of(first, "r2"))[-1] == (await rest_of(second, "r2"))[-1]
        assert len(upstream.calls) == 2


@asynchronous
async def test_asking_on_both_nodes_asks_once(tmp_path):
    model = Model(PIECES, pause=0.01)
    async with Upstream(model) as upstream, cluster(upstream.url, tmp_path) as (_, one, two):
        async with one.browser() as first, two.browser() as second:
            # Behind each other, and at the same moment.
            await ask(first, "r")
            await first.receive("stream")
            await ask(second, "r")
            messages = await rest_of(second, "r")
            check_answer(messages)
            assert text_of(messages) == TEXT and (await rest_of(first, "r"))[-1] == messages[-1]
            for number in range(5):
                request = f"at once {number}"
                await asyncio.gather(ask(first, request), ask(second, request))
                here, there = await asyncio.gather(rest_of(first, request), rest_of(second, request))
                check_answer(here)
                assert here == there and text_of(here) == TEXT
            assert len(upstream.calls) == 6
            assert [turn["content"] for turn in await history(first)] == ["Hello", TEXT] * 6


# ---- rooms and people ----


async def until(browser, condition):
    """What it is told, up to the message for which that is true."""
    messages = []
    while not (messages and condition(messages[-1])):
        messages.append(await browser.receive_any())
    return messages


@asynchronous
async def test_a_room_over_two_nodes_sees_one_answer(tmp_path):
    go_on = asyncio.Event()
    model = Model(PIECES, pause=0.005, gates={20: go_on})
    async with Upstream(model) as upstream, cluster(upstream.url, tmp_path) as (_, one, two), contextlib.AsyncExitStack() as stack:
        members = [await stack.enter_async_context(person(node, user, "room"))
                   for node, user in ((one, "ada"), (two, "bob"), (one, "cleo"), (two, "dan"))]
        ada, bob, *_ = members
        await ask(ada, "r", "Who are we?", room="room")
        await until(bob, lambda message: message["type"] == "stream")
        # Who comes in the middle gets all of it.
        late = await stack.enter_async_context(person(two, "eve"))
        joined = await join(late, "room")
        assert [answer["requestId"] for answer in joined["answers"]] == ["r"]
        assert [(message["from"], message["text"]) for message in joined["messages"]] == [("ada", "Who are we?")]
        go_on.set()
        answer = await rest_of(late, "r")
        check_answer(answer)
        assert text_of(answer) == TEXT
        for member in ada, *members[2:]:
            told = await until(member, lambda message: message.get("done"))
            assert [message for message in told if message["type"] in ("stream", "error")] == answer
            assert [message["text"] for message in told if message["type"] == "message"] == ["Who are we?"], "once"
        assert text_of(await rest_of(bob, "r")) == TEXT[len(text_of(answer[:1])):]
        # It is kept among the messages.
        again = await join(bob, "room")
        assert [(message["from"], message["text"]) for message in again["messages"]] == [("ada", "Who are we?"), (None, TEXT)]
        assert again["answers"] == []
        # Anybody stops it, wherever it is made.
        go_on.clear()
        await ask(bob, "r2", "And now?", room="room")
        await until(ada, lambda message: message["type"] == "stream" and message["requestId"] == "r2")
        await ada.send({"type": "stop", "requestId": "r2", "room": "room"})
        assert [(await rest_of(member, "r2"))[-1]["finish_reason"] for member in (bob, late)] == ["cancelled"] * 2
        assert len(upstream.calls) == 2


@asynchronous
async def test_an_answer_in_a_room_that_waits_for_its_turn(tmp_path):
    async with Upstream(endless()) as upstream, cluster(upstream.url, tmp_path, "--max-runs", 1) as (_, one, two):
        async with person(one, "ada", "room") as ada, person(one, "bob", "room") as bob, person(two, "cleo", "room") as cleo:
            await ask(ada, "r1", "First", room="room")
            await ada.receive("stream")
            await ask(bob, "r2", "Second", room="room")
            assert (await ada.receive("status"))["status"] == "queued"
            async with person(one, "dan", "room") as dan, person(two, "eve", "room") as eve:
                # Who came while it waited sees it, too.
                await ada.send({"type": "stop", "requestId": "r1", "room": "room"})
                for member in dan, eve, cleo:
                    await until(member, lambda message: message["type"] == "stream" and message["requestId"] == "r2")
                await cleo.send({"type": "stop", "requestId": "r2", "room": "room"})
                ends = [(await rest_of(member, "r2"))[-1] for member in (ada, bob, cleo, dan, eve)]
                assert ends == ends[:1] * 5 and ends[0]["finish_reason"] == "cancelled"
        assert len(upstream.calls) == 2


@asynchronous
async def test_a_question_in_a_room_that_is_sent_again_to_the_other_node(tmp_path):
    """As by a client that lost its connection, and does not know whether the question arrived."""
    model = Model(PIECES, pause=0.01)
    async with Upstream(model) as upstream, cluster(upstream.url, tmp_path) as (_, one, two):
        async with person(two, "bob", "room") as bob:
            async with person(one, "ada", "room") as ada:
                await ask(ada, "r", "Once", room="room")
                await ada.receive("stream")
            async with person(two, "ada", "room") as ada:
                await ask(ada, "r", "Once", room="room")
                answer = {message["seq"]: message for message in await rest_of(ada, "r")}  # join and question both begin it
            answer = list(answer.values())
            check_answer(answer)
            assert text_of(answer) == TEXT
            told = await until(bob, lambda message: message.get("done"))
            assert [message["text"] for message in told if message["type"] == "message"] == ["Once"]
            state = await join(bob, "room")
            assert [message["text"] for message in state["messages"]] == ["Once", TEXT]
        assert len(upstream.calls) == 1


@asynchronous
async def test_messages_have_one_order_on_all_nodes(tmp_path):
    users = ["ada", "bob", "cleo", "dan"]
    async with cluster("http://127.0.0.1:9/v1", tmp_path) as (_, one, two), contextlib.AsyncExitStack() as stack:
        members = {user: await stack.enter_async_context(person(node, user, "room"))
                   for user, node in zip(users, [one, two, one, two], strict=True)}
        for number in range(10):
            for user, member in members.items():
                await member.send({"type": "message", "room": "room", "id": f"{user} {number}", "text": f"{user} {number}"})
        seen = {}
        for user, member in members.items():
            acks, posts = set(), []
            while len(acks) < 10 or len(posts) < 40:
                message = await member.receive("ack", "message")
                acks.add(message["id"]) if message["type"] == "ack" else posts.append((message["messageId"], message["text"]))
            seen[user] = posts
            assert len(set(posts)) == 40
            for sender in users:
                assert [text for _, text in posts if text.startswith(sender)] == [f"{sender} {i}" for i in range(10)]
        assert seen["ada"] == seen["bob"] == seen["cleo"] == seen["dan"]
        state = await join(members["ada"], "room")
        assert [(message["messageId"], message["text"]) for message in state["messages"]] == seen["bob"]


@asynchronous
async def test_direct_messages_over_two_nodes(tmp_path):
    async with cluster("http://127.0.0.1:9/v1", tmp_path) as (_, one, two), person(one, "ada") as ada:
        async with person(two, "bob") as bob, person(one, "bob") as bob_again:
            ack = await post(ada, "1", "Hello", to="bob")
            assert ack["delivered"] is True
            for browser in bob, bob_again:
                message = await browser.receive("message")
                assert (message["messageId"], message["from"], message["to"], message["text"]) == (ack["messageId"], "ada", "bob", "Hello")
            async with person(two, "ada") as elsewhere:
                assert await post(elsewhere, "1", "Hello", to="bob") == ack, "it is known there"
                await post(elsewhere, "2", "End", to="bob")
            assert (await ada.receive("message"))["text"] == "End", "the other connections of the sender"
            assert (await bob.receive("message"))["text"] == "End", "and not Hello again"
            await bob.send({"type": "received", "messageIds": [ack["messageId"]]})
        assert (await post(ada, "3", "Hello?", to="nobody"))["code"] == "not_found"

        async def is_away():
            return (await post(ada, f"4 {attempts.append(1) or len(attempts)}", "Are you there?", to="bob"))["delivered"] is False

        attempts = []
        await eventually(is_away)
        waiting = ["End", *["Are you there?"] * len(attempts)]
        for node in one, two:
            async with node.browser() as bob:
                assert (await login(bob, "bob"))["unread"] == len(waiting)
                messages = [await bob.receive("message") for _ in waiting]
                assert [message["text"] for message in messages] == waiting
                if node is two:
                    await bob.send({"type": "received", "messageIds": [message["messageId"] for message in messages]})
                    await post(bob, "5", "Got it", to="ada")  # behind that
        assert (await ada.receive("message"))["text"] == "Got it"
        async with one.browser() as bob:
            assert (await login(bob, "bob"))["unread"] == 0
        async with two.browser() as thief:
            await thief.send({"type": "login", "user": "bob", "token": token("somebody else")})
            assert (await thief.receive("error"))["code"] == "wrong_token"


@asynchronous
async def test_presence_over_two_nodes(tmp_path):
    async def presence(browser):
        message = await browser.receive("presence")
        return message["user"], message["online"]

    async with cluster("http://127.0.0.1:9/v1", tmp_path) as (_, one, two), person(one, "ada", "room") as ada:
        async with person(two, "bob", "room"):
            assert await presence(ada) == ("bob", True)
            async with person(one, "bob") as bob:
                assert (await join(bob, "room"))["members"] == ["ada", "bob"]
            async with person(two, "cleo", "room") as cleo:
                assert await presence(ada) == ("cleo", True), "of bob's second connection nobody is told"
                await cleo.send({"type": "leave", "room": "room"})
                assert await presence(ada) == ("cleo", False)
        assert await presence(ada) == ("bob", False)
        await two.end()  # who was there is gone at once, not when the node is missed
        async with person(one, "dan", "room"):
            assert await presence(ada) == ("dan", True)
        assert await presence(ada) == ("dan", False)


# ---- balancers ----


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
@asynchronous
async def test_a_rolling_update_loses_nothing(kind, tmp_path, certificate):
    """A node is told to end in mid-answer, behind a balancer: its answers come to their end, and whoever comes is with the other."""
    go_on = asyncio.Event()
    model = Model(PIECES, pause=0.005, gates={20: go_on})
    async with Upstream(model) as upstream, cluster(upstream.url, tmp_path) as (_, one, two):
        async with Balancer(kind, tmp_path, certificate, one, two) as balancer:
            readers = [Reader([balancer], f"r{number}", f"s{number}") for number in range(6)]
            reading = [asyncio.create_task(reader.read()) for reader in readers]
            for reader in readers:
                await reader.says("".join(PIECES[:20]))
            assert {node for reader in readers for node in reader.nodes} == {"one", "two"}
            # One that was cut off resumes at the other node what the ending one makes.
            one.terminate()
            await eventually(lambda: drains(one))
            there = next(reader for reader in readers if reader.nodes == ["one"])
            async with balancer.browser() as browser:
                assert (await browser.receive("service"))["node"] == "two"
                await resume(browser, there.request, session=there.session)
                assert (await browser.receive("stream"))["seq"] == 1
                new = Reader([balancer], "new", "new")
                reading.append(asyncio.create_task(new.read()))
                await new.says("".join(PIECES[:20]))
                assert new.nodes == ["two"]
                go_on.set()
                assert await asyncio.gather(*reading) == [TEXT] * 7
                assert (await rest_of(browser, there.request))[-1]["finish_reason"] == "stop"
            assert await asyncio.wait_for(one.process.wait(), 10) == 0
            async with balancer.browser() as browser:
                for reader in readers:
                    assert [turn["content"] for turn in await history(browser, reader.session)] == ["Hello", TEXT]
        assert len(upstream.calls) == 7


async def drains(node):
    return (await health(node))[0] == 503
