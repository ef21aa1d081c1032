"""Answers of a model, token by token: what a connection gets, and what becomes of it when the peer is slow, or leaves."""

import json
import re
import socket
from collections import defaultdict

import pytest
from rawws import CLOSE, TEXT, frame
from websockets.sync.client import connect

MIB = 1024 * 1024
LARGE = 16 * MIB  # more than all buffers on the way together


def ask(client, line):
    client.send(frame(TEXT, line.encode()))


def messages(client):
    """The messages that come, up to the close frame."""
    while True:
        opcode, payload = client.read_message()
        if opcode == CLOSE:
            return
        yield json.loads(payload)


def answers(client, count):
    """What `count` answers say, whose messages may be mixed: {requestId: [message]}, each complete and without a gap."""
    got, done = defaultdict(list), 0
    for message in messages(client):
        got[message["requestId"]].append(message)
        done += message.get("done", False)
        if done == count:
            break
    assert done == count
    for parts in got.values():
        assert [part["seq"] for part in parts] == list(range(1, len(parts) + 1))
        assert [part["done"] for part in parts if part["type"] == "stream"][:-1] == [False] * (len(parts) - 1)
    return got


def answer(client):
    ((_, parts),) = answers(client, 1).items()
    return parts


def content(parts):
    return "".join(part["content"] for part in parts)


def assert_counts_up(text):
    """Nothing is missing, and nothing in the wrong place."""
    last = int(text.rsplit(maxsplit=1)[-1])
    assert text == "".join(f"{number} " for number in range(last + 1))


def streams(server, condition):
    return server.wait_for(condition, path="/streams")


def test_an_answer(adapter):
    with adapter.connect("/tokens") as client:
        ask(client, "say r-1 你好, how are you? \"fine\"")
        parts = answer(client)
        assert content(parts) == '你好, how are you? "fine"'
        assert {part["requestId"] for part in parts} == {"r-1"} and len(parts) > 1
        assert parts[-1]["done"] and parts[-1]["finish_reason"] == "length"


def test_what_was_merged_comes_by_the_timer(adapter):
    with adapter.connect("/tokens") as client:
        ask(client, "merge r")
        assert [json.loads(client.read_message()[1])["content"] for _ in range(2)] == ["a", "b"]


def test_an_answer_that_fails(adapter):
    with adapter.connect("/tokens") as client:
        ask(client, "fail r")
        text, error, end = messages_of_failure = [json.loads(client.read_message()[1]) for _ in range(3)]
        assert [message["seq"] for message in messages_of_failure] == [1, 2, 3]
        assert text["content"] == "so far"
        assert (error["type"], error["code"], error["retryable"]) == ("error", "upstream_timeout", True)
        assert end["done"] and end["finish_reason"] == "error"


@pytest.mark.parametrize("how", ["drop", "drop-worker"])
def test_one_that_is_dropped_is_cancelled(adapter, how):
    with adapter.connect("/tokens") as client:
        ask(client, f"{how} r")
        parts = answer(client)
        assert content(parts) == "half" and parts[-1]["finish_reason"] == "cancelled"


def test_a_slow_reader_pauses_the_writer_and_misses_nothing(adapter):
    with adapter.connect("/tokens", receive_buffer=4096) as client:
        ask(client, f"flood r {LARGE}")
        counts = streams(adapter, lambda counts: counts["pauses"] == 1)
        assert counts["written"] < LARGE / 2
        assert counts["most_buffered"] < 2 * MIB  # highWaterMark is 1 MiB
        parts = answer(client)
        assert_counts_up(content(parts))
        assert parts[-1]["usage"]["completion_tokens"] + 1 == parts[-1]["usage"]["total_tokens"]
    counts = streams(adapter, lambda counts: counts["models"] == 0)
    assert counts["resumes"] == counts["pauses"] >= 1 and counts["refused"] == counts["gone"] == 0


def test_a_writer_that_does_not_pause_is_refused_and_what_it_said_arrives(adapter):
    with adapter.connect("/tokens", receive_buffer=4096) as client:
        ask(client, f"rude r {LARGE}")
        counts = streams(adapter, lambda counts: counts["refused"] == 1)
        assert counts["written"] < LARGE
        text = content(answer(client))
        assert len(text) == counts["written"]
        assert_counts_up(text)


