"""A stock muduo::net::HttpServer with WebSocket attached: what differs from the HttpServer alone. That it speaks both is
tested with the other routes, by the tests that use `echo`."""

import time

import pytest
from http_by_hand import GET, TIME_TO_READ, UPGRADE, everything, read_response
from rawws import TEXT, frame

CLOSE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.fixture(params=[0, 2], ids=["one loop", "3 loops"])
def server(start, request):
    return start("attach_server", "--threads", request.param)


def test_many_pipelined_requests_and_an_upgrade(server):
    with server.raw() as client:
        client.send(GET * 300 + UPGRADE + frame(TEXT, b"hello"))
        assert {read_response(client) for _ in range(300)} == {(200, b"WebSocket echo is at /echo\n")}
        assert client.read_head()[0] == 101
        assert client.read_message() == (TEXT, b"hello")
    assert server.stats() == {"requests": 300, "ups": 1}


def test_a_head_in_pieces_behind_requests(server):
    head = b"POST / HTTP/1.1\r\nHost: a\r\nX: "
    with server.raw() as client:
        client.send(GET + GET + head)
        assert [read_response(client)[0] for _ in range(2)] == [200, 200]
        time.sleep(TIME_TO_READ)
        client.send(b"y\r\n")
        time.sleep(TIME_TO_READ)
        assert not client.buffer and server.stats() == {"requests": 2, "ups": 0}
        client.send(b"\r\n" + GET)
        assert [read_response(client)[0] for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("pause", [0, TIME_TO_READ], ids=["glued", "apart"])
@pytest.mark.parametrize("more", [GET, UPGRADE], ids=["GET", "upgrade"])
@pytest.mark.parametrize("last", [CLOSE, b"GET / HTTP/1.0\r\n\r\n"], ids=["close", "HTTP 1.0"])
def test_nothing_follows_the_last_answer(server, last, more, pause):
    with server.raw() as client:
        client.send(last)
        time.sleep(pause)
        client.send(more)
        time.sleep(TIME_TO_READ)
        client.send(more)
        assert everything(client).count(b"HTTP/1.1") == 1
        time.sleep(TIME_TO_READ)
        assert server.stats() == {"requests": 1, "ups": 0}


def test_nothing_follows_a_refusal(server):
    with server.raw() as client:
        client.send(GET + b"OPTIONS / HTTP/1.1\r\n\r\n" + GET)
        assert read_response(client)[0] == 200
        assert everything(client) == b"HTTP/1.1 400 Bad Request\r\n\r\n"
        client.send(GET + UPGRADE)
        time.sleep(TIME_TO_READ)
        assert server.stats() == {"requests": 1, "ups": 0}


def test_a_body_without_a_line_end_waits_for_one(server):
    """It does not turn the wrapper's loop, which asks again only while something is taken."""
    with server.raw(timeout=0.2) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nno CRLF..")
        assert read_response(client)[0] == 200
        cpu = server.cpu_seconds()
        with pytest.raises(TimeoutError):
            client.fill()
        assert server.cpu_seconds() - cpu < 0.1
