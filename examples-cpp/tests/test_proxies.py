"""nginx and haproxy from Debian in front of a Muduo server, configured as docs/muduo.md says."""

import asyncio
import os
import ssl
import time
import urllib.error
import urllib.request

import proxies
import pytest
import rawws
import websockets
from websockets.sync.client import connect

MIB = 1024 * 1024


@pytest.fixture(scope="session")
def cert(tmp_path_factory):
    return proxies.certificate(tmp_path_factory.mktemp("cert"))


@pytest.fixture
def start_proxy(tmp_path, cert):
    """start_proxy(kind, backends..., changes={old: new}) -> Proxy. The place of a second backend may stay empty."""
    started = []

    def start_one(kind, *servers, changes=None):
        backends = [server.address[1] for server in servers]
        if len(backends) < 2:
            backends += proxies.free_ports(1)
        started.append(proxies.Proxy(kind, tmp_path / f"proxy{len(started)}", backends, *cert, changes or {}))
        return started[-1]

    yield start_one
    for proxy in started:
        proxy.stop()


@pytest.fixture(params=["nginx", "haproxy"])
def kind(request):
    return request.param


@pytest.fixture
def client_tls(cert):
    return ssl.create_default_context(cafile=cert[0])


@pytest.fixture(params=["ws", "wss"])
def scheme(request):
    return request.param


@pytest.fixture
def tls(scheme, client_tls):
    """Options of connect(): TLS ends at the proxy."""
    return {"ssl": client_tls} if scheme == "wss" else {}


def get(proxy, path="/", context=None, headers=None):
    """(status, body) of a GET, over TLS when there is a context."""
    url = proxy.url("https" if context else "http", path)
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=20, context=context) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def raw_client(proxy):
    """A WebSocket that does nothing by itself: no pong, no answer to a close frame."""
    return rawws.Connection(("127.0.0.1", proxy.http_port)).upgrade(host=f"localhost:{proxy.http_port}", target="/ws/chat")


def wait_for_line(server, line):
    deadline = time.monotonic() + 10
    while line not in server.said:
        assert time.monotonic() < deadline, server.said
        time.sleep(0.02)


# ---- what passes through ----


def test_messages_come_back_through_the_proxy(start, start_proxy, kind, scheme, tls):
    proxy = start_proxy(kind, start("proxy_server", "--threads", 2))
    with connect(proxy.url(scheme), max_size=2 * MIB, compression=None, **tls) as client:
        for message in "", "Grüße, 世界 🌍", bytes(range(256)), "字" * (MIB // 3), os.urandom(MIB):
            client.send(message)
            assert client.recv(timeout=20) == message
    # A burst, with the first message in the same write as nothing else: order and count.
    with connect(proxy.url(scheme), **tls) as client:
        for number in range(500):
            client.send(f"{number} " + "x" * (number * 7))
        for number in range(500):
            assert client.recv(timeout=20).split()[0] == str(number)


def test_http_goes_the_same_way(start, start_proxy, kind, scheme, client_tls):
    context = client_tls if scheme == "wss" else None
    proxy = start_proxy(kind, start("proxy_server", "--name", "behind"))
    assert get(proxy, "/", context) == (200, "behind")
    assert get(proxy, "/nothing", context) == (404, "there is no /nothing")
    assert get(proxy, "/ws/chat", context) == (404, "there is no /ws/chat")  # plain HTTP where WebSocket is served


def test_close_codes_pass_in_both_directions(start, start_proxy, kind, scheme, tls):
    server = start("proxy_server")
    proxy = start_proxy(kind, server)
    with connect(proxy.url(scheme), **tls) as client:
        client.send("close 4001 genug für heute")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            client.recv(timeout=20)
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "genug für heute")
    wait_for_line(server, "closed 4001 genug für heute\n".encode())  # this client repeats the reason, too
    with connect(proxy.url(scheme), **tls) as client:
        client.close(4002, "had enough")
    wait_for_line(server, b"closed 4002 had enough\n")


def test_a_client_that_vanishes_is_seen_behind_the_proxy(start, start_proxy, kind):
    server = start("proxy_server")
    raw_client(start_proxy(kind, server)).socket.close()
    wait_for_line(server, b"closed 1006 \n")


# ---- what the server is told ----


def test_pages_of_the_same_host_connect_and_others_do_not(start, start_proxy, kind, scheme, tls):
    proxy = start_proxy(kind, start("proxy_server"))
    page = proxy.url({"ws": "http", "wss": "https"}[scheme], "")
    with connect(proxy.url(scheme), origin=page, **tls) as client:
        client.send("header Host")
        assert client.recv(timeout=20) == page.split("//")[1]
    for foreign in "https://evil.example", page + "0", page.replace("localhost", "evil.localhost"):
        with pytest.raises(websockets.InvalidStatus) as refused:
            connect(proxy.url(scheme), origin=foreign, **tls)
        assert refused.value.response.status_code == 403


