#!/usr/bin/env python3
"""Writes fuzz/seeds/TARGET/NAME: the inputs that the fuzz targets start from. Run it after adding one here."""

import shutil
import struct
import zlib
from pathlib import Path

SEEDS = Path(__file__).parent / "seeds"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
REQUEST = (b"GET /chat?room=1 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n")
ANSWER = (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")


def frame(opcode, payload=b"", fin=True, masked=True, rsv1=False):
    first = (0x80 if fin else 0) | (0x40 if rsv1 else 0) | opcode
    bit = 0x80 if masked else 0
    size = len(payload)
    if size < 126:
        head = bytes([first, bit | size])
    elif size < 65536:
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    key = b"\x37\xfa\x21\x3d" if masked else b""
    return head + key + bytes(byte ^ key[i % 4] if masked else byte for i, byte in enumerate(payload))


def conversations(masked):
    def one(*arguments, **options):
        return frame(*arguments, masked=masked, **options)

    return {
        "messages": one(TEXT, "你好, hello".encode()) + one(BINARY, bytes(range(200))) + one(TEXT),
        "fragments": one(TEXT, b"one ", fin=False) + one(PING, b"p") + one(CONTINUATION, b"\xe4\xbd", fin=False)
                     + one(CONTINUATION, b"\xa0") + one(BINARY, b"", fin=False) + one(CONTINUATION, b"x"),
        "pings": one(PING, b"x" * 125) * 40 + one(PONG, b"unasked"),
        "close": one(TEXT, b"bye") + one(CLOSE, struct.pack("!H", 1000) + b"done") + one(TEXT, b"too late"),
        "close_empty": one(CLOSE),
        "close_bad_code": one(CLOSE, struct.pack("!H", 1006)),
        "long": one(BINARY, b"y" * 70_000),
        "not_utf8": one(TEXT, b"ok", fin=False) + one(CONTINUATION, b"\xed\xa0\x80"),
        "wrong_order": one(TEXT, b"a", fin=False) + one(TEXT, b"b"),
        "wrong_length": bytes([0x82, (0x80 if masked else 0) | 127]) + b"\xff" * 8,
        "wrong_mask": frame(TEXT, b"x", masked=not masked),
    }


def feed_seeds(masked):
    # The first byte chooses the configuration: once plainly, once with every delivery.
    seeds = {}
    for name, data in conversations(masked).items():
        seeds[name] = b"\x00" + data
    for choice in (0x02, 0x04, 0x82):
        seeds[f"fragments_{choice:02x}"] = bytes([choice]) + conversations(masked)["fragments"]
    for choice in (0x03, 0x04, 0x05, 0x83):  # with compression
        for name, data in compressed_conversations(masked).items():
            seeds[f"{name}_{choice:02x}"] = bytes([choice]) + data
    return seeds


def compressed_conversations(masked):
    def one(*arguments, **options):
        return frame(*arguments, masked=masked, **options)

    text, long = deflated("你好, hello ".encode() * 20), deflated(bytes(range(256)) * 20)
    return {
        "deflated": one(TEXT, text, rsv1=True) + one(TEXT, b"plain") + one(BINARY, long, rsv1=True) + one(TEXT, text, rsv1=True),
        "deflated_fragments": one(TEXT, text[:3], fin=False, rsv1=True) + one(PING, b"p") + one(CONTINUATION, text[3:20], fin=False)
                              + one(CONTINUATION, b"", fin=False) + one(CONTINUATION, text[20:]) + one(CLOSE),
        "deflated_wrong": one(TEXT, text, rsv1=True) + one(TEXT, b"a", fin=False) + one(CONTINUATION, text, rsv1=True),
        "deflated_ping": one(BINARY, long[:30], fin=False, rsv1=True) + one(PING, b"p", rsv1=True),
    }


def handshake_seeds():
    requests = {
        "plain": REQUEST,
        "subprotocol": REQUEST + b"Sec-WebSocket-Protocol: chat, superchat\r\nOrigin: http://localhost\r\n",
        "deflate": REQUEST + b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
        "body": REQUEST + b"Content-Length: 5\r\n",
        "chunked": REQUEST + b"Transfer-Encoding: chunked\r\n",
        "folded": REQUEST + b"X-Folded: a\r\n b\r\n",
        "two_keys": REQUEST + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "absolute": REQUEST.replace(b"/chat", b"http://localhost/chat"),
        "old_version": REQUEST.replace(b": 13", b": 8"),
        "bare_lf": REQUEST.replace(b"\r\n", b"\n"),
        "post": REQUEST.replace(b"GET", b"POST"),
        "no_upgrade": b"GET / HTTP/1.1\r\nHost: localhost\r\n",
    }
    answers = {
        "plain": ANSWER,
        "subprotocol": ANSWER + b"Sec-WebSocket-Protocol: chat\r\n",
        "deflate": ANSWER + b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n",
        "redirect": b"HTTP/1.1 302 Found\r\nLocation: http://localhost/\r\nContent-Length: 0\r\n",
        "unauthorized": b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n",
        "continue": b"HTTP/1.1 100 Continue\r\n",
    }
    seeds = {f"request_{name}": b"\x00" + head + b"\r\n" + frame(TEXT, b"early") for name, head in requests.items()}
    seeds |= {f"answer_{name}": b"\x01" + head + b"\r\n" + frame(TEXT, b"early", masked=False) for name, head in answers.items()}
    early = deflated(b"early " * 30)
    for name in ("plain", "deflate"):
        seeds[f"request_{name}_20"] = b"\x20" + requests[name] + b"\r\n" + frame(TEXT, early, rsv1=True)
        seeds[f"answer_{name}_21"] = b"\x21" + answers[name] + b"\r\n" + frame(TEXT, early, masked=False, rsv1=True)
    for choice in (0x02, 0x06, 0x0A, 0x0E):  # asked first: accepts, rejects, accepts without a subprotocol, decides never
        seeds[f"asked_{choice:02x}"] = bytes([choice]) + REQUEST + b"\r\n" + frame(TEXT, b"early")
    return seeds


def extension_seeds():
    offers = [
        b"permessage-deflate",
        b"permessage-deflate; client_max_window_bits",
        b"permessage-deflate; client_max_window_bits=15; server_max_window_bits=8",
        b"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        b"permessage-deflate; server_max_window_bits=\"10\"",
        b"permessage-deflate; server_max_window_bits=7, permessage-deflate",
        b"permessage-deflate; server_max_window_bits=010",
        b"permessage-deflate; unknown=1, x-webkit-deflate-frame, permessage-deflate; client_max_window_bits",
        b"permessage-deflate;client_no_context_takeover;client_no_context_takeover",
        b"foo; bar=\"a\\\"b;,c\", permessage-deflate",
        b",, ;=",
    ]
    return {f"offer_{i}": bytes([i & 3, (i * 37) & 0x77]) + offer for i, offer in enumerate(offers)}


def deflated(data, level=6, window=15, tail=b"\x00\x00\xff\xff"):
    compressor = zlib.compressobj(level, zlib.DEFLATED, -window)
    packed = compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)
    assert packed.endswith(tail)
    return packed[:-4]


