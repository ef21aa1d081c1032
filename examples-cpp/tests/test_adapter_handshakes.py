"""Handshakes that the application decides on, at once or later, from any thread."""

import time

import pytest
import rawws
from http_by_hand import TIME_TO_READ
from rawws import TEXT, frame
from test_adapter_features import events, wait_for_events
from test_adapter import refusal


def ask(client, target, **options):
    client.send(rawws.request(target=target, **options))
    return client.read_head()


@pytest.mark.parametrize("path", ["/later/now", "/later/worker"])
def test_accepted(adapter, path):
    with adapter.raw() as client:
        started = time.monotonic()
        status, headers = ask(client, f"{path}?user=J%c3%b6+rg&ms=200")
        assert (status, headers["set-cookie"]) == (101, "user=J\u00f6 rg")
        assert (time.monotonic() - started > 0.15) == (path == "/later/worker")
        client.send(frame(TEXT, b"hello"))
        assert client.read_message() == (TEXT, b"hello")
        assert [event for event in events(adapter) if event != "decided"] == ["up J\u00f6 rg"]  # the context was set before


@pytest.mark.parametrize("path", ["/later/now", "/later/worker"])
def test_rejected(adapter, path):
    with adapter.raw() as client:
        status, headers = ask(client, f"{path}?user=me&status=401")
        assert (status, headers["www-authenticate"], headers["content-type"]) == (401, "Basic", "text/plain; charset=utf-8")
        assert client.read(int(headers["content-length"])) == b"no: me"
        assert client.at_eof()
    assert wait_for_events(adapter, lambda seen: seen) == ["decided"]


def test_many_decisions_on_workers(adapter):
    clients = []
    for number in range(40):
        client = adapter.raw()
        client.send(rawws.request(target=f"/later/worker?ms={number % 4 * 10}&user=u{number}" + ("&status=403" if number % 5 == 4 else ""))
                    + (frame(TEXT, b"early") if number % 2 else b""))
        clients.append(client)
    for number, client in enumerate(clients):
        status, headers = client.read_head()
        assert status == (403 if number % 5 == 4 else 101)
        if status == 101:
            assert headers["set-cookie"] == f"user=u{number}"
            client.send(frame(TEXT, b"late"))
            assert [client.read_message()[1] for _ in range(1 + number % 2)] == [b"early", b"late"][1 - number % 2 :]
        client.socket.close()
    wait_for_events(adapter, lambda seen: sum(event.startswith("down") for event in seen) == 32)


def test_chosen_subprotocol(adapter):
    offered = ["Sec-WebSocket-Protocol: chat.v1, other, chat.v2"]
    for chosen, expected in (("", "chat.v2"), ("chat.v1", "chat.v1"), ("other", "other")):
        with adapter.raw() as client:
            status, headers = ask(client, f"/later/worker?subprotocol={chosen}", extra=offered)
            assert (status, headers["sec-websocket-protocol"]) == (101, expected)
    assert refusal(adapter, rawws.request(target="/later/worker?subprotocol=nobody", extra=offered))[0] == 500
    assert refusal(adapter, rawws.request(target="/later/worker?user=crash"))[0] == 500
    assert "the subprotocol was not offered, or a header would break the answer; 500 is sent" in adapter.stop()


def test_early_data_is_delivered_after_the_decision(adapter):
    with adapter.raw() as client:
        client.send(rawws.request(target="/later/worker?ms=300") + frame(TEXT, b"one"))
        time.sleep(TIME_TO_READ)
        two = frame(TEXT, b"two" * 2000)
        client.send(two[:1000])
        time.sleep(TIME_TO_READ)
        client.send(two[1000:])
        assert client.read_head()[0] == 101
        assert [client.read_message()[1] for _ in range(2)] == [b"one", b"two" * 2000]


@pytest.mark.parametrize("pause", [0, TIME_TO_READ])
def test_too_much_early_data_is_refused(adapter, pause):
    with adapter.raw() as client:
        client.send(rawws.request(target="/later/worker?ms=300"))
        time.sleep(pause)
        client.send(frame(TEXT, b"x" * 9000))
        assert client.read_head()[0] == 400
    assert "up " not in wait_for_events(adapter, lambda seen: seen)
    assert events(adapter) == ["too late"]


def test_no_decision_in_time(adapter):
    """The client is told, and whoever decides later, that it is too late."""
    with adapter.raw() as client:
        started = time.monotonic()
        assert ask(client, "/later/worker?ms=1600")[0] == 503
        assert 0.8 < time.monotonic() - started < 1.6
        assert wait_for_events(adapter, lambda seen: seen) == ["too late"]


