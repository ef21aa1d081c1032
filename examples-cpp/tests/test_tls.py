"""TLS: https and wss on one port, in both routes, from the first byte of a handshake to close_notify."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import warnings
from pathlib import Path

import pytest
from conftest import ROOT
from http_by_hand import GET, TIME_TO_READ, UPGRADE, everything, read_response
from rawws import BINARY, PING, PONG, TEXT, close_frame, frame
from tls_by_hand import PAUSE, Certificate, OpenSsl, TlsConnection, bytes_of, cut_at, whole
from websockets.sync.client import connect

HELLO = b"WebSocket echo is at /echo\n"
MIB = 1024 * 1024
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
ROUTES = ["E", "E with 2 loops", "A", "A with 2 loops"]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("tls"), "first")


@pytest.fixture(scope="session")
def client(certificate):
    return certificate.client()


@pytest.fixture
def start_echo(start, certificate):
    """start_echo(shape, arguments...): echo_muduo with TLS."""
    def start_one(shape="A", *arguments, certificate=certificate):
        route, *threads = shape.split(" with ")
        return start("echo_muduo", "--port", "0", "--route", route, "--threads", "2" if threads else "0",
                     "--tls", certificate.file, certificate.key, *arguments)
    return start_one


@pytest.fixture(params=ROUTES)
def echo(start_echo, request):
    return start_echo(request.param)


@pytest.fixture
def host(start, certificate):
    return start("tls_host", certificate.file, certificate.key)


def get(server, context):
    with TlsConnection(server.address, context) as https:
        https.send(GET)
        return read_response(https)


def wait_for_descriptors(server, count, seconds=10):
    deadline = time.monotonic() + seconds
    while server.descriptors() != count:
        assert time.monotonic() < deadline, f"{server.descriptors()} descriptors instead of {count}"
        time.sleep(0.02)


def memory(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def is_sanitized(server):
    return "libasan" in Path(f"/proc/{server.process.pid}/maps").read_text()


def assert_grown_less_than(mib, server, before):
    """A sanitizer keeps what was freed, and pads the rest."""
    assert memory(server) - before < (mib + 20 if is_sanitized(server) else mib) * MIB


# ---- clients that others made ----


@pytest.mark.parametrize("version", ["--tlsv1.3", "--tls-max=1.2"])
def test_curl(echo, certificate, version):
    url = f"https://127.0.0.1:{echo.address[1]}/"
    command = ["curl", "--silent", "--show-error", "--cacert", certificate.file, *version.split("="), "--write-out",
               "%{http_version} %{num_connects}\n", url, url]
    result = subprocess.run(command, capture_output=True, timeout=20)
    assert (result.stderr, result.stdout) == (b"", HELLO + b"1.1 1\n" + HELLO + b"1.1 0\n")


def test_websockets_client_beside_https(echo, client):
    with connect(f"wss://127.0.0.1:{echo.address[1]}/echo", ssl=client, max_size=None) as web_socket:
        for message in ("你好", b"\0" * 70_000, "x" * MIB):
            web_socket.send(message)
            assert web_socket.recv() == message
            assert get(echo, client) == (200, HELLO)


@pytest.mark.parametrize("echo", ["E", "A with 2 loops"], indirect=True)
def test_chromium(echo):
    """A page of the server, loaded over https, opens a wss:// to it."""
    node, chromium = shutil.which("node"), os.environ.get("CHROMIUM", "/usr/bin/chromium")
    if not node or not Path(chromium).exists() or not (ROOT / "tests" / "browser" / "node_modules" / "playwright-core").is_dir():
        pytest.skip("node or Chromium is missing, or `npm ci` was not run in tests/browser/")
    page = Path(__file__).parent / "tls_page.mjs"
    result = subprocess.run([node, page, f"127.0.0.1:{echo.address[1]}"], capture_output=True, text=True, timeout=55)
    assert (result.returncode, result.stderr) == (0, "")


# ---- the handshake ----


def test_client_hello_byte_by_byte(echo, client):
    with TlsConnection(echo.address, client, cut=bytes_of) as https:
        https.send(GET)
        assert read_response(https) == (200, HELLO)


@pytest.mark.parametrize("shape", ["E", "A"])
def test_handshake_cut_at_many_places(start_echo, client, shape):
    server = start_echo(shape)
    for place in [*range(1, 12), *range(12, 600, 13)]:
        with TlsConnection(server.address, client, cut=cut_at(place)) as https:
            https.send(GET)
            assert read_response(https) == (200, HELLO), place


