"""GET /metrics: what all loops together have counted."""

import time
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from rawws import BINARY, PING, TEXT, close_frame, frame


def values(server):
    families = text_string_to_metric_families(server.get("/metrics").decode())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def wait_for(server, condition):
    """The figures may be a second old."""
    deadline = time.monotonic() + 10
    while not condition(seen := values(server)):
        assert time.monotonic() < deadline, seen
        time.sleep(0.05)
    return seen


def test_before_anything_has_happened(start):
    seen = values(start("adapter_server"))
    assert seen["wsengine_connections_open",] == 0 and len(seen) > 50


def test_all_loops_are_added_up(adapter):
    clients = [adapter.connect() for _ in range(7)]
    for client in clients:
        for _ in range(10):
            client.send(frame(TEXT, b"hello") + frame(PING, b"p"))
        client.send(frame(BINARY, b"x" * 5000))
    seen = wait_for(adapter, lambda seen: seen["wsengine_messages_received_total", "binary"] == 7)
    assert seen["wsengine_connections_open",] == 7
    seen = wait_for(adapter, lambda seen: seen["wsengine_messages_sent_total", "binary"] == 7)
    assert seen["wsengine_messages_received_total", "text"] == seen["wsengine_messages_sent_total", "text"] == 70
    assert seen["wsengine_frames_received_total", "ping"] == 70
    for client in clients[:4]:
        client.send(close_frame(1000))
        while client.fill():
            pass
    seen = wait_for(adapter, lambda seen: seen["wsengine_connections_open",] == 3)
    assert seen["wsengine_connections_opened_total", "server"] == 7
    for client in clients:
        client.socket.close()


def test_the_last_change_is_seen_though_nothing_follows(adapter):
    """The first message is published at once, the next ones come so soon that they wait for their time."""
    with adapter.connect() as client:
        for count in range(1, 6):
            client.send(frame(TEXT, b"x"))
            client.read_message()
        wait_for(adapter, lambda seen: seen["wsengine_messages_received_total", "text"] == count)


def switches(server):
    """How often each thread of the server went to sleep."""
    counts = {}
    for status in Path(f"/proc/{server.process.pid}/task").glob("*/status"):
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        counts[fields["Pid"]] = int(fields["voluntary_ctxt_switches"])
    return counts


def test_loops_in_which_nothing_happens_sleep(start):
    server = start("adapter_server", "--threads", "4", "--ping", "0")
    clients = [server.connect() for _ in range(8)]
    for client in clients:
        client.send(frame(TEXT, b"x"))
        client.read_message()
    wait_for(server, lambda seen: seen["wsengine_messages_sent_total", "text"] == 8)
    time.sleep(1)
    before = switches(server)
    time.sleep(2)
    after = switches(server)
    counts = sorted(after[thread] - before[thread] for thread in before)
    assert sum(counts[:5]) <= 5, counts  # a loop that published twice a second would have 4; a sanitizer has a thread of its own
    for client in clients:
        client.socket.close()
