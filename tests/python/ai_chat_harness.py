"""What the tests of the AI chat server share: the server as a process, a browser (the `websockets` client) on one side of it, and
a model's server that misbehaves in every way on the other.

AI_CHAT names another program than examples-cpp/build/ai_chat (a command line: "valgrind -q /path/ai_chat"); AI_CHAT_SLOWNESS
multiplies the deadlines for slow ones.
"""

import asyncio
import contextlib
import functools
import json
import os
import re
import shlex
import signal
import socket
import time
from pathlib import Path

import pytest
from chat_schema import check_schema
from websockets.asyncio.client import connect

ROOT = Path(__file__).resolve().parents[2]
COMMAND = shlex.split(os.environ.get("AI_CHAT", str(ROOT / "examples-cpp" / "build" / "ai_chat")))
WWW = ROOT / "examples-cpp" / "ai_chat" / "www"
SLOWNESS = float(os.environ.get("AI_CHAT_SLOWNESS", "1"))
PATIENCE = 10 * SLOWNESS  # what should happen happens within
PROMPT = 0.5 * SLOWNESS  # what should happen at once happens within
TEXT = "Grüße, 你好，世界 🌍👩‍👩‍👧 <img src=x onerror=alert(1)> \"quoted\" \\ back\n\tslash \u0001 end"

KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"


def sse(event):
    return b"data: " + (event if isinstance(event, bytes) else json.dumps(event, ensure_ascii=False).encode()) + b"\n\n"


def delta(content, **more):
    return sse({"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": None}], **more})


def finish(reason="stop"):
    return sse({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})


def raw_delta(content: bytes):
    """A delta whose JSON string holds these very bytes, also when they are no UTF-8."""
    return b'data: {"choices":[{"index":0,"delta":{"content":"' + content + b'"}}]}\n\n'