def inflate_seeds():
    # The script of inflate.rs: kind (0-2 continuation, text, binary; 8 not final; 0x10 RSV1), length, payload.
    def part(kind, payload):
        return bytes([kind, len(payload)]) + payload

    hello = deflated(b"Hello")
    compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
    taken_over = [(compressor.compress(bytes(range(i, 200)) * 6) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4] for i in range(3)]
    assert all(len(piece) < 255 for piece in taken_over), [len(piece) for piece in taken_over]
    seeds = {
        "rfc": part(0x11, bytes.fromhex("f248cdc9c90700")),
        "stored": part(0x11, bytes.fromhex("000500faff48656c6c6f00")),
        "two_blocks": part(0x11, bytes.fromhex("f248050000 00ffffcac9c90700".replace(" ", ""))),
        "final_block": part(0x11, bytes.fromhex("f348cdc9c9070000")),
        "fragments": part(0x19, hello[:3]) + part(5, b"ping") + part(0x00, hello[3:]),
        "empty": part(0x12, b"\x00"),
        "nothing": part(0x12, b""),
        "takeover": part(0x11, hello) + part(0x11, bytes.fromhex("f200110000")),
        "takeover_long": b"".join(part(0x12, piece) for piece in taken_over),
        "takeover_fragments": part(0x1A, taken_over[0][:9]) + part(0x08, taken_over[0][9:20]) + part(5, b"ping")
                              + part(0x00, taken_over[0][20:]) + part(0x02, b"plain") + part(0x12, taken_over[1]),
        "mixed": part(0x11, hello) + part(0x01, b"plain") + part(0x12, deflated(bytes(range(256)) * 4)[:250]),
        "bomb": part(0x12, deflated(b"\x00" * 200_000)),
        "not_utf8": part(0x11, deflated(b"ok \xff")),
        "cut_short": part(0x11, hello[:-2]),
        "garbage": part(0x12, b"\xff" * 20),
        "compressed_ping": part(0x15, b"x"),
        "compressed_continuation": part(0x19, hello) + part(0x10, b""),
    }
    return {f"{name}_{choice:02x}": bytes([choice]) + data for name, data in seeds.items() for choice in (0x00, 0x03, 0x83)}


