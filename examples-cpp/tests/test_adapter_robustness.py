"""Floods, connections that end in the middle, and thousands that come and go."""

import asyncio
import socket
import struct
import time

import pytest
import rawws
from http_by_hand import GET, everything
from rawws import BINARY, CLOSE, TEXT, close_frame, frame

CONNECTIONS, WAVE = 10_000, 500


@pytest.mark.parametrize("limit", [4 * 1024 * 1024, 3000])
def test_four_producers_flood_one_connection_and_all(start, limit):
    count = 1500
    adapter = start("adapter_server", "--threads", 2, "--limit", limit)
    others = [adapter.connect("/echo") for _ in range(3)]
    with adapter.connect("/flood") as client:
        client.send(frame(TEXT, b"%d" % count))
        seen = [[] for _ in range(4)]
        total = 0
        while total < 4 * count:
            _, payload = client.read_message()
            if payload != b"from a timer":
                thread, number = payload.split()
                seen[int(thread)].append(int(number))
                total += 1
        assert seen == [list(range(count))] * 4
    for other in others:
        other.send(close_frame(1000))
        messages = []
        while (message := other.read_message())[0] != CLOSE:
            messages.append(message)
        assert set(messages) == {(TEXT, b"to all")}
        if limit > 3000:
            assert len(messages) == 4 * (count // 64 + 1)


@pytest.mark.parametrize("hard", [False, True], ids=["FIN", "RST"])
def test_connections_end_while_they_are_flooded(adapter, hard):
    before = adapter.stats()
    for _ in range(12):
        with adapter.connect("/flood") as client:
            client.send(frame(TEXT, b"1000000"))
            client.read(5000)
            if hard:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    adapter.wait_for(lambda stats: stats["fds"] == before["fds"] and stats["open"] == 0)


def test_timers_of_the_application_outlive_the_connection(adapter):
    """One sends, another starts reading."""
    for _ in range(10):
        with adapter.connect("/flood") as client, adapter.connect("/reading") as other:
            client.send(frame(TEXT, b"1"))
            other.send(frame(TEXT, b"stop 50") + frame(TEXT, b"stop-worker 60"))
            client.read_message()
    adapter.wait_for(lambda stats: stats["open"] == 0)
    time.sleep(0.1)
    assert adapter.stats()["sockets"] == 1


def test_a_client_that_ends_its_side_gets_nothing_more(adapter):
    """Muduo closes a socket whose peer has ended its side, and drops what waits to be sent."""
    with adapter.connect("/some", receive_buffer=4096) as client:  # more than the kernel takes
        time.sleep(0.5)
        client.socket.shutdown(socket.SHUT_WR)
        assert len(everything(client)) % len(frame(BINARY, bytes(64 * 1024), mask=None)) != 0
    adapter.wait_for(lambda stats: stats["downs"] == 1)
    with adapter.connect("/echo") as client:
        client.send(frame(TEXT, b"answered"))
        client.socket.shutdown(socket.SHUT_WR)
        assert everything(client) == b"\x81\x08answered"


class Endings:
    """One connection each; what is expected of it is checked."""

    def __init__(self, address):
        self.address = address

    async def clean_close(self, reader, writer):
        await self._upgrade(reader, writer)
        writer.write(frame(TEXT, b"hi") + close_frame(1000))
        assert await reader.read() == b"\x81\x02hi\x88\x02\x03\xe8"

    async def reset(self, reader, writer):
        await self._upgrade(reader, writer)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def half_close(self, reader, writer):
        await self._upgrade(reader, writer)
        writer.write(frame(TEXT, b"unfinished")[:7])
        writer.write_eof()
        assert await reader.read() == b""

    async def refused(self, reader, writer):
        writer.write(rawws.request(target="/nothing"))
        assert (await reader.read()).startswith(b"HTTP/1.1 404")

    async def http(self, reader, writer):
        writer.write(GET.replace(b" / ", b" /events "))
        assert (await reader.readuntil(b"[]")).startswith(b"HTTP/1.1 200")

    async def cut_head(self, reader, writer):
        writer.write(rawws.request(target="/echo")[:50])

    async def undecided(self, reader, writer):
        writer.write(rawws.request(target="/later/drop?ms=1"))
        assert (await reader.read()).startswith(b"HTTP/1.1 500")

    async def _upgrade(self, reader, writer):
        writer.write(rawws.request(target="/echo"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")

    async def one(self, number):
        how = [self.clean_close, self.reset, self.half_close, self.refused, self.http, self.cut_head][number % 6]
        if number % 100 == 99:
            how = self.undecided
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            await how(reader, writer)
        finally:
            writer.transport.abort()

    async def all(self, connections, wave):
        for first in range(0, connections, wave):
            await asyncio.gather(*(self.one(number) for number in range(first, first + wave)))


def test_10_000_connections_leave_nothing_behind(start):
    adapter = start("adapter_server", "--threads", 2)
    before = adapter.stats()
    connections = CONNECTIONS // 10 if before["sanitized"] else CONNECTIONS
    asyncio.run(Endings(adapter.address).all(connections, min(WAVE, connections)))
    after = adapter.wait_for(lambda stats: stats["sockets"] == 1 and stats["fds"] == before["fds"])
    assert after["ups"] == after["downs"] > connections * 0.45
    assert adapter.descriptors() <= before["fds"] + 1