def head(status="200 OK", content_type="text/event-stream", **headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Call:
    """One request as the model's server sees it."""

    def __init__(self, reader, writer, request_line, headers, body):
        self.reader, self.writer = reader, writer
        self.request_line, self.headers = request_line, headers
        self.body = json.loads(body) if body else None

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def send_chunk(self, data):
        await self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    async def gone(self):
        """Returns when the other side has closed or reset the connection."""
        with contextlib.suppress(ConnectionError):
            assert await self.reader.read(1) == b""

    async def hang(self):
        await asyncio.Event().wait()


class Upstream:
    """A model's server that does what `script(call)` does, then closes."""

    def __init__(self, script):
        self.script = script
        self.calls = []
        self.connections = 0
        self.problems = []
        self.tasks = set()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v1"
        return self

    async def __aexit__(self, kind, *_):
        self.server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if kind is None:
            assert self.problems == []

    async def serve(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        self.connections += 1
        try:
            while call := await self.read_request(reader, writer):
                self.calls.append(call)
                if await self.script(call) != "next":
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except Exception as problem:  # an assertion in a script
            self.problems.append(repr(problem))
        finally:
            writer.close()

    async def read_request(self, reader, writer):
        text = (await reader.readuntil(b"\r\n\r\n")).decode()
        request_line, *lines = text.split("\r\n")[:-2]
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return Call(reader, writer, request_line, headers, body)


def answers(*pieces, pause=0.0, **of_head):
    """A script that sends these bytes as they are."""

    async def script(call):
        await call.send(head(**of_head))
        for piece in pieces:
            await call.send(piece)
            await asyncio.sleep(pause)

    return script


def endless(pause=0.01, seen=None):
    """Streams until it is cancelled; `seen` gets the moment when it notices."""

    async def script(call):
        await call.send(head())

        async def stream():
            while True:
                await call.send(delta("x"))
                await asyncio.sleep(pause)

        streaming = asyncio.create_task(stream())
        await call.gone()
        streaming.cancel()
        if seen is not None:
            seen.set_result(time.monotonic())

    return script


class Browser:
    def __init__(self, websocket):
        self.websocket = websocket

    async def say(self, message, session="session-1"):
        await self.send({"type": "chat", "sessionId": session, "message": message})

    async def stop(self):
        await self.send({"type": "stop"})

    async def send(self, message):
        await self.websocket.send(message if isinstance(message, (str, bytes)) else json.dumps(message))

    async def receive_any(self):
        data = await asyncio.wait_for(self.websocket.recv(), PATIENCE)
        assert isinstance(data, str)
        message = json.loads(data)
        check_schema("serverMessage", message)
        return message

    async def receive(self, *types):
        """The next message of one of these types; without any, of one that is neither `service` nor `status`."""
        while True:
            message = await self.receive_any()
            if message["type"] in types if types else message["type"] not in ("service", "status"):
                return message

    async def silent(self, seconds=0.15):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(self.receive(), seconds * SLOWNESS)

    async def answer(self):
        """The text, and the error if there was one: everything up to and with done:true."""
        text, error = "", None
        while True:
            message = await self.receive()
            if message["type"] == "error":
                assert error is None and set(message) >= {"type", "code", "message", "retryable"}
                assert message["message"]
                error = message
            elif message["type"] == "stream":
                assert set(message) >= {"type", "content", "done"}
                assert not (error and message["content"]), "text after the error"
                text += message["content"]
                if message["done"] is True:
                    return text, error
                assert message["done"] is False and message["content"] != ""

    async def ask(self, message, **more):
        await self.say(message, **more)
        return await self.answer()


class AiChat:
    """The server under test."""

    def __init__(self, upstream, *arguments, www=WWW, environment=None):
        # A test that wants no more than an error should not wait for the tries before it.
        self.arguments = ["--port", "0", "--upstream", upstream, "--max-retry-after", "0.05", *map(str, arguments),
                          *(["--www", str(www)] if www else [])]
        self.environment = {k: v for k, v in os.environ.items() if k != "API_KEY"} | (environment or {})

    async def __aenter__(self):
        self.process = await asyncio.create_subprocess_exec(*COMMAND, *self.arguments, stdout=asyncio.subprocess.PIPE,
                                                            stderr=asyncio.subprocess.PIPE, env=self.environment)
        self.stderr = b""
        self.asked_to_end = False
        self.reader = asyncio.create_task(self.read_stderr())
        self.banner = (await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)).decode()
        match = re.match(r"ai_chat: (https?://127\.0\.0\.1:(\d+)/) ", self.banner)
        assert match, f"said {self.banner!r}; stderr: {self.stderr.decode()}"
        self.url, self.port = match.group(1), int(match.group(2))
        return self

    async def __aexit__(self, kind, *_):
        self.terminate()
        try:
            code = await asyncio.wait_for(self.process.wait(), PATIENCE)
        except asyncio.TimeoutError:
            self.process.kill()
            raise
        finally:
            await self.reader
        if kind is None:
            assert code == 0, self.stderr.decode()
            assert b"Sanitizer" not in self.stderr and b"runtime error" not in self.stderr, self.stderr.decode()

    def terminate(self):
        """Asks it to end; once, since a second signal ends it at once."""
        if not self.asked_to_end and self.process.returncode is None:
            self.asked_to_end = True
            self.process.send_signal(signal.SIGTERM)

    async def read_stderr(self):
        while data := await self.process.stderr.read(65536):
            self.stderr += data

    @contextlib.asynccontextmanager
    async def browser(self, **more):
        """`lazy=True`: it takes from the network only what it is asked to receive, and has small buffers."""
        if more.pop("lazy", False):
            more["sock"] = socket.socket()
            more["sock"].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
            more["sock"].connect(("127.0.0.1", self.port))
            more["max_queue"] = 1
        async with connect(self.url.replace("http", "ws", 1) + "ws/chat", proxy=None, compression=None, max_size=None, **more) as websocket:
            yield Browser(websocket)

    async def ask(self, message="Hello", **more):
        async with self.browser() as browser:
            return await browser.ask(message, **more)

    def peak_memory(self):
        return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text()).group(1)) * 1024

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def run(test):
    return asyncio.run(asyncio.wait_for(test, 60 * SLOWNESS))


def asynchronous(test):
    """Makes a coroutine function a test."""
    return functools.wraps(test)(lambda *arguments, **more: run(test(*arguments, **more)))


def exchange(script, *arguments, **more):
    """One question to a server whose upstream follows `script`: the text, the error, what was logged."""

    async def test():
        async with Upstream(script) as upstream, AiChat(upstream.url, *arguments, **more) as chat:
            result = await chat.ask()
        return *result, chat.stderr.decode()

    return run(test())


async def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)
