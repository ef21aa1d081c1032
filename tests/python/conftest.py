"""What the tests share: the programs under test as processes on free ports, stopped whatever happens."""

import os
import re
import resource
import signal
import subprocess
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES_C = ROOT / "examples-c" / "build"


class Server:
    """A program that prints "listening on HOST:PORT" and serves until it is told to stop."""

    def __init__(self, command, **options):
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, **options)
        line = self.process.stdout.readline()
        match = re.search(r"listening on (\S+):(\d+)", line)
        if not match:
            self.process.kill()
            _, errors = self.process.communicate()
            raise AssertionError(f"{command[0]} said {line!r} instead of where it listens; stderr: {errors}")
        self.host, self.port = match.group(1).strip("[]"), int(match.group(2))
        self.pid = self.process.pid
        self.errors = []
        self._reader = threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True)
        self._reader.start()

    @property
    def address(self):
        return self.host, self.port

    @property
    def url(self):
        return f"ws://{self.host}:{self.port}/"

    def terminate(self, timeout=10):
        """Asks it to stop; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self):
        if self.process.stdin:
            self.process.stdin.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdout, self.process.stderr):
            pipe.close()

    # What the kernel says about the process.

    def _status(self, key):
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{key}:\s+(\d+)", text, re.MULTILINE).group(1))

    def rss(self):
        """Bytes of memory in use."""
        return self._status("VmRSS") * 1024

    def peak_rss(self):
        return self._status("VmHWM") * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def start_server():
    """start_server(command, **options of Popen) -> Server"""
    servers = []

    def start(command, **options):
        servers.append(Server(command, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def start_echo(start_server):
    """start_echo(arguments...) -> Server, an echo_server on a free port"""
    return lambda *arguments, **options: start_server([EXAMPLES_C / "echo_server", "--port", "0", *arguments], **options)


@pytest.fixture
def echo(start_echo):
    """A plain echo_server. It must still be there at the end, and stop when it is told to."""
    server = start_echo()
    yield server
    assert server.process.poll() is None, f"echo_server died with {server.process.returncode}: {server.errors}"
    assert server.terminate() == 0


@pytest.fixture
def many_descriptors():
    """Lets this process open as many sockets as the system allows; gives that number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
