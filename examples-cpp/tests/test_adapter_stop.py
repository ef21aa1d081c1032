"""The orderly end of a server: who is told what, who gets time, and who does not."""

import signal
import time

import pytest
import rawws
from http_by_hand import GET, TIME_TO_READ, everything, read_response
from rawws import BINARY, CLOSE, TEXT, close_frame, frame


def tell(server):
    server.process.send_signal(signal.SIGTERM)


def test_all_are_told_and_the_end_is_quick(adapter):
    clients = [adapter.connect() for _ in range(8)]
    started = time.monotonic()
    tell(adapter)
    for client in clients:
        assert client.read_close() == (1001, b"server is shutting down")
        client.send(close_frame(1001))
        assert client.at_eof()
        client.socket.close()
    assert adapter.stop(tell=False).count("8 ups and 8 downs") == 1
    assert time.monotonic() - started < 0.9


def test_waiting_handshakes_get_503_and_new_connections_an_end(start):
    adapter = start("adapter_server", "--drain", 2, "--handshake", 10, "--threads", 2)
    with adapter.raw() as waiting, adapter.raw() as late, adapter.connect() as open_one:
        waiting.send(rawws.request(target="/later/worker?ms=1500"))
        upgrade = rawws.request(target="/echo")
        late.send(upgrade[:20])
        time.sleep(TIME_TO_READ)
        started = time.monotonic()
        tell(adapter)
        assert open_one.read_close()[0] == 1001
        assert waiting.read_head()[0] == 503
        late.send(upgrade[20:])
        assert late.read_head()[0] == 503
        with adapter.raw() as new:
            assert new.at_eof()
        assert time.monotonic() - started < 0.6  # not when the worker decides, nor when HTTP has been silent
        open_one.send(close_frame(1001))
        for client in (waiting, late, open_one):
            everything(client)
        adapter.stop(tell=False)


def test_http_ends_when_it_is_silent(start):
    adapter = start("adapter_server", "--drain", 5)
    with adapter.raw() as silent, adapter.raw() as busy:
        silent.send(GET)
        assert read_response(silent)[0] == 200
        time.sleep(1.1)
        busy.send(GET)
        assert read_response(busy)[0] == 200
        fresh = adapter.raw()
        adapter.wait_for(lambda stats: stats["sockets"] == 4)
        started = time.monotonic()
        tell(adapter)
        assert silent.at_eof()
        assert time.monotonic() - started < 0.5
        silent.socket.close()
        time.sleep(0.3)
        fresh.send(GET)  # it came up, and its first request was on its way
        busy.send(GET)
        assert read_response(fresh)[0] == 200
        assert read_response(busy)[0] == 200
        for client in (busy, fresh):
            assert client.at_eof()
            client.socket.close()
        assert 1 < time.monotonic() - started < 3
        adapter.stop(tell=False)


def test_slow_readers_get_their_bytes(start):
    """However much longer than the time for an answer to a close frame that takes."""
    adapter = start("adapter_server", "--drain", 20, "--close", 0.5)
    with adapter.connect("/fill", receive_buffer=4096) as client:
        adapter.wait_for(lambda stats: stats["ups"] == 1)
        tell(adapter)
        received = 0
        started = time.monotonic()
        while (message := client.read_message())[0] == BINARY:
            received += len(message[1])
            if received < 2_000_000:
                time.sleep(0.05)
        assert time.monotonic() - started > 1.2
        assert received == 63 * 64 * 1024
        assert message == (CLOSE, (1001).to_bytes(2, "big") + b"server is shutting down")
        client.send(close_frame(1001))
        assert client.at_eof()
        adapter.stop(tell=False)


@pytest.mark.parametrize("threads", [0, 2])
def test_what_is_left_is_dropped_at_the_deadline(start, threads):
    adapter = start("adapter_server", "--drain", 0.7, "--stall", 20, "--threads", threads)
    with adapter.connect("/fill", receive_buffer=4096), adapter.connect("/echo") as silent, adapter.raw() as http:
        http.send(GET[:5])
        adapter.wait_for(lambda stats: stats["ups"] == 2)
        started = time.monotonic()
        tell(adapter)
        assert silent.read_close()[0] == 1001
        assert adapter.stop(tell=False).count("2 ups and 2 downs") == 1
        assert 0.6 < time.monotonic() - started < 3


def test_without_a_deadline_to_wait_for(start):
    adapter = start("adapter_server", "--drain", 0)
    with adapter.connect("/echo") as client:
        tell(adapter)
        assert client.read_close()[0] == 1001
        adapter.stop(tell=False)


def test_workers_send_while_the_server_ends(start):
    adapter = start("adapter_server", "--threads", 2, "--drain", 3)
    clients = [adapter.connect("/flood") for _ in range(3)]
    for client in clients:
        client.send(frame(TEXT, b"1000000"))
        client.read_message()
    tell(adapter)
    for client in clients:
        while client.read_message()[0] != CLOSE:
            pass
        client.send(close_frame(1001))
        everything(client)
        client.socket.close()
    adapter.stop(tell=False)


def test_second_signal_ends_it_at_once(start):
    adapter = start("adapter_server", "--drain", 30)
    with adapter.connect("/echo") as client:
        tell(adapter)
        assert client.read_close()[0] == 1001
        tell(adapter)
        assert adapter.process.wait(5) == -signal.SIGTERM
    adapter.process.stdout.close()
