"""One answer of the real local model, end to end: a WebSocket client, ai_chat, llama.cpp with SmolLM2.

The model is installed once into examples-cpp/build/local_model (127 MB over the network); LOCAL_MODEL_DIR names another folder.
AI_CHAT names another program than examples-cpp/build/ai_chat (a command line).
"""

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest
import websockets

ROOT = Path(__file__).resolve().parents[2]
LOCAL_MODEL = ROOT / "examples-cpp" / "local_model"
AI_CHAT = shlex.split(os.environ.get("AI_CHAT", str(ROOT / "examples-cpp" / "build" / "ai_chat")))
INSTALLED = Path(os.environ.get("LOCAL_MODEL_DIR", ROOT / "examples-cpp" / "build" / "local_model"))

START_TIMEOUT = 30
ANSWER_TIMEOUT = 60


class Program:
    """A process that says on stdout where it listens, and ends with the test."""

    def __init__(self, *command, ready):
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        overdue = threading.Timer(START_TIMEOUT, self.process.kill)
        overdue.start()
        line = self.process.stdout.readline()
        overdue.cancel()
        self.match = re.search(ready, line)
        if not self.match:
            self.process.kill()
            pytest.fail(f"{command[0]} said {line!r} instead of {ready!r}; stderr:\n{self.process.communicate()[1]}")
        # Read on, so that a full pipe never blocks the program.
        for stream in (self.process.stdout, self.process.stderr):
            threading.Thread(target=stream.read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.exit_code = self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def model():
    subprocess.run([sys.executable, LOCAL_MODEL / "install.py", INSTALLED], check=True)
    ready = r"^ready (http://127\.0\.0\.1:\d+/v1) model (\S+)$"
    with Program(INSTALLED / "bin" / "python", LOCAL_MODEL / "serve.py", "--port", "0", ready=ready) as program:
        yield program
    assert program.exit_code == 0, "serve.py must end cleanly on SIGTERM"


@pytest.fixture(scope="module")
def chat(model):
    assert shutil.which(AI_CHAT[0]), f"{AI_CHAT[0]} is missing: run make in examples-cpp/"
    upstream, name = model.match.groups()
    options = ["--port", "0", "--upstream", upstream, "--model", name, "--www", ROOT / "examples-cpp" / "ai_chat" / "www"]
    with Program(*AI_CHAT, *options, ready=r"http://127\.0\.0\.1:(\d+)/") as program:
        yield f"ws://127.0.0.1:{program.match[1]}/ws/chat"


async def say(connection, question, session):
    await connection.send(json.dumps({"type": "chat", "sessionId": session, "message": question}))


async def receive(connection):
    """The next message of an answer, as bytes from the wire decoded strictly."""
    while True:
        message = json.loads((await connection.recv(decode=False)).decode("utf-8", errors="strict"))
        if message["type"] not in ("service", "status"):
            return message


async def rest(connection):
    messages = []
    async with asyncio.timeout(ANSWER_TIMEOUT):
        while not messages or not messages[-1].get("done"):
            messages.append(await receive(connection))
    return messages


async def ask(connection, question, session):
    await say(connection, question, session)
    return await rest(connection)


def text_of(messages):
    return "".join(message["content"] for message in messages)


def test_the_local_model_answers_through_ai_chat(chat):
    async def talk():
        session = str(uuid.uuid4())
        async with websockets.connect(chat) as connection:
            first = await ask(connection, "Write a short poem about the sea at night.", session)
            second = await ask(connection, "Now tell me what a WebSocket is.", session)
            return first, second

    for messages in asyncio.run(talk()):
        assert [message["type"] for message in messages] == ["stream"] * len(messages), messages
        assert [message["done"] for message in messages] == [False] * (len(messages) - 1) + [True]
        assert len(messages) >= 5, "an answer of many tokens comes in many messages"
        text = text_of(messages)
        assert len(text.split()) >= 10, text
        assert "\ufffd" not in text and text.encode("utf-8"), "a character was torn apart"


def test_a_stopped_answer_leaves_the_local_model_free(chat):
    async def talk():
        async with websockets.connect(chat) as connection:
            await say(connection, "Tell me a long story about a ship.", "stop")
            received = [await receive(connection) for _ in range(3)]
            await connection.send(json.dumps({"type": "stop"}))
            received += await rest(connection)
            again = await ask(connection, "Say hello.", "stop")
            return received, again

    received, again = asyncio.run(talk())
    assert {message["type"] for message in received + again} == {"stream"}
    assert received[-1]["finish_reason"] == "cancelled"
    assert text_of(again)
