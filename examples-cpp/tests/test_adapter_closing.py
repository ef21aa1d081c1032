"""The Muduo adapter over sockets: how connections end, and what each side is told."""

import socket
import struct
import time

import pytest
from http_by_hand import TIME_TO_READ, UPGRADE, everything
from rawws import CLOSE, TEXT, close_frame, frame


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999])
def test_close_of_the_client_is_echoed(adapter, code):
    with adapter.connect() as client:
        client.send(frame(TEXT, b"last") + close_frame(code, "再见".encode()))
        assert client.read_message() == (TEXT, b"last")
        assert client.read_close() == (code, b"")
        assert client.at_eof()
    assert adapter.closes(1) == [f"/echo {code} 再见"]


def test_close_without_a_code(adapter):
    with adapter.connect() as client:
        client.send(frame(CLOSE))
        assert client.read_close() == (None, b"")
        assert client.at_eof()
    assert adapter.closes(1) == ["/echo 1005 "]


@pytest.mark.parametrize("code, sent", [(1000, 1000), (4001, 4001), (0, None), (1005, 1011), (1006, 1011), (999, 1011)])
def test_close_of_the_server(adapter, code, sent):
    with adapter.connect("/command") as client:
        client.send(frame(TEXT, f"close {code} good bye".encode()))
        assert client.read_close() == (sent, b"" if sent is None else b"good bye")
        client.send(frame(TEXT, b"header behind") + close_frame(sent or 1000))
        assert client.at_eof()
    assert adapter.closes(1) == [f"/command {sent or 1000} "]


def test_close_from_a_worker(adapter):
    with adapter.connect("/command") as client:
        client.send(frame(TEXT, "close-worker 4002 再见".encode()))
        assert client.read_message() == (TEXT, b"before")
        assert client.read_close() == (4002, "再见".encode())
        client.send(close_frame(4002))
        assert client.at_eof()
    with adapter.connect("/command") as client:
        client.send(frame(TEXT, b"force-worker"))
        assert client.at_eof()
    assert adapter.closes(2) == ["/command 4002 ", "/command 1006 "]


def test_close_in_the_connection_callback(adapter):
    with adapter.connect("/closing") as client:
        assert client.read_close() == (4000, b"at once")
        client.send(close_frame(4000))
        assert client.at_eof()


def test_close_that_the_client_does_not_answer(adapter):
    with adapter.connect("/closing") as client:
        assert client.read_close() == (4000, b"at once")
        started = time.monotonic()
        assert client.at_eof()
        assert 0.5 < time.monotonic() - started < 3
    assert adapter.closes(1) == ["/closing 1006 "]


def test_socket_that_stays_open_after_the_close_handshake(adapter):
    before = adapter.stats()["fds"]
    with adapter.connect() as client:
        client.send(close_frame(1000))
        assert client.read_close() == (1000, b"")
        client.socket.settimeout(0.2)
        adapter.wait_for(lambda stats: stats["fds"] == before)  # the lingering ends


def test_force_close(adapter):
    with adapter.connect("/command") as client:
        client.send(frame(TEXT, b"force"))
        everything(client)
    assert adapter.closes(1) == ["/command 1006 "]


@pytest.mark.parametrize("cut", [1, 2, 5, 9, 50], ids=lambda cut: f"after {cut} bytes")
@pytest.mark.parametrize("hard", [False, True], ids=["FIN", "RST"])
def test_connection_lost_in_the_middle_of_a_message(adapter, cut, hard):
    with adapter.connect() as client:
        client.send(frame(TEXT, b"x" * 100)[:cut])
        time.sleep(TIME_TO_READ)
        if hard:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert adapter.closes(1) == ["/echo 1006 "]


def test_connection_lost_in_the_middle_of_the_request(adapter):
    before = adapter.stats()["fds"]
    for at in range(1, len(UPGRADE), 10):
        with adapter.raw() as client:
            client.send(UPGRADE[:at])
    stats = adapter.wait_for(lambda stats: stats["fds"] == before)
    assert (stats["ups"], stats["downs"]) == (0, 0)


def test_close_all(adapter):
    clients = [adapter.connect() for _ in range(5)]
    with adapter.connect("/command") as commander:
        commander.send(frame(TEXT, b"close-all"))
        for client in [*clients, commander]:
            assert client.read_close() == (1001, b"server is shutting down")
            client.send(close_frame(1001))
            assert client.at_eof()
    assert adapter.closes(6)


def test_orderly_end_of_the_server(echo):
    with echo.connect() as client:
        echo.stop()
        assert client.read_close() == (1001, b"server is shutting down")


def test_server_destroyed_in_a_message_callback(start):
    server = start("adapter_server")
    with server.connect("/command") as one, server.connect("/command") as other, server.connect("/keep") as hammered:
        hammered.send(frame(TEXT, b"hammer"))
        assert hammered.read_message() == (TEXT, b"hammer")
        one.send(frame(TEXT, b"destroy") + frame(TEXT, b"never seen"))
        everything(one)
        everything(other)
    assert "3 ups and 3 downs" in server.stop(tell=False)
