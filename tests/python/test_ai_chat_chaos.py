"""The AI chat when a part of it breaks: a node, Redis, the model, the network. Whatever it is, the text that a reader ends up with
is what the model has produced, and there is one end."""

import asyncio
import contextlib
import random
import signal

import pytest
from ai_chat_cluster import (
    NODE_LOST, Balancer, Model, Node, Reader, Redis, ask, check_answer, cluster, eventually, history, join, login, numbered, person, post,
    proxies, rest_of, resume, service, store_is_up, text_of, token,
)
from ai_chat_faults import Aimock, Network
from ai_chat_harness import DONE, AiChat, Upstream, asynchronous, delta, finish, head
from test_ai_chat_ops import fetch

PIECES = [f"{i} 你👩{'x' * (i % 5)} " for i in range(40)]
TEXT = "".join(PIECES)
QUARTER, HALF = "".join(PIECES[:10]), "".join(PIECES[:20])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return proxies.certificate(tmp_path_factory.mktemp("certificate"))


def by_message(**scripts):
    """A model that does what the last word of the question says."""

    async def script(call):
        return await scripts[call.body["messages"][-1]["content"].split()[-1]](call)

    return script


async def half(call):
    """Says half of it, and nothing more as long as anybody listens."""
    await call.send(head() + b"".join(map(delta, PIECES[:20])))
    await call.gone()


# ---- nodes ----


@asynchronous
async def test_a_node_is_killed_in_mid_answer(tmp_path, certificate):
    async with Upstream(by_message(half=half, all=Model(PIECES))) as upstream, cluster(upstream.url, tmp_path) as (_, *nodes):
        async with Balancer("haproxy", tmp_path, certificate, *nodes) as balancer, contextlib.AsyncExitStack() as stack:
            reader = Reader([balancer], "r", message="half")
            reading = asyncio.create_task(reader.read())
            await reader.says(HALF)
            victim, other = sorted(nodes, key=lambda node: node.name not in reader.nodes)
            there = Reader([other], "r", message="half")
            reading_there = asyncio.create_task(there.read())
            ada = await stack.enter_async_context(person(other, "ada", "room"))
            with contextlib.suppress(Exception):  # its end is not in order
                bob = await stack.enter_async_context(person(victim, "bob", "room"))
            await ask(bob, "in the room", "half", room="room")
            told = []
            while text_of(told) != HALF:
                told.append(await ada.receive("stream", "error"))
            await there.says(HALF)

            await victim.kill()
            assert await asyncio.gather(reading, reading_there) == [HALF, HALF]
            assert reader.messages == there.messages and reader.nodes == [victim.name, other.name]
            error = reader.messages[-2]
            assert (error["type"], error["code"], error["retryable"]) == ("error", "node_lost", True)
            gone = []
            while not (told[-1].get("done") and gone):
                message = await ada.receive("stream", "error", "presence")
                gone.append(message) if message["type"] == "presence" and not message["online"] else told.append(message)
            told = [message for message in told if message["type"] != "presence"]
            check_answer(told)
            assert (told[-2]["code"], gone[0]["user"]) == ("node_lost", "bob")
            assert (await post(ada, "1", "Are you there?", to="bob"))["delivered"] is False

            # The same name gives the same answer, another one asks again.
            async with balancer.browser() as browser:
                await ask(browser, "r", "half")
                assert await rest_of(browser, "r") == reader.messages
                await ask(browser, "again", "all")
                assert text_of(await rest_of(browser, "again")) == TEXT
                assert [turn["content"] for turn in await history(browser)] == ["all", TEXT]
            assert len(upstream.calls) == 3


