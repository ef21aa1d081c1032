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
    return seeds


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
    seeds = {
        "rfc": part(0x11, bytes.fromhex("f248cdc9c90700")),
        "stored": part(0x11, bytes.fromhex("000500faff48656c6c6f00")),
        "two_blocks": part(0x11, bytes.fromhex("f248050000 00ffffcac9c90700".replace(" ", ""))),
        "final_block": part(0x11, bytes.fromhex("f348cdc9c9070000")),
        "fragments": part(0x19, hello[:3]) + part(5, b"ping") + part(0x00, hello[3:]),
        "empty": part(0x12, b"\x00"),
        "nothing": part(0x12, b""),
        "takeover": part(0x11, hello) + part(0x11, bytes.fromhex("f200110000")),
        "mixed": part(0x11, hello) + part(0x01, b"plain") + part(0x12, deflated(bytes(range(256)) * 4)[:250]),
        "bomb": part(0x12, deflated(b"\x00" * 200_000)),
        "not_utf8": part(0x11, deflated(b"ok \xff")),
        "cut_short": part(0x11, hello[:-2]),
        "garbage": part(0x12, b"\xff" * 20),
        "compressed_ping": part(0x15, b"x"),
        "compressed_continuation": part(0x19, hello) + part(0x10, b""),
    }
    return {f"{name}_{choice:02x}": bytes([choice]) + data for name, data in seeds.items() for choice in (0x00, 0x83)}


def call_seeds():
    # The calls of capi_calls.rs: call, which, arguments. 1 opens a pair, 4 carries, 8 feeds a frame, 11 pulls all.
    def data(payload):
        return bytes([len(payload)]) + payload

    pair = bytes([1, 0])
    text = bytes([13, 1, 0]) + data("héllo".encode())
    carry = bytes([4, 1, 255, 11, 0])
    return {
        "echo": b"\x00" + pair + text + bytes([4, 1, 255, 10, 0, 12, 0, 19, 0, 3, 12, 0, 20, 0, 0, 2, 4, 0, 255, 11, 1]),
        "pending": b"\x00" + pair + bytes([6, 0]) + data(b"\x81\x80\0\0\0\0") + bytes([6, 0]) + data(b"x") + bytes([11, 0]),
        "close": b"\x00" + pair + bytes([15, 0, 3, 232]) + data(b"bye") + bytes([4, 0, 255, 11, 1]) + carry,
        "crossing": b"\x00" + pair + bytes([15, 0, 3, 232, 0, 15, 1, 3, 233, 0]) + carry + bytes([4, 0, 255, 11, 1]),
        "full": b"\x00" + pair + bytes([14, 0, 15, 160, 19, 0, 8]) + bytes([14, 0, 15, 160]) * 12
                + bytes([19, 0, 8, 20, 0, 7, 208, 14, 0, 3, 232]),
        "frames": b"\x01" + pair + bytes([8, 0, 0x01]) + data(b"a") + bytes([8, 0, 0x89]) + data(b"p") + bytes([8, 0, 0x80])
                  + data(b"b") + bytes([12, 0, 8, 0, 0x88]) + data(b"\x03\xe8"),
        "asked": b"\x04" + bytes([0x80, 1, 0, 0, 4, 1, 255, 11, 0, 18, 0, 0, 16, 0, 18, 0, 1, 11, 0, 4, 0, 255, 11, 1]),
        "rejected": b"\x04" + bytes([0x80, 1, 0, 0, 4, 1, 255, 11, 0, 17, 0, 1, 147, 11, 0, 21, 0, 0, 200]),
        "freeing": b"\x00" + pair + bytes([2, 0, 3, 0, 1, 1, 2, 1, 3, 1, 0, 0, 9, 0, 10, 0, 9, 0, 6, 0, 1, 65]),
        "sniff": b"\x00" + bytes([5, 0]) + data(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n") + bytes([22, 0, 23, 0, 9]),
        "compressed": b"\xf0" + pair + text + carry + bytes([14, 0, 8, 0, 4, 0, 255, 11, 1]),
    }


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
