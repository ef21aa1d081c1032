"""Several nodes of the AI chat with one Redis, a balancer in front of them, and readers that come back wherever they can: for tests
of what remains of an answer when a part of all that breaks."""

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import sys

from ai_chat_harness import DONE, PATIENCE, ROOT, SLOWNESS, AiChat, Browser, delta, finish, head
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

sys.path.append(str(ROOT / "examples-cpp" / "tests"))
import proxies  # noqa: E402

OPS = ROOT / "examples-cpp" / "ai_chat" / "ops"
PROXIES = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg"}
# A node is gone when it has not been heard of for 5 s, which is looked at every few seconds.
NODE_LOST = 20 * SLOWNESS


# ---- Redis ----


class Redis:
    """A Redis server that loses nothing that it has acknowledged. It keeps its port when it is started again."""

    def __init__(self, folder):
        self.folder = folder
        self.process = None
        (self.port,) = proxies.free_ports(1)

    async def __aenter__(self):
        self.folder.mkdir()
        await self.start()
        return self

    async def __aexit__(self, *_):
        if self.process:
            await self.kill()

    async def start(self):
        words = ["--port", self.port, "--bind", "127.0.0.1", "--dir", self.folder, "--save", "", "--appendonly", "yes",
                 "--appendfsync", "always", "--logfile", self.folder / "log"]
        self.process = await asyncio.create_subprocess_exec(redis_server(), *map(str, words))
        await eventually(self.answers)

    async def answers(self):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except ConnectionError:
            return False
        with contextlib.closing(writer):
            writer.write(b"PING\r\n")
            return await reader.readline() == b"+PONG\r\n"

    async def kill(self):
        self.process.kill()
        await self.process.wait()
        self.process = None

    def stop_time(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)


def redis_server():
    unpacked = ROOT / "target" / "setup" / "debian" / "usr" / "bin"
    path = shutil.which("redis-server", path=f"{os.environ['PATH']}:{unpacked}")
    assert path, "redis-server is missing: tests/setup.sh test makes it"
    return path


# ---- nodes ----


class Node(AiChat):
    """One that may be killed, and started again on the same port."""

    def __init__(self, name, upstream, redis, *arguments, port=0):
        super().__init__(upstream, "--node", name, "--redis", f"127.0.0.1:{redis.port}", "--port", port, *arguments)
        self.name = name
        self.is_killed = False

    @contextlib.asynccontextmanager
    async def browser(self, **more):
        async with super().browser(**more) as browser:
            browser.patience = NODE_LOST
            yield browser

    async def kill(self):
        self.is_killed = True
        self.process.kill()
        await self.process.wait()

    async def end(self):
        """As a rolling update ends it."""
        self.terminate()
        return await asyncio.wait_for(self.process.wait(), PATIENCE)

    async def __aexit__(self, kind, *more):
        if self.is_killed:
            await self.reader
        else:
            await super().__aexit__(kind, *more)


@contextlib.asynccontextmanager
async def cluster(upstream, folder, *arguments, names=("one", "two")):
    """The nodes and their Redis, when all of them have met it."""
    async with contextlib.AsyncExitStack() as stack:
        redis = await stack.enter_async_context(Redis(folder / "redis"))
        nodes = [Node(name, upstream, redis, *arguments) for name in names]
        # Side by side: it takes a while on a busy machine.
        started = await asyncio.gather(*(node.__aenter__() for node in nodes), return_exceptions=True)
        for node, result in zip(nodes, started, strict=True):
            if not isinstance(result, BaseException):
                stack.push_async_exit(node)
        for result in started:
            if isinstance(result, BaseException):
                raise result
        await asyncio.gather(*map(store_is_up, nodes))
        yield redis, *nodes


async def store_is_up(node):
    async with node.browser() as browser:
        await service(browser, degraded=False)


async def service(browser, degraded):
    """Until the server says so. Gives what else it said."""
    others = []
    while True:
        message = await browser.receive_any()
        if message["type"] != "service":
            others.append(message)
            continue
        assert message["store"] == "redis"
        if message["degraded"] is degraded:
            return others


# ---- a balancer ----


class Balancer:
    """nginx or haproxy as ops/ configures it."""

    def __init__(self, kind, folder, certificate, *nodes):
        self.arguments = kind, folder / kind, [node.port for node in nodes], *certificate, {}

    async def __aenter__(self):
        self.proxy = await asyncio.to_thread(proxies.Proxy, *self.arguments,
                                             configuration=lambda kind: (OPS / PROXIES[kind]).read_text())
        return self

    async def __aexit__(self, *_):
        await asyncio.to_thread(self.proxy.stop)

    @contextlib.asynccontextmanager
    async def browser(self, **more):
        async with connect(self.proxy.url("ws"), proxy=None, compression=None, max_size=None, **more) as websocket:
            browser = Browser(websocket)
            browser.patience = NODE_LOST
            yield browser


# ---- readers ----


async def ask(browser, request, message="Hello", session="s", **more):
    scope = {} if "room" in more else {"sessionId": session}
    await browser.send({"type": "chat", "message": message, "requestId": request, **scope, **more})