def call_seeds():
    # The calls of capi_calls.rs: two bytes of settings, then call, which, arguments.
    PAIR, FREE_ENGINE, FREE, CARRY, SNIFF, ADVANCE, DUE, METRICS, PREPARE, PREPARE_LONG, RELEASE, QUEUE_PREPARED, DESCRIBE = range(1, 14)
    FROM_REQUEST, TEXTS, FEED = 14, 15, 16
    FRAME, EOF, PULL, PULL_ALL, ECHO, QUEUE, QUEUE_LONG, QUEUE_NOISE, QUEUE_CLOSE = range(18, 27)
    BEGIN, PART, END, PART_LONG, BEGIN_FRAME, END_FRAME, ACCEPT, REJECT, READ_HEADS = range(27, 36)
    LEND, CONSUME, READ, DELIVERY, READING, USER_DATA, _, CONSUME_ALL, FEED_PIECES = range(36, 45)
    FEED_MUT, RECEIVE, PULL_BATCH, FRAME_REST, NEW_STREAM, ON_STREAM = range(45, 51)
    SERVER, CLIENT, NEW_SERVER, NEW_CLIENT = 0, 1, 0, 0x80

    def call(number, which=SERVER, *arguments):
        parts = (data if isinstance(data, bytes) else bytes([data]) for data in arguments)
        return bytes([number, which]) + b"".join(parts)

    def data(payload):
        return bytes([len(payload)]) + payload

    def number(value):
        return struct.pack("!H", value)

    def frame_to(which, first, payload):
        return call(FRAME, which, first, data(payload))

    def carry(which, count=255):
        return call(CARRY, which, count) + call(PULL_ALL, 1 - which)

    def advance(step, which=0):
        return call(ADVANCE, which, step) + call(DUE, which)

    pair = call(PAIR)
    text = call(QUEUE, CLIENT, 0, data("héllo".encode()))
    to_server, to_client = carry(CLIENT), carry(SERVER)
    compressed = text + to_server + call(QUEUE_LONG, SERVER, number(2048)) + to_client + call(QUEUE_NOISE, CLIENT, number(900)) + to_server
    hello = deflated(b"Hello" * 20)
    again = bytes.fromhex("f200110000")
    pieces = (call(BEGIN, SERVER, 1) + call(PART, SERVER, data("h\xc3".encode("latin-1"))) + call(QUEUE, SERVER, 2, data(b"between"))
              + call(PART_LONG, SERVER, number(1500)) + call(END, SERVER, data(b"\xa9")) + call(BEGIN, SERVER, 2)
              + call(PART_LONG, SERVER, number(2000)) + call(END, SERVER, data(b"end")) + to_client * 3)
    host_frame = (call(BEGIN_FRAME, SERVER, 2, data(b"a file")) + call(QUEUE, SERVER, 0, data(b"waits")) + call(LEND, SERVER, 8)
                  + call(CARRY, SERVER, 255) + call(END_FRAME) + call(PULL_ALL, CLIENT) + to_client
                  + call(BEGIN_FRAME, CLIENT, 1, data(b"masked")) + call(END_FRAME, CLIENT) + to_server)
    frame_rest = (call(PREPARE_LONG, 0, 2, number(600)) + call(BEGIN_FRAME, SERVER, 2, data(b"a file")) + call(QUEUE_PREPARED, SERVER, 0)
                  + call(QUEUE, SERVER, 0, data(b"waits")) + call(FRAME_REST, SERVER, number(7), 3)
                  + call(QUEUE, SERVER, 2, data(b"p")) + call(END_FRAME) + call(CONSUME, SERVER, number(0)) + to_client * 2
                  + call(BEGIN_FRAME, CLIENT, 1, data(b"masked")) + call(QUEUE_LONG, CLIENT, number(1800)) + call(FRAME_REST, CLIENT, number(99), 2)
                  + call(QUEUE_CLOSE, CLIENT, number(1000), 0) + call(END_FRAME, CLIENT) + call(READ, CLIENT, number(4)) + to_server)
    prepared = (call(PREPARE, 0, 1, data(b"to all")) + call(PREPARE_LONG, 1, 2, number(2500)) + call(QUEUE_PREPARED, SERVER, 0x80)
                + call(QUEUE_PREPARED, SERVER, 0x81) + call(LEND, SERVER, 8) + call(RELEASE, 1, 1) + call(QUEUE_PREPARED, CLIENT, 1)
                + to_client * 3 + to_server * 3)
    full = (call(QUEUE_LONG, SERVER, number(4000)) + call(LEND, SERVER, 8) + call(QUEUE_LONG, SERVER, number(4000)) * 12
            + call(LEND, SERVER, 8) + call(CONSUME, SERVER, number(2000)) + call(QUEUE_NOISE, SERVER, number(1000))
            + call(CONSUME_ALL) + call(PULL_ALL) + call(METRICS, 0, number(30000)))
    asked = call(NEW_CLIENT, CLIENT) + call(NEW_SERVER) + to_server + call(READ_HEADS, SERVER, 0, 0)
    frames = bytes([2 * 5]) + b"".join(bytes([first]) + data(payload) for first, payload in [
        (0x81, b"one"), (0x82, b"x" * 200), (0x89, b"p"), (0x81, b"two"), (0x81, b"three")])
    ways = (call(FEED_MUT, 0, frames) + call(PULL_BATCH, 0, 7) + call(ECHO) + call(PULL_BATCH, 0, 1) * 4
            + call(RECEIVE, 0, number(6), frames) + call(PULL_BATCH, 0, 7) * 4 + call(RECEIVE, 0, number(5), 0) + call(PULL)
            + call(RECEIVE, 0, number(5001), 1, data(b"\x01\x81\0\0\0\0")) + call(PULL_BATCH, 0, 7) + call(FEED_MUT, 0, 1, data(b"a\x80\x80\0\0\0\0"))
            + call(PULL_BATCH, 0, 7) + call(FEED_MUT, 1, frames) + call(PULL_BATCH, 1, 7))
    lent_and_held = (call(READING, 0, 0) + call(QUEUE_LONG, SERVER, number(1500)) + call(FEED_MUT, 0, frames) + call(PULL_BATCH, 0, 7)
                     + call(FEED_MUT, 0, frames) + call(CONSUME_ALL) + call(PULL_BATCH, 0, 7) * 4)
    WRITE, SEND, TAKE, FINISH, FAIL, CANCEL = 0, 3, 230, 6, 7, 134  # by the remainder of 9; TAKE: up to 7 messages

    def on_stream(what, payload=b"", which=0):
        return call(ON_STREAM, which, what, data(payload))

    streams = (call(NEW_STREAM, 0, 0, data(b"r-1")) + on_stream(WRITE, b"caf\xc3") + on_stream(SEND) + on_stream(WRITE, b"\xa9")
               + advance(3) + on_stream(WRITE, b"\"\n\x00" * 40) + on_stream(TAKE) + on_stream(WRITE, b"\xed\xa0\xbd") + on_stream(WRITE, b"\xed\xb8\x80")
               + call(NEW_STREAM, 0, 3, data(b"")) + on_stream(WRITE, b"x" * 250, 1) + on_stream(SEND, b"", 1) + on_stream(WRITE, b"y" * 250, 1) * 3
               + on_stream(SEND, b"", 1) + to_client + on_stream(FAIL, b"overloaded", 1) + on_stream(SEND, b"", 1) + to_client
               + call(NEW_STREAM, 0, 4, data(b"s")) + on_stream(WRITE, b"z\xf0", 2)
               + on_stream(CANCEL, b"", 2) + on_stream(FINISH, b"stop") + on_stream(TAKE) + on_stream(WRITE, b"late") + call(METRICS, 0, number(1)))
    offer = data(b"permessage-deflate; server_no_context_takeover")
    calls = {
        "echo": pair + text + carry(CLIENT)[:3] + call(PULL) + call(ECHO) + call(LEND, 0, 3) + call(ECHO)
                + call(CONSUME, 0, number(2)) + to_client,
        "pending": pair + call(FEED, 0, data(b"\x81\x80\0\0\0\0")) + call(FEED, 0, data(b"x")) + call(PULL_ALL),
        "pieces_fed": pair + call(FEED_PIECES, 0, data(b"\x01\x83\0\0\0\0abc\x80\x83\0\0\0\0def\x88\x80\0\0\0\0"), 1),
        "ways": pair + ways,
        "lent_and_held": pair + lent_and_held,
        "close": pair + call(QUEUE_CLOSE, 0, number(1000), data(b"bye")) + to_client + to_server,
        "crossing": pair + call(QUEUE_CLOSE, 0, number(1000), 0) + call(QUEUE_CLOSE, 1, number(1001), 0) + to_server + to_client,
        "full": pair + full,
        "frames": pair + frame_to(0, 0x01, b"a") + frame_to(0, 0x89, b"p") + frame_to(0, 0x80, b"b") + call(ECHO)
                  + frame_to(0, 0x88, b"\x03\xe8"),
        "asked": asked + call(ACCEPT) + call(READ_HEADS, SERVER, 1, 0) + call(PULL_ALL) + to_client + call(READ_HEADS, CLIENT, 0, 0),
        "rejected": asked + call(REJECT, SERVER, number(403)) + call(PULL_ALL) + call(READ, SERVER, number(200)),
        "freeing": pair + call(FREE_ENGINE) + call(FREE) + call(PAIR, 1) + call(FREE_ENGINE, 1) + call(FREE, 1)
                   + call(NEW_SERVER) + call(EOF) + call(PULL) + call(EOF) + call(FEED, 0, data(b"A")),
        "sniff": call(SNIFF, 0, data(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")) + call(USER_DATA) + call(TEXTS, 0, 9)
                 + call(DESCRIBE, 0, data(b"\x81\xfe\x01\x00abcd"), 20),
        "compressed": pair + compressed,
        "compressed_frames": pair + frame_to(0, 0xC1, hello) * 2 + call(ECHO) + frame_to(0, 0x41, hello[:5]) + frame_to(0, 0x89, b"p")
                             + frame_to(0, 0x80, hello[5:]) + frame_to(1, 0xC1, hello) + frame_to(1, 0xC1, again),
        "takeover": pair + frame_to(0, 0xC1, deflated(b"Hello")) + frame_to(0, 0xC1, again) + text * 3 + to_server,
        "pieces": pair + pieces,
        "host_frame": pair + host_frame,
        "frame_rest": pair + frame_rest,
        "prepared": pair + prepared,
        "deliveries": pair + call(DELIVERY, 0, 1) + frame_to(0, 0x01, b"a") + call(DELIVERY, 0, 2) + frame_to(0, 0x80, b"b")
                      + call(DELIVERY, 0, 2) + frame_to(0, 0x02, b"c") + frame_to(0, 0x80, b"d") + call(DELIVERY, 0, 0)
                      + frame_to(0, 0xC2, hello),
        "time": call(ADVANCE, 0, 0) + pair + advance(3) + to_client + to_server + advance(4) + call(READING, 0, 0) + advance(4)
                + call(READING, 0, 1) + advance(5) + to_client + advance(2) + call(METRICS, 0, number(20000)),
        "late": call(ADVANCE, 0, 1) + call(NEW_SERVER) + call(NEW_CLIENT, 3) + advance(4) * 2 + call(CONSUME_ALL) + advance(3)
                + advance(6) + advance(7) + advance(0x81),
        "time_stands": call(NEW_SERVER) + call(DUE) + call(ADVANCE, 0, 2) + call(DUE) + pair + text + advance(7) + advance(6) * 3,
        "from_request": call(FROM_REQUEST, 0, 2, data(b"x")) + frame_to(0, 0xC1, hello) + call(LEND, 0, 2)
                        + call(FROM_REQUEST | 0x80, 1, 8, offer) + call(READ_HEADS, 1, 0, 0) + frame_to(1, 0x81, b"hi") + call(ECHO, 1),
        "held": pair + frame_to(0, 0x02, b"x" * 200) * 8 + call(QUEUE_LONG, SERVER, number(3000)) + call(METRICS, 0, number(1)),
        "streams": call(ADVANCE, 0, 0) + pair + streams,
        "flood": pair + call(ADVANCE, 0, 1) + call(QUEUE, 1, 2, data(b"p")) * 6 + to_server,
    }
    # Plain; everything on, with small windows; the small limits; short times and large windows.
    settings = {"": b"\x08\x00", "_deflate": b"\xd8\x00", "_limits": b"\x19\xcf", "_times": b"\x5a\x30"}
    asked = {"": b"\x04\x00", "_deflate": b"\x3c\x00", "_limits": b"\x0d\x8f", "_times": b"\x0e\x10"}
    return {name + variant: (asked if name in ("asked", "rejected") else settings)[variant] + program
            for name, program in calls.items() for variant in settings}


def main():
    shutil.rmtree(SEEDS, ignore_errors=True)
    targets = {
        "server_feed": feed_seeds(masked=True),
        "client_feed": feed_seeds(masked=False),
        "handshake": handshake_seeds(),
        "extensions": extension_seeds(),
        "inflate": inflate_seeds(),
        "capi_calls": call_seeds(),
    }
    for target, seeds in targets.items():
        folder = SEEDS / target
        folder.mkdir(parents=True)
        for name, data in seeds.items():
            (folder / name).write_bytes(data)


main()