def test_no_decision_and_the_answer_is_not_read(start):
    """The socket is still there when the decision comes, but nobody waits for it."""
    adapter = start("adapter_server", "--handshake", 0.3, "--close", 3)
    with adapter.raw() as client:
        assert ask(client, "/later/worker?ms=800")[0] == 503
        assert wait_for_events(adapter, lambda seen: seen) == ["too late"]
        assert adapter.stats()["sockets"] == 2


@pytest.mark.parametrize("ms", [0, 200])
def test_dropped_without_a_decision(adapter, ms):
    assert refusal(adapter, rawws.request(target=f"/later/drop?ms={ms}"))[0] == 500
    assert "was dropped without accept() or reject(); 500 is sent" in adapter.stop()


def test_client_gone_meanwhile(adapter):
    with adapter.raw() as client:
        client.send(rawws.request(target="/later/worker?ms=300"))
        time.sleep(TIME_TO_READ)
    with adapter.raw() as client:
        client.send(rawws.request(target="/later/worker?ms=300&status=403"))
        time.sleep(TIME_TO_READ)
    with adapter.raw() as client:
        client.send(rawws.request(target="/later/drop?ms=300"))
        time.sleep(TIME_TO_READ)
    assert wait_for_events(adapter, lambda seen: len(seen) == 2) == ["too late"] * 2
    assert "was dropped" not in adapter.stop()


# ---- requests that the host has parsed ----


@pytest.fixture(params=["--parsed", "--own-parser"])
def parsing(start, request):
    return start("adapter_server", request.param)


UPGRADE = rawws.request(target="/echo?a=b")


def test_parsed_in_every_cut(parsing):
    data = UPGRADE + frame(TEXT, b"hello")
    for at in [*range(1, len(UPGRADE), 7), *range(len(UPGRADE) - 3, len(data))]:
        with parsing.raw() as client:
            client.send(data[:at])
            time.sleep(0.001)
            client.send(data[at:])
            assert client.read_head()[0] == 101
            assert client.read_message() == (TEXT, b"hello"), at
            client.send(frame(TEXT, b"more"))
            assert client.read_message() == (TEXT, b"more")


def test_parsed_request_is_known_to_the_application(parsing):
    extra = ["Cookie: a=b", "X-Other: c", "Sec-WebSocket-Protocol: chat.v1"]
    with parsing.connect("/command?x=%41", extra=extra) as client:
        client.send(frame(TEXT, b"request") + frame(TEXT, b"header cookie") + frame(TEXT, b"header x-other"))
        seen = [client.read_message()[1].decode() for _ in range(3)]
        assert seen[0].startswith("/command|x=%41|chat.v1|") and seen[1:] == ["cookie=a=b", "x-other=c"]


def test_parsed_and_pipelined(parsing):
    get = b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n"
    with parsing.raw() as client:
        client.send(get + get + UPGRADE + frame(TEXT, b"hello"))
        for _ in range(2):
            status, headers = client.read_head()
            assert status == 200 and client.read(int(headers["content-length"])) == b"[]"
        assert client.read_head()[0] == 101
        assert client.read_message() == (TEXT, b"hello")


def test_wrong_parsed_requests(parsing):
    for status, request in (
        (400, UPGRADE.replace(b"Connection: Upgrade", b"Connection: close")),
        (400, UPGRADE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short")),
        (400, UPGRADE.replace(b"Host: 127.0.0.1\r\n", b"")),
        (400, UPGRADE.replace(b"Host: 127.0.0.1\r\n", b"Host: \x01\r\n")),
        (403, rawws.request(target="/echo", extra=["Origin: https://evil.example"])),
        (404, rawws.request(target="/nothing")),
        (426, UPGRADE.replace(b"Version: 13", b"Version: 12")),
        (401, rawws.request(target="/private")),
        (503, rawws.request(target="/later/worker?ms=1300")),
    ):
        assert refusal(parsing, request)[0] == status, request


def test_http_1_0_is_refused_and_a_post_is_not_asked(parsing):
    assert refusal(parsing, UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0"))[0] in (400, 426)
    with parsing.raw() as client:
        client.send(UPGRADE.replace(b"GET", b"POST").replace(b"/echo?a=b", b"/events"))
        assert client.read_head()[0] == 200


def test_repeated_headers_are_seen_where_the_parser_keeps_them(start):
    server = start("adapter_server", "--own-parser")
    twice = UPGRADE.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Key: c2Vjb25kIHNlY29uZCBrZXkhIQ==\r\n\r\n")
    assert refusal(server, twice)[0] == 400
    with server.connect("/command", extra=["X-Twice: a", "x-twice: b"]) as client:
        client.send(frame(TEXT, b"header X-Twice"))
        assert client.read_message() == (TEXT, b"X-Twice=a, b")
