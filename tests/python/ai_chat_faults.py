"""What breaks around the AI chat, for its tests: the network before it, and the model behind it."""

import asyncio
import contextlib
import json
import os
import random
import re
import shutil

from ai_chat_cluster import NODE_LOST
from ai_chat_harness import PATIENCE, ROOT, Browser
from websockets.asyncio.client import connect


class Network:
    """The way from one reader to the nodes. Its seed decides for each connection to which node it goes, how it is slow, and behind
    how many bytes it ends, and how."""

    def __init__(self, seed, nodes, most_bytes):
        self.random = random.Random(seed)
        self.nodes = nodes
        self.most_bytes = most_bytes
        self.ends = []
        self.tasks = set()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def browser(self, **more):
        async with connect(f"ws://127.0.0.1:{self.port}/ws/chat", proxy=None, compression=None, **more) as websocket:
            browser = Browser(websocket)
            browser.patience = NODE_LOST
            yield browser

    async def serve(self, near_reader, near_writer):
        self.tasks.add(asyncio.current_task())
        node = self.random.choice(self.nodes)
        plan = random.Random(self.random.random())
        end = plan.choice(["reset", "reset", "close", "stall"])
        # Some in the handshake or before the question has arrived, most behind that.
        bytes_left = {"there": plan.choice([*range(0, 400, 100), *[1 << 30] * 6]), "back": plan.randint(0, self.most_bytes)}
        with contextlib.suppress(ConnectionError), contextlib.closing(near_writer):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", node.port)
            ways = [asyncio.create_task(self.carry(*way)) for way in (
                (near_reader, far_writer, bytes_left, "there", plan), (far_reader, near_writer, bytes_left, "back", plan))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                if bytes_left["there"] and bytes_left["back"]:
                    return  # they hung up
                self.ends.append(end)
                if end == "stall":
                    await asyncio.sleep(0.3)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                for writer in near_writer, far_writer:
                    writer.close() if end == "close" else writer.transport.abort()

    async def carry(self, reader, writer, bytes_left, way, plan):
        """In pieces that nobody meant, and after a while."""
        while data := await reader.read(4096):
            data = data[:bytes_left[way]]
            bytes_left[way] -= len(data)
            while data:
                size = plan.randint(1, len(data))
                writer.write(data[:size])
                await writer.drain()
                data = data[size:]
                if plan.random() < 0.1:
                    await asyncio.sleep(plan.random() * 0.02)
            if not bytes_left[way]:
                return


class Aimock:
    """The mock model of the browser's tests, with these answers to these questions. Its chances come from a seed."""

    def __init__(self, folder, answers, *arguments, seed=7):
        self.answers, self.arguments, self.folder, self.seed = answers, arguments, folder, seed
        self.port = 0

    async def __aenter__(self):
        fixtures = self.folder / "fixtures.json"
        fixtures.write_text(json.dumps({"fixtures": [{"match": {"userMessage": question}, "response": {"content": answer}}
                                                     for question, answer in self.answers.items()]}))
        chances = self.folder / "chances.cjs"
        chances.write_text(f"let state = {self.seed};\n"
                           "Math.random = () => (state = (state * 48271) % 2147483647) / 2147483647;\n")
        program = ROOT / "tests" / "browser" / "node_modules" / ".bin" / "llmock"
        assert program.exists() and shutil.which("node"), "the mock model is missing: tests/setup.sh test installs it"
        words = ["-p", self.port, "-f", fixtures, "--strict", "--metrics", *self.arguments]
        self.process = await asyncio.create_subprocess_exec(
            program, *map(str, words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env=os.environ | {"NODE_OPTIONS": f"--require {chances}"})
        said = b""
        while not (match := re.search(rb"listening on (http://127\.0\.0\.1:(\d+))", said)):
            line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)
            assert line, said.decode()
            said += line
        self.root, self.port = match[1].decode(), int(match[2])
        self.url = self.root + "/v1"
        self.talk = asyncio.create_task(self.process.stdout.read())  # so that it never waits for a reader
        return self

    async def __aexit__(self, *_):
        await self.kill()

    async def kill(self):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self.talk

    async def restart(self):
        """Where it was."""
        await self.__aenter__()

    async def counts(self, fetch):
        """status -> how many questions ended so, by its own count."""
        _, _, text = await fetch(self.root + "/metrics")
        found = re.findall(r'^aimock_requests_total\{[^}]*status="(\w+)"[^}]*\} (\d+)', text, re.MULTILINE)
        sums = {}
        for status, count in found:
            sums[status] = sums.get(status, 0) + int(count)
        return sums