def test_several_answers_to_a_slow_reader(adapter):
    with adapter.connect("/tokens", receive_buffer=4096) as client:
        for number in range(8):
            ask(client, f"flood {number} {LARGE // 8}")
        streams(adapter, lambda counts: counts["pauses"] >= 8)
        got = answers(client, 8)
        assert set(got) == set("01234567")
        for parts in got.values():
            assert_counts_up(content(parts))
    streams(adapter, lambda counts: counts["models"] == 0)


@pytest.mark.parametrize("limit, size", [(LARGE, LARGE), (64 * 1024, 60_000)], ids=["that waits for the peer", "that leaves at once"])
def test_the_close_comes_behind_the_answer(start, limit, size):
    server = start("adapter_server", "--stall", "10", "--limit", limit)
    with server.connect("/tokens", receive_buffer=4096 if size == LARGE else None) as client:
        ask(client, f"flood-close r {size}")
        parts = answer(client)
        assert content(parts) == "x" * size and parts[-1]["finish_reason"] == "stop"
        assert client.read_close() == (1000, b"behind the answer")


@pytest.mark.parametrize("threads", [0, 2], ids=["one loop", "3 loops"])
def test_the_peer_leaves_while_the_writer_is_paused(start, threads):
    adapter = start("adapter_server", "--threads", threads, "--merge", "10")  # so no timer finds out
    before = adapter.stats()
    for reset in (False, True):
        with adapter.connect("/tokens", receive_buffer=4096) as client:
            ask(client, f"flood one {LARGE}")
            ask(client, f"flood two {LARGE}")
            streams(adapter, lambda counts: counts["pauses"] >= 2)
            if reset:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        adapter.wait_for(lambda counts: counts["gone"] == 2 + 2 * reset and counts["models"] == 0, 5, "/streams")
    adapter.wait_for(lambda stats: stats["fds"] == before["fds"])


def test_the_server_ends_while_writers_are_paused(adapter):
    clients = [adapter.connect("/tokens", receive_buffer=4096) for _ in range(4)]
    for client in clients:
        ask(client, f"flood r {LARGE}")
    streams(adapter, lambda counts: counts["pauses"] >= 4)
    adapter.stop()
    for client in clients:
        client.socket.close()


def test_the_server_is_destroyed_in_a_pause_callback(start):
    server = start("adapter_server")
    with server.connect("/tokens", receive_buffer=4096) as client:
        ask(client, "destroy r")
        assert server.process.wait(20) == 0
    server.stop(tell=False)


def test_compressed(start):
    server = start("adapter_server", "--compression")
    with connect(server.url("/tokens"), legacy=True) as client:
        client.send("flood r 100000")
        parts = [json.loads(client.recv(timeout=10))]
        while not parts[-1]["done"]:
            parts.append(json.loads(client.recv(timeout=10)))
        assert_counts_up(content(parts))


def test_one_answer_for_several_connections(adapter):
    clients = [adapter.connect("/log") for _ in range(5)]
    ask(clients[0], "to all of you")
    for client in clients:
        parts = answer(client)
        assert content(parts) == "toallofyou" and parts[-1]["finish_reason"] == "cancelled"
        client.socket.close()


def test_the_merge_time_is_an_option(start):
    server = start("adapter_server", "--merge", "0")
    with server.connect("/log") as client:
        ask(client, "one two three")
        assert [part["content"] for part in answer(client)] == ["one", "two", "three", ""]


def metric(server, name):
    return float(re.search(rf"^{re.escape(name)} (\S+)$", server.get("/metrics").decode(), re.MULTILINE).group(1))


def test_answers_are_counted_as_messages(adapter):
    with adapter.connect("/tokens") as client:
        ask(client, "fail r")
        for _ in range(3):
            client.read_message()
        adapter.wait_for(lambda _: metric(adapter, 'wsengine_messages_sent_total{type="text"}') == 3)