def test_request_with_the_end_of_the_handshake(echo, client):
    """The client's last handshake message and its first request in one packet."""
    held = []

    def hold_the_second(data):
        held.append(data)
        return [data] if len(held) == 1 else []

    with TlsConnection(echo.address, client, cut=hold_the_second) as https:
        https.socket.sendall(held[1] + https.encrypt(GET))
        assert read_response(https) == (200, HELLO)


def test_versions(echo, certificate):
    for version, name in ((TLS12, "TLSv1.2"), (TLS13, "TLSv1.3")):
        with TlsConnection(echo.address, certificate.client(minimum_version=version, maximum_version=version)) as https:
            assert https.tls.version() == name
            https.send(GET)
            assert read_response(https) == (200, HELLO)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old = certificate.client(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        TlsConnection(echo.address, old)


def test_weak_ciphers_are_refused(echo, certificate):
    client = certificate.client(maximum_version=TLS12)
    client.set_ciphers("ECDHE+AES+SHA256:ECDHE+AES+SHA:!AESGCM")
    with pytest.raises(ssl.SSLError, match="ALERT_HANDSHAKE_FAILURE"):
        TlsConnection(echo.address, client)


@pytest.mark.parametrize("offered, selected", [(None, None), (["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"),
                                               (["h2"], ssl.SSLError), (["h2", "http/1.0", "spdy/3"], ssl.SSLError)])
def test_alpn(echo, certificate, offered, selected):
    client = certificate.client(alpn=offered)
    if selected is ssl.SSLError:
        with pytest.raises(ssl.SSLError, match="no application protocol"):
            TlsConnection(echo.address, client)
    else:
        with TlsConnection(echo.address, client) as https:
            assert https.tls.selected_alpn_protocol() == selected


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_session_is_resumed(echo, certificate, version):
    client = certificate.client(maximum_version=version)
    with TlsConnection(echo.address, client) as first:
        first.send(GET)
        assert read_response(first) == (200, HELLO)  # a ticket of TLS 1.3 comes before it
        session = first.tls.session
    with TlsConnection(echo.address, client, session=session) as second:
        assert second.tls.session_reused
        second.send(GET)
        assert read_response(second) == (200, HELLO)


def test_handshake_that_does_not_end(start_echo, client):
    server = start_echo("A with 2 loops", "--tls-timeout", "1")
    before = server.descriptors()
    hello = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        client.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="127.0.0.1").do_handshake()
    hello = hello.read()
    with TlsConnection(server.address, client) as https:
        for start in (b"", hello[:1], hello[:-1], hello):
            with server.raw(timeout=5) as raw:
                raw.send(start)
                started = time.monotonic()
                everything(raw)
                assert 0.8 < time.monotonic() - started < 3
        with server.raw(timeout=5) as raw:  # that bytes come does not help
            started = time.monotonic()
            with pytest.raises(OSError):
                for byte in bytes_of(hello):
                    raw.send(byte)
                    time.sleep(0.02)
            assert 0.8 < time.monotonic() - started < 3
        https.send(GET)
        assert read_response(https) == (200, HELLO)  # the deadline is not one for the connection
    wait_for_descriptors(server, before)


def test_host_that_speaks_first(host, client):
    """What it sent before the handshake was complete, nothing of TLS included, comes first and in order."""
    for cut in (bytes_of, cut_at(100), whole):
        with TlsConnection(host.address, client, cut=cut) as connection:
            assert connection.read(7) == b"[]hello"
            connection.send(b"tls")
            connection.fill()
            assert connection.buffer.decode() == f"TLSv1.3 {connection.tls.cipher()[0]}"


# ---- records and packets ----


@pytest.mark.parametrize("shape", ["E", "A"])
def test_frames_cut_over_records(start_echo, client, shape):
    messages = [(TEXT, b"hello"), (BINARY, b"x" * 200), (BINARY, b"y" * 70_000)]
    data = UPGRADE + b"".join(frame(*message) for message in messages)
    small = len(data) - 70_000
    server = start_echo(shape)
    for place in [*range(1, small, 7), small + 30_000]:
        with TlsConnection(server.address, client) as web_socket:
            first = web_socket.encrypt(data[:place])
            second = web_socket.encrypt(*(data[at:at + 16_384] for at in range(place, len(data), 16_384)))
            if place % 2:
                web_socket.socket.sendall(first)
                time.sleep(PAUSE)
                web_socket.socket.sendall(second)
            else:
                web_socket.socket.sendall(first + second)
            assert web_socket.read_head()[0] == 101, place
            assert [web_socket.read_message() for _ in messages] == messages, place


def test_a_record_for_each_byte(echo, client):
    with TlsConnection(echo.address, client) as web_socket:
        web_socket.socket.sendall(web_socket.encrypt(*bytes_of(GET + UPGRADE + frame(TEXT, b"hello"))))
        assert read_response(web_socket) == (200, HELLO)
        assert web_socket.read_head()[0] == 101
        assert web_socket.read_message() == (TEXT, b"hello")


@pytest.mark.parametrize("shape", ["E", "A"])
def test_record_cut_over_packets(start_echo, client, shape):
    server = start_echo(shape)
    for place in [*range(1, 12), *range(12, 240, 19)]:
        with TlsConnection(server.address, client) as web_socket:
            record = web_socket.encrypt(UPGRADE + frame(TEXT, b"hello"))
            web_socket.socket.sendall(record[:place])
            time.sleep(PAUSE)
            web_socket.socket.sendall(record[place:])
            assert web_socket.read_head()[0] == 101, place
            assert web_socket.read_message() == (TEXT, b"hello")


def test_get_get_upgrade_in_one_record(echo, client):
    with TlsConnection(echo.address, client) as web_socket:
        web_socket.send(GET + GET + UPGRADE + frame(TEXT, b"hello"))
        assert [read_response(web_socket) for _ in range(2)] == [(200, HELLO)] * 2
        assert web_socket.read_head()[0] == 101
        assert web_socket.read_message() == (TEXT, b"hello")


@pytest.mark.parametrize("shape", ["E", "A"])
def test_get_and_upgrade_cut_in_two_records_at_many_places(start_echo, client, shape):
    data = GET + UPGRADE + frame(TEXT, b"hello")
    server = start_echo(shape)
    for place in range(1, len(data), 5):
        with TlsConnection(server.address, client) as web_socket:
            web_socket.send(data[:place])
            time.sleep(PAUSE)
            web_socket.send(data[place:])
            assert read_response(web_socket) == (200, HELLO)
            assert web_socket.read_head()[0] == 101, place
            assert web_socket.read_message() == (TEXT, b"hello")


def test_many_pipelined_requests(echo, client):
    with TlsConnection(echo.address, client) as https:
        https.send(GET * 500)
        assert {read_response(https) for _ in range(500)} == {(200, HELLO)}


# ---- much data ----


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_large_messages(echo, certificate, version):
    with TlsConnection(echo.address, certificate.client(maximum_version=version)).upgrade(target="/echo") as web_socket:
        for _ in range(3):
            payload = os.urandom(MIB)
            web_socket.send(frame(BINARY, payload))
            assert web_socket.read_message() == (BINARY, payload)


def test_slow_reader_gets_everything(echo, client):
    before = memory(echo)
    with TlsConnection(echo.address, client, receive_buffer=4096).upgrade(target="/echo") as web_socket:
        payloads = [os.urandom(MIB) for _ in range(3)]
        for payload in payloads:
            web_socket.send(frame(BINARY, payload))
            time.sleep(0.1)
        assert_grown_less_than(16, echo, before)
        assert [web_socket.read_message() for _ in payloads] == [(BINARY, payload) for payload in payloads]


def test_peer_that_never_reads_is_bounded(echo, client):
    before = memory(echo)
    with TlsConnection(echo.address, client, receive_buffer=4096).upgrade(target="/echo") as web_socket:
        message = frame(BINARY, b"x" * 100_000)
        web_socket.socket.settimeout(1)
        sent = 0
        try:
            while sent < 64 * MIB:
                web_socket.send(message)
                sent += len(message)
        except OSError:
            pass  # the server gave it up
        assert_grown_less_than(20, echo, before)


def test_new_keys_for_a_peer_that_never_reads_are_bounded(echo):
    """The answers are TLS's own, so that no limit of WebSocket counts them."""
    before = memory(echo)
    with echo.raw(receive_buffer=4096) as raw:
        raw.socket.settimeout(None)
        client = OpenSsl(raw.socket)
        client.send(UPGRADE + frame(BINARY, b"x" * MIB) * 3)  # what comes back fills the way to us
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        asked = 0
        while asked < 100_000 and client.ask_for_new_keys():
            asked += 1
        client.close()
        assert asked < 100_000, "the server answers for ever"
    assert_grown_less_than(20, echo, before)


def test_new_keys_while_reading(echo):
    """A peer that reads may change its keys as often as it likes."""
    with echo.raw() as raw:
        raw.socket.settimeout(None)
        client = OpenSsl(raw.socket)
        client.send(UPGRADE)
        for _ in range(2000):
            assert client.ask_for_new_keys()
            try:
                assert raw.socket.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
        client.close()


@pytest.mark.parametrize("echo", ["A with 2 loops"], indirect=True)
def test_idle_connections_cost_no_cpu(echo, client):
    clients = [TlsConnection(echo.address, client).upgrade(target="/echo") for _ in range(40)]
    time.sleep(0.1)
    cpu = echo.cpu_seconds()
    time.sleep(1)
    assert echo.cpu_seconds() - cpu < 0.05
    for each in clients:
        each.socket.close()


# ---- the end ----


def test_close_notify_after_the_websockets_close(echo, client):
    with TlsConnection(echo.address, client).upgrade(target="/echo") as web_socket:
        web_socket.send(frame(TEXT, b"last") + close_frame(1000, b"bye"))
        assert web_socket.read_message() == (TEXT, b"last")
        assert web_socket.read_close() == (1000, b"")
        assert web_socket.at_eof()


def test_close_notify_after_the_last_answer(echo, client):
    with TlsConnection(echo.address, client) as https:
        https.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert https.read_head()[0] == 200
        assert everything(https) == HELLO  # and no SSLEOFError: the end was said
    with TlsConnection(echo.address, client) as https:
        https.send(b"nonsense\r\n\r\n")
        assert https.read_head()[0] == 400
        assert https.at_eof()


def test_client_that_says_the_end_first(echo, client):
    """In one packet with its last words: they are answered, then the server says the end too, and closes."""
    with TlsConnection(echo.address, client) as https:
        https.socket.sendall(https.encrypt(GET) + https.close_notify() + b"nothing that counts")
        assert read_response(https) == (200, HELLO)
        assert https.at_eof()
        assert https.socket.recv(1) == b""
    with TlsConnection(echo.address, client) as web_socket:
        last = web_socket.encrypt(UPGRADE + frame(TEXT, b"last") + close_frame(1000))
        web_socket.socket.sendall(last + web_socket.close_notify())
        assert web_socket.read_head()[0] == 101
        assert web_socket.read_message() == (TEXT, b"last")
        assert web_socket.read_close() == (1000, b"")
        assert web_socket.at_eof()


def test_client_that_says_the_end_and_keeps_its_socket(host, client):
    before = host.descriptors()
    with TlsConnection(host.address, client) as connection:
        connection.socket.sendall(connection.close_notify())
        assert everything(connection) == b"[]hello"
        wait_for_descriptors(host, before)


def test_host_that_answers_late(host, client):
    with TlsConnection(host.address, client) as connection:
        assert connection.read(7) == b"[]hello"
        connection.socket.sendall(connection.encrypt(b"last words") + connection.close_notify())
        assert connection.read(10) == b"last words"
        assert connection.at_eof()
    with TlsConnection(host.address, client) as connection:
        connection.send(b"end")
        assert everything(connection) == b"[]hello"  # nothing behind the end


def test_damaged_record(echo, client):
    before = echo.descriptors()
    for is_damaged in (lambda record: record[:-1] + bytes([record[-1] ^ 1]), lambda record: b"\x17\x03\x03\xff\xff" + record):
        with TlsConnection(echo.address, client) as https:
            https.socket.sendall(https.encrypt(GET) + is_damaged(https.encrypt(GET)) + https.encrypt(GET))
            with pytest.raises(ssl.SSLError, match="ALERT_(BAD_RECORD_MAC|RECORD_OVERFLOW)"):
                while True:
                    https.fill()
            assert https.socket.recv(1) == b""
            wait_for_descriptors(echo, before + 1)
        wait_for_descriptors(echo, before)


def test_client_that_does_not_trust_the_certificate(echo):
    before = echo.descriptors()
    with pytest.raises(ssl.SSLCertVerificationError):
        TlsConnection(echo.address, ssl.create_default_context())
    wait_for_descriptors(echo, before)


def test_plain_http_is_told_so(echo, client):
    before = echo.descriptors()
    for request in (GET, UPGRADE, b"POST / HTTP/1.1\r\nHost: a\r\n\r\n"):
        with echo.raw() as http:
            http.send(request)
            status, body = read_response(http)
            assert status == 400 and b"https://" in body
            assert http.at_eof()
    for nonsense in (b"\0" * 100, b"x" * 5000, b"\x16\x03\x01\xff\xff" + b"x" * 70_000, b"SSH-2.0-x\r\n", b"\x80\x2e\x01\x03\x01" * 10):
        with echo.raw() as raw:
            raw.send(nonsense)
            assert b"HTTP" not in everything(raw)
    assert get(echo, client) == (200, HELLO)
    wait_for_descriptors(echo, before)


def test_300_connections_leave_no_descriptors_behind(echo, client, certificate):
    before = echo.descriptors()
    for i in range(300):
        if i % 6 == 0:
            with echo.raw() as raw:  # in the middle of the handshake
                raw.send(b"\x16\x03\x01\x02\x00\x01")
            continue
        each = TlsConnection(echo.address, client)
        if i % 6 in (1, 2):
            each.upgrade(target="/echo")
            each.send(frame(PING, b"?"))
            assert each.read_message() == (PONG, b"?")
        if i % 6 == 3:
            each.socket.sendall(each.encrypt(GET) + each.close_notify())
        if i % 6 == 4:
            each.send(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        if i % 6 == 5:
            each.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        each.socket.close()
    wait_for_descriptors(echo, before)


# ---- certificates ----


@pytest.fixture
def in_place(tmp_path, certificate):
    """A certificate whose files the test may write over."""
    copy = Certificate.__new__(Certificate)
    copy.name, copy.file, copy.key = certificate.name, tmp_path / "server.pem", tmp_path / "server.key"
    put(copy, certificate)
    return copy


def put(target, certificate):
    target.file.write_bytes(certificate.file.read_bytes())
    target.key.write_bytes(certificate.key.read_bytes())


def reload(server):
    """SIGHUP; returns what the server says to that."""
    said = len(server.said)
    server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 10
    while len(server.said) == said:
        assert time.monotonic() < deadline, "no word about the certificate"
        time.sleep(0.01)
    return server.said[-1].decode()


@pytest.mark.parametrize("shape", ROUTES)
def test_reload(start_echo, client, in_place, tmp_path, shape):
    server = start_echo(shape, certificate=in_place)
    second = Certificate(tmp_path, "second")
    with TlsConnection(server.address, client).upgrade(target="/echo") as old:
        put(in_place, second)
        assert "read again" in reload(server)
        with TlsConnection(server.address, second.client()).upgrade(target="/echo") as new:
            assert (old.subject, new.subject) == ("first", "second")
            with pytest.raises(ssl.SSLCertVerificationError):
                TlsConnection(server.address, client)
            for each in (old, new):
                each.send(frame(BINARY, b"x" * 100_000))
                assert each.read_message() == (BINARY, b"x" * 100_000)


def test_failed_reload_changes_nothing(start_echo, client, in_place, tmp_path):
    server = start_echo(certificate=in_place)
    second = Certificate(tmp_path, "second")
    session = None
    for spoil, why in ((lambda: in_place.key.write_text("nonsense"), "no private key"),
                       (lambda: in_place.key.unlink(), "No such file"),
                       (lambda: in_place.key.write_bytes(second.key.read_bytes()), "does not belong")):
        spoil()
        said = reload(server)
        assert "stays as it was" in said and why in said and str(in_place.key) in said
        with TlsConnection(server.address, client, session=session) as https:
            https.send(GET)
            assert read_response(https) == (200, HELLO)
            assert https.tls.session_reused == bool(session)  # not even the keys of the tickets
            session = https.tls.session
    put(in_place, second)
    assert "read again" in reload(server)
    assert get(server, second.client()) == (200, HELLO)


def test_reload_on_many_threads(host, client):
    with TlsConnection(host.address, client) as connection:
        connection.send(b"reload")
        assert connection.read(13) == b"[]helloreload"
    with TlsConnection(host.address, client) as connection:
        assert connection.read(7) == b"[]hello"


def test_files_that_cannot_be_used(build, certificate, tmp_path):
    other = Certificate(tmp_path, "other")
    empty = tmp_path / "empty.pem"
    empty.touch()
    locked = tmp_path / "locked.key"
    subprocess.run(["openssl", "pkey", "-aes256", "-passout", "pass:x", "-in", certificate.key, "-out", locked], check=True)
    for cert, key, wrong, why in ((tmp_path / "none", certificate.key, tmp_path / "none", "No such file"),
                                  (certificate.file, tmp_path / "none", tmp_path / "none", "No such file"),
                                  (tmp_path, certificate.key, tmp_path, "directory"),
                                  (empty, certificate.key, empty, "no certificate in PEM"),
                                  (certificate.file, empty, empty, "no private key in PEM"),
                                  (certificate.file, other.key, other.key, f'not belong to the certificate in "{certificate.file}"'),
                                  (certificate.file, locked, locked, "passphrase")):
        command = [build / "echo_muduo", "--port", "0", "--tls", cert, key]
        result = subprocess.run(command, capture_output=True, text=True, timeout=20)
        assert result.returncode == 1 and f'file "{wrong}" ' in result.stderr and why in result.stderr