@asynchronous
async def test_a_node_that_stood_still_is_back(tmp_path):
    """The others take it for lost, and its answer with it; who reads that there still gets all of it."""
    go_on = asyncio.Event()
    scripts = by_message(slow=Model(PIECES, gates={20: go_on}), quick=Model(PIECES[:5]))
    async with Upstream(scripts) as upstream, cluster(upstream.url, tmp_path) as (_, one, two):
        async with person(two, "ada", "room") as ada, person(one, "bob", "room") as bob:
            reader, there = Reader([one], "r", message="slow"), Reader([two], "r", message="slow")
            reading = asyncio.create_task(reader.read())
            await reader.says(HALF)
            reading_there = asyncio.create_task(there.read())
            await there.says(HALF)
            one.process.send_signal(signal.SIGSTOP)
            try:
                assert await reading_there == HALF
                assert there.messages[-2]["code"] == "node_lost"
                while (message := await ada.receive("presence"))["online"]:
                    pass
                assert message["user"] == "bob"
                assert (await post(ada, "1", "Where are you?", to="bob"))["delivered"] is False
                await post(ada, "2", "He is gone", room="room")
            finally:
                one.process.send_signal(signal.SIGCONT)
            go_on.set()
            assert await reading == TEXT and reader.nodes == ["one"]
            assert await ada.receive("presence") == {"type": "presence", "room": "room", "user": "bob", "online": True}
            texts = [(await bob.receive("message"))["text"] for _ in range(2)]
            assert sorted(texts) == ["He is gone", "Where are you?"]
            assert (await post(ada, "3", "Welcome back", to="bob"))["delivered"] is True
            assert (await bob.receive("message"))["text"] == "Welcome back"
            await ask(bob, "r2", "quick", room="room")
            answer = await rest_of(ada, "r2")
            check_answer(answer)
            assert text_of(answer) == "".join(PIECES[:5]) and await rest_of(bob, "r2") == answer


@asynchronous
async def test_a_reader_that_knows_more_than_redis_gets_an_end(tmp_path):
    """Redis goes, the node says more to its reader, and goes too: then nobody has what the reader has."""
    go_on = asyncio.Event()
    async with Upstream(Model(PIECES, pause=0.02, gates={10: go_on, 20: asyncio.Event()})) as upstream:
        async with cluster(upstream.url, tmp_path, "--merge", 1) as (redis, one, two):
            reader, there = Reader([one, two], "r"), Reader([two], "r")
            reading = asyncio.create_task(reader.read())
            await reader.says(QUARTER)
            reading_there = asyncio.create_task(there.read())
            await there.says(QUARTER)
            known = len(there.messages)
            await redis.kill()
            go_on.set()
            await reader.says(HALF)
            assert len(reader.messages) > known + 2
            await one.kill()
            await redis.start()
            assert await asyncio.gather(reading, reading_there) == [HALF, QUARTER]
            assert there.messages[-2]["code"] == "node_lost"
            assert reader.refusal["code"] == "node_lost" and reader.refusal["retryable"] is True
            # Also for who comes later, and for who knows just as much as the end is long.
            async with two.browser() as browser:
                for after in known + 1, known + 2, len(reader.messages):
                    await resume(browser, "r", after=after)
                    error, end = await rest_of(browser, "r")
                    assert error == reader.refusal and "seq" not in end
                await resume(browser, "r", after=known)
                assert await rest_of(browser, "r") == there.messages[known:]


# ---- Redis ----


@pytest.mark.parametrize("how", ["killed", "stopped"])
@asynchronous
async def test_redis_is_away_in_mid_answer(how, tmp_path):
    first, second = asyncio.Event(), asyncio.Event()
    scripts = by_message(slow=Model(PIECES, gates={10: first, 20: second}), quick=Model(PIECES[:5]))
    async with Upstream(scripts) as upstream, cluster(upstream.url, tmp_path) as (redis, one, two), contextlib.AsyncExitStack() as stack:
        watchers = [await stack.enter_async_context(node.browser()) for node in (one, two)]
        ada = await stack.enter_async_context(person(one, "ada"))
        async with person(two, "bob"):
            pass
        assert "messageId" in await post(ada, "1", "before", to="bob")
        slow = Reader([one], "slow", message="slow")
        reading = asyncio.create_task(slow.read())
        await slow.says(QUARTER)
        before = len(slow.messages)

        await redis.kill() if how == "killed" else redis.stop_time()
        first.set()
        await slow.says(HALF)  # at once: nobody waits for Redis
        error = await post(ada, "2", "meanwhile", to="bob")
        assert (error["type"], error["code"], error["retryable"]) == ("error", "unavailable", True)
        for watcher in watchers:
            await service(watcher, degraded=True)
        quick = Reader([one], "quick", "q", "quick")
        assert await quick.read() == "".join(PIECES[:5])
        async with two.browser() as browser:
            await resume(browser, "slow")
            error, end = await rest_of(browser, "slow")
            assert (error["code"], error["retryable"], "seq" in error, "seq" in end) == ("unavailable", True, False, False)
            await browser.send({"type": "login", "user": "bob", "token": token("bob")})
            assert (await browser.receive("error"))["code"] == "unavailable"

        await redis.start() if how == "killed" else redis.go_on()
        for watcher in watchers:
            await service(watcher, degraded=False)
        second.set()
        assert await reading == TEXT and slow.nodes == ["one"]
        async with two.browser() as browser:
            for reader, session in (slow, "s"), (quick, "q"):
                for after in 0, before - 1:
                    await resume(browser, reader.request, after, session)
                    assert await rest_of(browser, reader.request) == reader.messages[after:]

                async def has_it(session=session, reader=reader):
                    return [turn["content"] for turn in await history(browser, session)] == [reader.message, reader.text]

                await eventually(has_it)  # what was added meanwhile is written behind the rest
        assert "messageId" in await post(ada, "2", "meanwhile", to="bob")
        async with two.browser() as bob:
            assert (await login(bob, "bob"))["unread"] == 2
            assert [(await bob.receive("message"))["text"] for _ in range(2)] == ["before", "meanwhile"]
        assert len(upstream.calls) == 2


