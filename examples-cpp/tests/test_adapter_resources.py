"""What the adapter holds and for how long: sockets, memory, time, and pointers on other threads."""

import socket
import threading
import time

from rawws import CLOSE, PING, PONG, TEXT, BINARY, close_frame, frame



def assert_grown_less_than(mib, server, before):
    """Memory in use since then. A sanitizer keeps what was freed, and pads the rest."""
    now = server.stats()
    assert now["rss_kib"] - before["rss_kib"] < (mib * 1024 + 20_000 if now["sanitized"] else mib * 1024)


def test_200_connections_leave_nothing_behind(adapter):
    """Even when the application keeps their pointers."""
    before = adapter.stats()
    for round_ in range(4):
        clients = [adapter.connect("/keep") for _ in range(50)]
        for client in clients:
            client.send(frame(TEXT, b"keep me"))
            assert client.read_message() == (TEXT, b"kept")
        assert adapter.stats()["open"] == 50
        for i, client in enumerate(clients):
            if i % 2:
                client.send(close_frame(1000))
                assert client.read_close() == (1000, b"")
            client.socket.close()
        adapter.wait_for(lambda stats: stats["open"] == 0 and stats["fds"] == before["fds"])
    stats = adapter.stats()
    assert (stats["ups"], stats["downs"]) == (200, 200)


def test_pointers_on_workers_while_the_connection_goes(adapter):
    for _ in range(20):
        with adapter.connect("/keep") as client:
            client.send(frame(TEXT, b"hammer"))
            assert client.read_message() == (TEXT, b"hammer")
    adapter.wait_for(lambda stats: stats["downs"] == 20)


def test_send_is_refused_when_the_peer_does_not_read_and_told_when_it_does(adapter):
    before = adapter.stats()
    with adapter.connect("/fill", receive_buffer=4096) as client:
        adapter.wait_for(lambda stats: stats["ups"] == 1)
        assert_grown_less_than(12, adapter, before)  # the limit is 4 MiB
        received = 0
        while (message := client.read_message())[0] == BINARY:
            received += len(message[1])
        text = message[1].decode()
        sent, buffered = (int(word) for word in text.split() if word.isdigit())
        assert received == sent and text.startswith("room again")
        assert 3.9 * 1024 * 1024 < buffered <= 4 * 1024 * 1024


def test_echo_to_a_peer_that_never_reads_is_bounded(adapter):
    before = adapter.stats()
    with adapter.connect("/echo", receive_buffer=4096) as client:
        message = frame(BINARY, b"x" * 100_000)
        client.socket.settimeout(1)
        sent = 0
        try:
            while sent < 64 * 1024 * 1024:
                client.send(message)
                sent += len(message)
        except OSError:
            pass  # the server gave it up
        assert_grown_less_than(16, adapter, before)
        assert adapter.closes(1)


def test_pings_of_a_peer_that_never_reads_do_not_pile_up(adapter):
    """While output waits, some are answered, and then only the newest pong is owed."""
    with adapter.connect("/some", receive_buffer=4096) as client:
        time.sleep(0.5)  # the kernel's buffers are full then
        for number in range(200):
            client.send(frame(PING, b"%0100d" % number))
        client.send(frame(TEXT, b"the end"))
        time.sleep(0.3)
        pongs = []
        client.send(close_frame(1000))  # ends it, or it would send for ever
        while (message := client.read_message())[0] != CLOSE:
            pongs += [message[1]] if message[0] == PONG else []
        assert len(pongs) < 60 and pongs[-1] == b"%0100d" % 199


def test_a_flood_of_pings_is_cut_off(adapter):
    with adapter.connect("/echo") as client:
        try:
            for _ in range(100):
                client.send(frame(PING, b"x") * 50)
        except OSError:
            pass
        assert adapter.closes(1) == ["/echo 1008 "]


def test_peer_that_never_reads_is_dropped_and_costs_no_cpu(adapter):
    before = adapter.stats()
    with adapter.connect("/fill", receive_buffer=4096):
        adapter.wait_for(lambda stats: stats["ups"] == 1)
        cpu = adapter.cpu_seconds()
        started = time.monotonic()
        adapter.wait_for(lambda stats: stats["downs"] == 1 and stats["fds"] == before["fds"])
        assert 1 < time.monotonic() - started < 6
        assert adapter.cpu_seconds() - cpu < 0.6
    assert adapter.stats()["closes"] == ["/fill 1006 "]


def test_slow_reader_is_not_dropped(adapter):
    """It takes so little that the kernel has no room for more of Muduo's buffer, for longer than the write stall lasts."""
    with adapter.connect("/fill", receive_buffer=4096) as client:
        for _ in range(12):
            client.read(20_000)
            client.buffer.clear()
            time.sleep(0.3)
        assert adapter.stats()["downs"] == 0
        while b"room again" not in client.buffer[-100:]:
            client.buffer.clear()
            assert client.fill()


def test_head_that_does_not_arrive(adapter):
    before = adapter.stats()
    for start in (b"G", b"GET / HTTP/1.1\r\nHost:", b"GET /echo HTTP/1.1\r\nUpgrade: websocket\r\n"):
        with adapter.raw(timeout=5) as client:
            client.send(start)
            started = time.monotonic()
            assert client.at_eof()
            assert 0.8 < time.monotonic() - started < 3
    adapter.wait_for(lambda stats: stats["fds"] == before["fds"])


def test_trickled_head_does_not_start_the_time_anew(adapter):
    with adapter.raw() as client:
        started = time.monotonic()
        try:
            for byte in b"GET /echo HTTP/1.1\r\n" + b"X: y\r\n" * 10:
                client.send(bytes([byte]))
                time.sleep(0.05)
        except OSError:
            pass
        assert 0.8 < time.monotonic() - started < 2.5


def test_keep_alive_with_cut_heads_is_not_dropped(adapter):
    """Each head takes a part of the time; together they take more."""
    with adapter.raw() as client:
        for _ in range(8):
            client.send(b"GET / HT")
            time.sleep(0.25)
            client.send(b"TP/1.1\r\nHost: a\r\n\r\n")
            status, headers = client.read_head()
            client.read(int(headers["content-length"]))
            assert status == 200


def test_idle_connections_cost_no_cpu(adapter):
    clients = [adapter.connect() for _ in range(100)]
    cpu = adapter.cpu_seconds()
    time.sleep(1.5)
    assert adapter.cpu_seconds() - cpu < 0.05
    for client in clients:
        client.socket.close()


def test_many_clients_on_many_threads(adapter):
    errors = []

    def chat(number):
        try:
            for _ in range(5):
                with adapter.connect() as client:
                    for i in range(40):
                        payload = f"{number} {i} ".encode() * (i + 1)
                        client.send(frame(TEXT, payload))
                        assert client.read_message() == (TEXT, payload)
        except (AssertionError, OSError, EOFError) as error:
            errors.append(error)

    threads = [threading.Thread(target=chat, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    adapter.wait_for(lambda stats: stats["downs"] == 80 and stats["open"] == 0)


def test_reset_while_much_waits_to_be_sent(adapter):
    before = adapter.stats()
    for _ in range(5):
        client = adapter.connect("/fill", receive_buffer=4096)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.socket.close()
    adapter.wait_for(lambda stats: stats["downs"] == 5 and stats["fds"] == before["fds"])
