"""HTTP and WebSocket on one port: which bytes are whose, also when requests are pipelined, bodies follow, or the host decrypts."""

import time

import pytest
import rawws
from http_by_hand import GET, TIME_TO_READ, UPGRADE, everything, read_response
from rawws import BINARY, TEXT, close_frame, frame


def test_http_with_keep_alive(echo):
    with echo.raw() as http, echo.connect() as web_socket:
        for i in range(5):
            http.send(GET)
            assert read_response(http) == (200, b"WebSocket echo is at /echo\n")
            web_socket.send(frame(TEXT, str(i).encode()))
            assert web_socket.read_message() == (TEXT, str(i).encode())
        http.send(b"GET /missing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert http.read_head()[0] == 404
        everything(http)


def test_http_byte_by_byte(echo):
    with echo.raw() as http:
        for byte in GET:
            http.send(bytes([byte]))
            time.sleep(0.0005)
        assert read_response(http)[0] == 200


def test_get_then_upgrade(echo):
    with echo.raw() as client:
        client.send(GET)
        assert read_response(client)[0] == 200
        client.send(UPGRADE)
        assert client.read_head()[0] == 101
        client.send(frame(TEXT, b"hello"))
        assert client.read_message() == (TEXT, b"hello")


def test_get_and_upgrade_in_one_write(echo):
    with echo.raw() as client:
        client.send(GET + UPGRADE + frame(TEXT, b"hello"))
        assert read_response(client)[0] == 200
        assert client.read_head()[0] == 101
        assert client.read_message() == (TEXT, b"hello")


def test_get_and_upgrade_cut_in_two_at_every_place(echo):
    data = GET + UPGRADE + frame(TEXT, b"hello")
    for at in range(len(GET) - 3, len(data), 3):
        with echo.raw() as client:
            client.send(data[:at])
            time.sleep(0.001)
            client.send(data[at:])
            assert read_response(client)[0] == 200
            assert client.read_head()[0] == 101, at
            assert client.read_message() == (TEXT, b"hello")


def test_get_get_upgrade_in_one_write(echo):
    with echo.raw() as client:
        client.send(GET + GET + UPGRADE + frame(TEXT, b"hello"))
        assert read_response(client)[0] == 200
        if echo.route == "E":  # its parser takes one request per read, so the second one waits for more bytes
            time.sleep(TIME_TO_READ)
            client.send(frame(TEXT, b"more"))
        assert read_response(client)[0] == 200
        assert client.read_head()[0] == 101
        assert client.read_message() == (TEXT, b"hello")


def test_get_get_upgrade_where_the_host_asks_before_each_request(start):
    server = start("adapter_server", "--loop")
    with server.raw() as client:
        client.send(GET + GET + UPGRADE + frame(TEXT, b"hello"))
        assert [read_response(client)[0] for _ in range(2)] == [200, 200]
        assert client.read_head()[0] == 101
        assert client.read_message() == (TEXT, b"hello")


@pytest.mark.parametrize("head", [
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n",
    b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\ncontent-length:%d\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n",
])
@pytest.mark.parametrize("pause", [0, TIME_TO_READ], ids=["glued", "apart"])
def test_a_body_is_never_taken_for_an_upgrade(echo, head, pause):
    head = head % len(UPGRADE)
    with echo.raw(timeout=0.3) as client:
        client.send(head)
        time.sleep(pause)
        client.send(UPGRADE + frame(TEXT, b"hello"))
        try:
            answer = everything(client)
        except TimeoutError:
            answer = bytes(client.buffer)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b" 101 " not in answer and b"hello" not in answer


def test_a_head_that_two_parsers_would_cut_differently_is_not_sniffed_further(echo):
    """Muduo's parser ends a head at a line without a colon."""
    with echo.raw(timeout=0.3) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nno colon here\r\n" + UPGRADE)
        try:
            answer = everything(client)
        except TimeoutError:
            answer = bytes(client.buffer)
        assert b" 101 " not in answer


def test_host_that_is_in_the_middle_of_a_request_keeps_the_connection(start):
    """It has taken more than the request that it was left with, so what comes next may be anything."""
    server = start("adapter_server", "--greedy")
    with server.raw(timeout=0.3) as client:
        client.send(GET + b"GET / HTTP/1.1\r\nX-Header: y\r\n")
        assert read_response(client)[0] == 200
        time.sleep(TIME_TO_READ)
        client.send(UPGRADE)
        assert read_response(client)[0] == 200  # to Muduo's parser, the upgrade request is more headers
    with server.raw() as client:
        client.send(GET)
        assert read_response(client)[0] == 200
        client.send(UPGRADE)
        assert client.read_head()[0] == 101


@pytest.mark.parametrize("echo", ["A"], indirect=True)
class TestDropIn:
    """What the drop-in HttpServer does better than Muduo's."""

    def test_a_body_is_skipped_and_the_connection_lives_on(self, echo):
        with echo.raw() as http:
            for cut in (0, 1, 30, 50, 60):
                data = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n" + b"GET / HTTP/1.1\r\n\r\n.."
                http.send(data[:cut])
                time.sleep(0.002)
                http.send(data[cut:] + GET)
                assert [read_response(http)[0] for _ in range(2)] == [200, 200]

    def test_bad_lengths_are_refused(self, echo):
        for line in (b"Content-Length: -1", b"Content-Length: 1x", b"Content-Length: 1\r\ncontent-length: 2",
                     b"Content-Length: 99999999999999999999"):
            with echo.raw() as http:
                http.send(b"POST / HTTP/1.1\r\nHost: a\r\n" + line + b"\r\n\r\n" + GET)
                assert http.read_head()[0] == 400
                assert http.at_eof()

    def test_head_gets_no_body(self, echo):
        with echo.raw() as http:
            http.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
            assert http.read_head() == (200, {"connection": "Keep-Alive", "content-length": "27", "content-type": "text/plain"})
            assert read_response(http) == (200, b"WebSocket echo is at /echo\n")

    def test_an_endless_head_is_refused(self, echo):
        with echo.raw() as http:
            http.send(b"POST / HTTP/1.1\r\n" + b"X: y\r\n" * 12_000)
            assert http.read_head()[0] == 431
        with echo.raw() as http:
            http.send(b"POST / HTTP/1.1\r\nX: " + b"y" * 70_000)
            assert http.read_head()[0] == 431

    def test_http_1_0_closes(self, echo):
        with echo.raw() as http:
            http.send(b"GET / HTTP/1.0\r\n\r\n")
            assert b"200 OK" in everything(http)

    def test_many_pipelined_requests(self, echo):
        with echo.raw() as http:
            http.send(GET * 500)
            assert {read_response(http) for _ in range(500)} == {(200, b"WebSocket echo is at /echo\n")}


# ---- the host's TLS ----


class FakeTls(rawws.Connection):
    """What the host with --tls speaks: each byte is changed."""

    @staticmethod
    def apply(data):
        return bytes(byte ^ 0x5A for byte in data)

    def send(self, data):
        super().send(self.apply(data))

    def fill(self):
        data = self.socket.recv(65536)
        self.buffer += self.apply(data)
        return bool(data)


def test_host_with_tls_of_its_own(start):
    server = start("adapter_server", "--tls")
    data = GET + UPGRADE + frame(TEXT, b"hello")
    for at in range(1, len(data), 4):
        with FakeTls(server.address) as client:
            client.send(data[: len(GET)])
            assert read_response(client)[0] == 200
            client.send(data[len(GET) : at])
            time.sleep(0.001)
            client.send(data[max(at, len(GET)) :])
            assert client.read_head()[0] == 101
            assert client.read_message() == (TEXT, b"hello")
    payload = b"x" * 300_000
    with FakeTls(server.address) as client:
        client.upgrade(target="/echo")
        client.send(frame(BINARY, payload) + close_frame(1000))
        assert client.read_message() == (BINARY, payload)
        assert client.read_close() == (1000, b"")
        assert FakeTls.apply(everything(client)) == b"close_notify"


def test_host_with_tls_pipelines(start):
    server = start("adapter_server", "--tls", "--loop")
    with FakeTls(server.address) as client:
        client.send(GET + GET + UPGRADE + frame(TEXT, b"hello"))
        assert [read_response(client)[0] for _ in range(2)] == [200, 200]
        assert client.read_head()[0] == 101
        assert client.read_message() == (TEXT, b"hello")