@asynchronous
async def test_rooms_come_back_with_redis(tmp_path):
    """What was said before and after is there once, and so is who was there, and an answer that ended meanwhile."""
    go_on = asyncio.Event()
    scripts = by_message(slow=Model(PIECES, gates={20: go_on}), quick=Model(PIECES[:5]))
    async with Upstream(scripts) as upstream, cluster(upstream.url, tmp_path) as (redis, one, two):
        async with person(one, "ada", "room") as ada, person(two, "bob", "room") as bob:
            await post(ada, "1", "before", room="room")
            await ask(ada, "r", "slow", room="room")
            told = {ada: [], bob: []}
            for browser, messages in told.items():
                while text_of(messages) != HALF:
                    messages.append(await browser.receive("stream"))
            await redis.kill()
            for browser in ada, bob:
                await service(browser, degraded=True)
            assert (await post(ada, "2", "meanwhile", room="room"))["code"] == "unavailable"
            await ask(ada, "r2", "quick", room="room")
            error, end = await rest_of(ada, "r2")
            assert (error["code"], error["retryable"], "seq" in end) == ("unavailable", True, False)
            go_on.set()
            told[ada] += await rest_of(ada, "r")
            assert text_of(told[ada]) == TEXT

            await redis.start()
            told[bob] += await rest_of(bob, "r")
            assert told[bob] == told[ada]
            async with two.browser() as watcher:
                await service(watcher, degraded=False)
            await post(bob, "3", "direct", to="ada")
            assert (await ada.receive("message"))["text"] == "direct", "who was there hears again"
            while "messageId" not in await post(ada, "4", "after", room="room"):
                await asyncio.sleep(0.05)
            await ask(bob, "r2", "quick", room="room")
            answer = await rest_of(bob, "r2")
            check_answer(answer)
            assert await rest_of(ada, "r2") == answer

            async def all_of_it():
                state = await join(bob, "room")
                assert state["members"] == ["ada", "bob"]
                texts = [message["text"] for message in state["messages"]]
                assert set(texts) <= {"before", "slow", TEXT, "after", "quick", text_of(answer)}
                return len(texts) == 6

            await eventually(all_of_it)


@asynchronous
async def test_a_stop_that_comes_before_redis_says_who_makes_it(tmp_path):
    """The question was sent again to another node, and stopped there at once: that stops the answer where it is made."""
    async with Upstream(half) as upstream, cluster(upstream.url, tmp_path) as (redis, one, two):
        async with one.browser() as here, two.browser() as there:
            await ask(here, "r")
            await here.receive("stream")
            redis.stop_time()
            try:
                await ask(there, "r")
                await there.send({"type": "stop", "requestId": "r"})
                assert [message["finish_reason"] for message in await rest_of(there, "r")] == ["cancelled"]
            finally:
                redis.go_on()
            assert (await rest_of(here, "r"))[-1]["finish_reason"] == "cancelled"
        assert len(upstream.calls) == 1


