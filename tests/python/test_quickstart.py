"""The quickstart of README.md: the text is that of the program, and the program does what it says."""

import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import websockets
import websockets.sync.client

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "examples-cpp" / "quickstart" / "main.cc"


def test_the_readme_shows_the_program_as_it_is():
    source = SOURCE.read_text()
    first = source.splitlines()[0]
    shown = [block for block in re.findall(r"^```cpp\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
             if block.startswith(first)]
    assert shown == [source]


def test_it_is_short():
    lines = SOURCE.read_text().splitlines()
    assert len(lines) < 40
    assert max(map(len, lines)) <= 120
    assert sum(line.count(";") for line in lines) < 50, "short, not squeezed"


@pytest.fixture
def quickstart():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([ROOT / "examples-cpp" / "build" / "quickstart", str(port)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    assert process.poll() is None and time.monotonic() < deadline, "it does not listen"
                    time.sleep(0.02)
            yield process, f"127.0.0.1:{port}"
        finally:
            if process.poll() is None:
                process.kill()


def test_it_serves_the_page_and_nothing_else(quickstart):
    _, address = quickstart
    with urllib.request.urlopen(f"http://{address}/", timeout=20) as answer:
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "new WebSocket(" in answer.read().decode()
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"http://{address}/nothing", timeout=20)
    assert error.value.code == 404
    error.value.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_and_ends_in_order(quickstart, number):
    process, address = quickstart
    with websockets.sync.client.connect(f"ws://{address}/ws/chat", origin=f"http://{address}") as client:
        client.send("Grüße, 世界")
        assert client.recv(timeout=20) == "you said: Grüße, 世界"
        process.send_signal(number)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            client.recv(timeout=20)
    assert closed.value.rcvd.code == 1001
    assert process.wait(20) == 0