def test_the_server_learns_who_the_client_is(start, start_proxy, kind, scheme, tls):
    proxy = start_proxy(kind, start("proxy_server"))
    forged = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "gopher"}
    with connect(proxy.url(scheme), additional_headers=forged, **tls) as client:
        client.send("header X-Forwarded-For")
        # What the client claims stays in front: the last one is the proxy's.
        assert client.recv(timeout=20).replace(" ", "").split(",") == ["192.0.2.1", "127.0.0.1"]
        client.send("header X-Forwarded-Proto")
        assert client.recv(timeout=20) == {"ws": "http", "wss": "https"}[scheme]


# ---- the same server again ----


def test_clients_come_back_to_their_server(start, start_proxy, kind):
    """What the guide names for that, beside the blocks."""
    sticky = {"nginx": {"least_conn;": "ip_hash;"},
              "haproxy": {"balance leastconn": "cookie SERVER insert indirect nocache\n  balance leastconn",
                          "8001 check": "8001 check cookie one", "8002 check": "8002 check cookie two"}}
    proxy = start_proxy(kind, start("proxy_server", "--name", "one"), start("proxy_server", "--name", "two"), changes=sticky[kind])
    with urllib.request.urlopen(proxy.url("http", "/"), timeout=20) as answer:
        name, cookie = answer.read().decode(), (answer.headers["Set-Cookie"] or "").split(";")[0]
    for _ in range(4):
        with connect(proxy.url("ws"), additional_headers={"Cookie": cookie} if cookie else {}) as client:
            client.send("name")
            assert client.recv(timeout=20) == name


# ---- silence ----


def test_our_pings_keep_a_silent_connection_open(start, start_proxy, kind):
    """The proxy cuts after 2 seconds of silence; with pings every second none is ever that long."""
    soon = {"nginx": {"proxy_read_timeout 60s": "proxy_read_timeout 2s"}, "haproxy": {"timeout tunnel 60s": "timeout tunnel 2s"}}[kind]
    with_pings = start_proxy(kind, start("proxy_server", "--ping", 1), changes=soon)
    without = start_proxy(kind, start("proxy_server", "--ping", 0), changes=soon)

    async def end_of(proxy):
        """The code that a silent client saw, or None when it was still connected, and could talk, after 5 seconds."""
        # No pings of the client's: those would keep it open, too.
        async with websockets.connect(proxy.url("ws"), ping_interval=None) as client:
            try:
                await asyncio.wait_for(client.recv(), 5)
            except TimeoutError:
                await client.send("still there")
                assert await client.recv() == "still there"
                return None
            except websockets.ConnectionClosed:
                return client.close_code

    async def both():
        return await asyncio.gather(end_of(with_pings), end_of(without))

    assert asyncio.run(both()) == [None, 1006]


# ---- the end ----


def test_a_graceful_stop_says_1001_through_the_proxy(start, start_proxy, kind, scheme, tls):
    server = start("proxy_server", "--threads", 2)
    proxy = start_proxy(kind, server)
    with connect(proxy.url(scheme), **tls) as client:
        client.send("name")
        assert client.recv(timeout=20) == "one"
        server.process.terminate()
        with pytest.raises(websockets.ConnectionClosed) as closed:
            client.recv(timeout=20)
    assert closed.value.rcvd.code == 1001
    server.stop(tell=False)  # exit code 0
    # Nobody is left: the proxy says so itself.
    assert get(proxy)[0] in (502, 503)
    with pytest.raises(websockets.InvalidStatus) as refused:
        connect(proxy.url(scheme), **tls)
    assert refused.value.response.status_code in (502, 503)


def test_new_connections_go_to_the_next_server_while_one_stops(start, start_proxy, kind):
    one = start("proxy_server", "--name", "one")
    two = start("proxy_server", "--name", "two")
    proxy = start_proxy(kind, one, two)

    def name_of(client):
        client.send(rawws.frame(rawws.TEXT, b"name"))
        return client.read_message()[1].decode()

    clients = {name_of(client): client for client in (raw_client(proxy), raw_client(proxy))}
    assert sorted(clients) == ["one", "two"]  # the fewest connections
    assert {get(proxy) for _ in range(4)} == {(200, "one"), (200, "two")}  # the proxy may keep a connection to each
    one.process.terminate()
    assert clients["one"].read_close()[0] == 1001  # and is not answered, so that the stop takes its time
    for _ in range(6):
        with raw_client(proxy) as client:
            assert name_of(client) == "two"
    assert get(proxy)[0] == 200  # on a connection that was kept, "one" may still answer
    assert one.process.poll() is None, "it was over before the requests were"
    assert name_of(clients["two"]) == "two"
    for client in clients.values():
        client.socket.close()
    one.stop(tell=False)