async def resume(browser, request, after=0, session="s", **more):
    scope = {} if "room" in more else {"sessionId": session}
    await browser.send({"type": "resume", "requestId": request, "after": after, **scope, **more})


async def numbered(browser, request):
    """The next message of that answer that has a number, or that refuses it."""
    while True:
        message = await browser.receive("stream", "error")
        if message.get("requestId") == request:
            return message


async def rest_of(browser, request):
    messages = []
    while not (messages and messages[-1].get("done")):
        messages.append(await numbered(browser, request))
    return messages


def text_of(messages):
    return "".join(message.get("content", "") for message in messages)


def check_answer(messages, after=0):
    """Numbers without a gap, one end, and that is the last; an error only before it."""
    said = "\n".join(map(str, messages))
    assert [message.get("seq") for message in messages] == list(range(after + 1, after + len(messages) + 1)), said
    assert [message.get("done", False) for message in messages] == [False] * (len(messages) - 1) + [True], said
    errors = [message["type"] == "error" for message in messages]
    assert not any(errors[:-2]) and not errors[-1], said
    assert (messages[-1]["finish_reason"] == "error") == any(errors), said


async def history(browser, session="s"):
    await browser.send({"type": "history", "sessionId": session})
    return (await browser.receive("history"))["turns"]


class Reader:
    """Asks, and reads the answer to its end, whatever happens to its connections. `doors`: what has a browser(), one after the
    other; it may be told to leave each behind so many messages."""

    def __init__(self, doors, request, session="s", message="Hello", cut_after=None):
        self.doors = itertools.cycle(doors)
        self.request, self.session, self.message = request, session, message
        self.cut_after = cut_after
        self.messages = []
        self.refusal = None  # the error that has no number, and is the end
        self.nodes = []
        self.news = asyncio.Event()

    @property
    def text(self):
        return text_of(self.messages)

    @property
    def is_over(self):
        return self.refusal or (self.messages and self.messages[-1].get("done"))

    async def read(self):
        while not self.is_over:
            with contextlib.suppress(ConnectionClosed, InvalidHandshake, ConnectionError, EOFError):
                async with next(self.doors).browser(open_timeout=PATIENCE, close_timeout=0.1) as browser:
                    try:
                        await self.read_from(browser)
                    finally:
                        browser.websocket.transport.abort()
            await asyncio.sleep(0)
        if not self.refusal:
            check_answer(self.messages)
        return self.text

    async def read_from(self, browser):
        self.nodes.append((await browser.receive("service"))["node"])
        if self.messages:
            # By the name of what it has, so that it never gets a part of something else.
            name = {key: value for key, value in self.messages[0].items() if key == "answerId"}
            await resume(browser, self.request, self.messages[-1]["seq"], self.session, **name)
        else:
            await ask(browser, self.request, self.message, self.session)
        for count in itertools.count(1):
            message = await numbered(browser, self.request)
            if "seq" not in message:
                return await self.refused(message, await numbered(browser, self.request))
            assert message["seq"] == len(self.messages) + 1, "twice, or a gap"
            self.messages.append(message)
            self.news.set()
            if message.get("done") or count == self.cut_after:
                return

    async def refused(self, error, end):
        assert error["type"] == "error" and end["done"] and "seq" not in end
        if error["code"] == "unavailable":
            await asyncio.sleep(0.1)  # not now
        else:
            self.refusal = error

    async def says(self, text):
        """Until it has read that, which is a beginning of the answer."""
        while self.text != text:
            assert text.startswith(self.text) and not self.is_over
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), NODE_LOST)


# ---- people ----


def token(user):
    return f"the secret of {user}".ljust(16)


@contextlib.asynccontextmanager
async def person(door, user, room=None):
    """Logged in; in a room if one is given."""
    async with door.browser() as browser:
        await login(browser, user)
        if room:
            await join(browser, room)
        yield browser


async def login(browser, user):
    await browser.send({"type": "login", "user": user, "token": token(user)})
    return await browser.receive("welcome")


async def join(browser, room):
    await browser.send({"type": "join", "room": room})
    return await browser.receive("joined")


async def post(browser, id, text, **to):
    """Sends a message; the ack, or the error that came instead."""
    await browser.send({"type": "message", "id": id, "text": text, **to})
    while True:
        message = await browser.receive("ack", "error")
        if message.get("id") == id:
            return message


# ---- models ----


class Model:
    """A script for Upstream: says its pieces, and waits where `gates` say so (index of a piece -> event)."""

    def __init__(self, pieces, pause=0.0, gates=None):
        self.pieces, self.pause, self.gates = pieces, pause, gates or {}
        self.text = "".join(pieces)

    async def __call__(self, call):
        await call.send(head())
        for index, piece in enumerate(self.pieces):
            if index in self.gates:
                await self.gates[index].wait()
            await call.send(delta(piece))
            await asyncio.sleep(self.pause)
        await call.send(finish() + DONE)


async def eventually(condition, seconds=NODE_LOST):
    """Asks until it is true: for what tells nobody."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)