@asynchronous
async def test_two_nodes_made_one_answer_without_redis(tmp_path):
    """Nobody gets a part of each."""
    gates = {10: asyncio.Event(), 20: asyncio.Event()}
    models = [Model([piece.replace("x", mark) for piece in PIECES], gates=gates) for mark in "yz"]

    async def script(call):
        await models[len(upstream.calls) - 1](call)

    async with Upstream(script) as upstream, cluster(upstream.url, tmp_path, "--merge", 1) as (redis, one, two):
        await redis.kill()
        async with one.browser() as here, two.browser() as there:
            for browser in here, there:
                await service(browser, degraded=True)
            texts = []
            for browser, model in zip((here, there), models, strict=True):
                await ask(browser, "r")
                text, messages = "".join(model.pieces[:10]), []
                while text_of(messages) != text:
                    messages.append(await numbered(browser, "r"))
                texts.append(messages)
            assert texts[0][0]["answerId"] != texts[1][0]["answerId"]

            async def swap(after):
                for browser, messages in zip((there, here), texts, strict=True):
                    await resume(browser, "r", after, answerId=messages[0]["answerId"])
                    error, end = await rest_of(browser, "r")
                    assert (error["code"], error["retryable"], "seq" in error, "seq" in end) == ("node_lost", True, False, False)

            await swap(after=1)
            for browser, messages in zip((here, there), texts, strict=True):
                await resume(browser, "r", len(messages), answerId=messages[0]["answerId"])
            for gate in gates.values():
                gate.set()
            for browser, messages, model in zip((here, there), texts, models, strict=True):
                messages += await rest_of(browser, "r")
                check_answer(messages)
                assert text_of(messages) == model.text
            await redis.start()
            for browser in here, there:
                await service(browser, degraded=False)
            await swap(after=1)
            await resume(here, "r", after=1000)
            assert [message["type"] for message in await rest_of(here, "r")] == ["error", "stream"], "it does not wait in vain"
        async with Node("three", upstream.url, redis) as three, three.browser() as browser:
            await store_is_up(three)

            async def is_known():
                await resume(browser, "r")
                messages = await rest_of(browser, "r")
                return messages in texts

            await eventually(is_known)
        assert len(upstream.calls) == 2


@asynchronous
async def test_a_node_begins_and_ends_without_redis(tmp_path):
    async with Upstream(Model(PIECES)) as upstream, Redis(tmp_path / "redis") as redis:
        await redis.kill()
        async with Node("one", upstream.url, redis) as one, one.browser() as browser:
            await service(browser, degraded=True)
            await ask(browser, "r")
            answer = await rest_of(browser, "r")
            assert text_of(answer) == TEXT
            await redis.start()
            await service(browser, degraded=False)
            async with Node("two", upstream.url, redis) as two, two.browser() as there:
                await store_is_up(two)
                await resume(there, "r")
                assert await rest_of(there, "r") == answer
                await redis.kill()
                await service(there, degraded=True)
                assert await asyncio.gather(one.end(), two.end()) == [0, 0]


# ---- the model ----


@asynchronous
async def test_the_model_is_killed(tmp_path):
    answers = {"Count": TEXT}
    async with Aimock(tmp_path, answers, "-l", 20, "-c", 4) as model:
        async with AiChat(model.url, "--retries", 1) as chat, chat.browser() as browser:
            # In mid-answer.
            await ask(browser, "1", "Count", "1")
            first = await browser.receive("stream")
            await model.kill()
            messages = [first, *await rest_of(browser, "1")]
            check_answer(messages)
            assert TEXT.startswith(text_of(messages)) and text_of(messages) != TEXT
            assert (messages[-2]["code"], messages[-2]["retryable"]) == ("upstream_protocol", True)
            # There is none.
            await ask(browser, "2", "Count", "2")
            error, end = await rest_of(browser, "2")
            assert (error["code"], error["retryable"]) == ("upstream_unreachable", True)
            # Before the first token.
            model.arguments = ["--chaos-latency", 30000]
            await model.restart()
            await ask(browser, "3", "Count", "3")

            async def has_asked():
                return "ESTABLISHED" in await connections(model.port)

            await eventually(has_asked)
            await model.kill()
            error, end = await rest_of(browser, "3")
            assert error["code"] in ("upstream_protocol", "upstream_unreachable") and error["retryable"] is True
            # And back.
            model.arguments = []
            await model.restart()
            await ask(browser, "4", "Count", "1")
            messages = await rest_of(browser, "4")
            check_answer(messages)
            assert text_of(messages) == TEXT


async def connections(port):
    """The states of those to that port, of /proc/net/tcp."""
    names = {"01": "ESTABLISHED"}
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return [names.get(row[3], row[3]) for row in rows if row[2].endswith(f":{port:04X}")]


@asynchronous
async def test_a_model_with_many_faults(tmp_path):
    answers = {f"question {number:02}": f"answer {number}: {TEXT}" for number in range(30)}
    faults = ["--chaos-ratelimit", 0.15, "--chaos-malformed", 0.15, "--chaos-disconnect", 0.15, "--chaos-drop", 0.15]
    codes = {"upstream_status", "upstream_protocol", "upstream_unreachable"}
    async with Aimock(tmp_path, answers, *faults, "-l", 1, "-c", 40) as model, AiChat(
            model.url, "--retries", 1, "--max-commands", 1000) as chat:
        async with chat.browser() as browser:
            good, failed = 0, set()
            for number, (question, text) in enumerate(answers.items()):
                await ask(browser, f"r{number}", question, f"s{number}")
                messages = await rest_of(browser, f"r{number}")
                check_answer(messages)
                if messages[-1]["finish_reason"] == "error":
                    assert text_of(messages) == "" and messages[-2]["code"] in codes
                    failed.add((messages[-2]["code"], messages[-2]["retryable"]))
                else:
                    assert text_of(messages) == text
                    good += 1
                await browser.send({"type": "ping", "id": number})
                assert (await browser.receive_any()) == {"type": "pong", "id": number}, "nothing behind the end"
            assert good >= 5 and failed >= {("upstream_status", True), ("upstream_protocol", True)}


