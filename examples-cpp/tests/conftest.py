"""The servers under test as processes on free ports. A test fails when its server dies, does not stop when it is told to, or is
seen by a sanitizer."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "python"))  # rawws

import rawws  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--adapter-build", default=ROOT / "examples-cpp" / "build", help="where echo_muduo and adapter_server are")
    parser.addoption("--shapes", default="", help="of the echo servers' shapes only these, separated by commas")
    parser.addoption("--loops", choices=["one", "3"], help="adapter_server with so many loops only, where there is a choice")


def pytest_collection_modifyitems(config, items):
    if shapes := config.getoption("--shapes"):
        items[:] = [item for item in items if shape_of(item) is None or shape_of(item) in shapes.split(",")]
    if loops := config.getoption("--loops"):
        left_out = "3 loops" if loops == "one" else "one loop"
        items[:] = [item for item in items if left_out not in item.name]


def shape_of(item):
    return item.callspec.params.get("echo") if hasattr(item, "callspec") else None


@pytest.fixture(scope="session")
def build(request):
    return Path(request.config.getoption("--adapter-build"))


@pytest.fixture(autouse=True)
def no_test_hangs():
    def fail(*_):
        raise TimeoutError("the test takes longer than a minute")

    signal.signal(signal.SIGALRM, fail)
    signal.alarm(60)
    yield
    signal.alarm(0)


class Server:
    """A program that prints "listening on HOST:PORT" and ends in order at SIGTERM."""

    def __init__(self, command):
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        line = self.process.stdout.readline().decode()
        match = re.search(r"listening on (\S+):(\d+)", line)
        if not match:
            self.process.kill()
            raise AssertionError(f"{command[0]} said {line!r} {self.process.communicate()[0].decode()}")
        self.address = match.group(1), int(match.group(2))
        self.said = []
        self._reader = threading.Thread(target=lambda: self.said.extend(self.process.stdout), daemon=True)
        self._reader.start()

    def url(self, path):
        return f"ws://{self.address[0]}:{self.address[1]}{path}"

    def connect(self, path="/echo", **options):
        """An upgraded raw connection; `extra` header lines are possible."""
        extra = options.pop("extra", ())
        return rawws.Connection(self.address, **options).upgrade(target=path, extra=extra)

    def raw(self, **options):
        return rawws.Connection(self.address, **options)

    def get(self, path):
        """The body of an answer over HTTP, on the same port."""
        with self.raw() as http:
            http.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            status, headers = http.read_head()
            assert status == 200
            return http.read(int(headers["content-length"]))

    def stats(self, path="/stats"):
        """What adapter_server counts."""
        return json.loads(self.get(path))

    def wait_for(self, condition, seconds=10, path="/stats"):
        """Waits until the counters fulfil the condition; returns them."""
        deadline = time.monotonic() + seconds
        while not condition(stats := self.stats(path)):
            assert time.monotonic() < deadline, stats
            time.sleep(0.02)
        return stats

    def closes(self, count):
        """How the first `count` WebSockets ended, as their down callbacks saw it."""
        return self.wait_for(lambda stats: len(stats["closes"]) >= count)["closes"]

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, tell=True):
        if tell:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = "a timeout"
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()
        text = b"".join(self.said).decode(errors="replace")
        assert code == 0, f"it ended with {code}:\n{text}"
        assert "Sanitizer" not in text and "runtime error" not in text, text
        return text


@pytest.fixture
def start(build):
    """start(program, arguments...) -> Server"""
    servers = []

    def start_one(program, *arguments):
        servers.append(Server([build / program, *arguments]))
        return servers[-1]

    yield start_one
    problems = []
    for server in servers:  # all of them are stopped, whatever is wrong with one
        if server.process.stdout.closed:
            continue
        died = server.process.poll() is not None
        try:
            said = server.stop(tell=not died)
        except AssertionError as error:
            problems.append(str(error))
        else:
            problems += [f"it ended too early: {said}"] if died else []
    assert not problems, "\n".join(problems)


@pytest.fixture(params=["E", "E with 2 loops", "A", "A with 2 loops", "B", "B with 2 loops"])
def echo(start, request):
    """echo_muduo in each of its shapes, and attach_server, which is the same by route B."""
    route, *threads = request.param.split(" with ")
    program = ["attach_server"] if route == "B" else ["echo_muduo", "--route", route]
    server = start(*program, "--port", "0", "--threads", "2" if threads else "0")
    server.route = route
    return server


@pytest.fixture(params=[0, 2], ids=["one loop", "3 loops"])
def adapter(start, request):
    """adapter_server, whose paths are in Commands.cc."""
    return start("adapter_server", "--threads", request.param)