@asynchronous
async def test_a_stop_reaches_the_model(tmp_path):
    """By its own count."""
    async with Aimock(tmp_path, {"Count": TEXT * 20}, "-l", 20, "-c", 4) as model, AiChat(model.url) as chat:
        async with chat.browser() as browser:
            for number in 1, 2:
                await ask(browser, f"r{number}", "Count", f"s{number}")
                await browser.receive("stream")
                await browser.send({"type": "stop", "requestId": f"r{number}"})
                assert (await rest_of(browser, f"r{number}"))[-1]["finish_reason"] == "cancelled"

                async def is_told(number=number):
                    return (await model.counts(fetch)).get("destroyed") == number

                await eventually(is_told)


# ---- the network ----


READERS = 30


@asynchronous
async def test_a_network_that_cuts_stalls_and_delays(tmp_path):
    """Each reader has its own bad way to both nodes, and its own answer, which comes to the server in odd pieces."""
    def pieces_of(number):
        choice = random.Random(number)
        return ["".join(choice.choices("ab \n\"\\你好🌍👩‍👩é", k=choice.randint(1, 30))) for _ in range(60)]

    texts = {f"question {number}": "".join(pieces_of(number)) for number in range(READERS)}

    async def script(call):
        question = call.body["messages"][-1]["content"]
        number = int(question.split()[1])
        choice = random.Random(number)
        data = b"".join(map(delta, pieces_of(number))) + finish() + DONE
        await call.send(head())
        while data:
            size = choice.randint(1, 400)
            await call.send(data[:size])
            data = data[size:]
            await asyncio.sleep(choice.random() * 0.04)

    async with Upstream(script) as upstream, cluster(upstream.url, tmp_path, "--merge", 5, "--threads", 2) as (_, one, two):
        async with contextlib.AsyncExitStack() as stack:
            networks = [await stack.enter_async_context(Network(number, [one, two], 3000)) for number in range(READERS)]
            readers = [Reader([network], "r", f"session {number}", f"question {number}") for number, network in enumerate(networks)]
            assert await asyncio.gather(*(reader.read() for reader in readers)) == list(texts.values())
            ends = [end for network in networks for end in network.ends]
            assert len(ends) >= 2 * READERS and set(ends) == {"reset", "close", "stall"}
        assert len(upstream.calls) == READERS, "each was asked once"
        async with two.browser() as browser:
            for number, (question, text) in enumerate(texts.items()):
                assert [turn["content"] for turn in await history(browser, f"session {number}")] == [question, text]


@asynchronous
async def test_everything_at_once(tmp_path):
    """Bad ways to both nodes, and under way Redis is killed and comes back, and a node is replaced."""
    count = 12
    go_on, to_the_end = asyncio.Event(), asyncio.Event()
    async with Upstream(Model(PIECES, pause=0.02, gates={10: go_on, 30: to_the_end})) as upstream:
        async with cluster(upstream.url, tmp_path, "--merge", 5, "--threads", 2) as (redis, one, two), contextlib.AsyncExitStack() as stack:
            networks = [await stack.enter_async_context(Network(f"at once {number}", [one, two], 4000)) for number in range(count)]
            readers = [Reader([network], "r", f"session {number}") for number, network in enumerate(networks)]
            reading = asyncio.gather(*(reader.read() for reader in readers))
            await asyncio.gather(*(reader.says(QUARTER) for reader in readers))
            await redis.kill()
            go_on.set()
            async with one.browser() as browser:
                await service(browser, degraded=True)
                await asyncio.sleep(0.2)  # the answers go on
                await redis.start()
                await service(browser, degraded=False)
            await store_is_up(two)
            two.terminate()
            to_the_end.set()
            assert await asyncio.wait_for(two.process.wait(), NODE_LOST) == 0
            async with Node("three", upstream.url, redis, port=two.port):
                assert await reading == [TEXT] * count
        assert len(upstream.calls) == count
