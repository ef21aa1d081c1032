"""wsdump: frames in dumps and captures. The captures are written here by hand, packet by packet."""

import random
import re
import resource
import shutil
import socket
import struct
import subprocess

import pytest
from conftest import EXAMPLES_C

WSDUMP = EXAMPLES_C / "wsdump"
MIB = 1024 * 1024
HELLO = bytes.fromhex("818537fa213d7f9f4d5158")  # the masked "Hello" of RFC 6455, 5.7
HELLO_LINE = '> 00000000 FIN TEXT len=5 masked key=37fa213d header=6 | "Hello"'


def run(data, *arguments, code=0, command=(WSDUMP,)):
    result = subprocess.run([*command, *arguments], input=data, capture_output=True, timeout=120)
    assert result.returncode == code, f"{result.stdout!r} {result.stderr!r}"
    assert bool(result.stderr) == (code != 0)
    return result.stdout.decode()


def valgrind(data, *arguments, code=0):
    if not shutil.which("valgrind"):
        pytest.fail("valgrind is missing: tests/setup.sh installs it")
    return run(data, *arguments, code=code, command=("valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full",
                                                    "--errors-for-leak-kinds=all", WSDUMP))


def frame(first, payload=b"", key=None, length=None):
    length = len(payload) if length is None else length
    head = bytes([first])
    bit = 0x80 if key else 0
    if length < 126:
        head += bytes([bit | length])
    elif length < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", length)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", length)
    if key:
        payload = bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))
    return head + (key or b"") + payload


# ---- bytes ----


def test_a_frame():
    assert run(HELLO) == HELLO_LINE + "\n"
    assert run(frame(0x81, b"Hello")) == '< 00000000 FIN TEXT len=5 header=2 | "Hello"\n'


def test_a_file(tmp_path):
    (tmp_path / "dump").write_bytes(HELLO)
    assert run(b"", tmp_path / "dump") == HELLO_LINE + "\n"
    run(b"", tmp_path / "absent", code=2)


def test_payloads_of_every_kind():
    data = b"".join([
        frame(0x01, "é\n\"\x1b".encode()), frame(0x89, b"pi"), frame(0x80, b"\xff\xc2\x85"), frame(0x82, bytes(range(4))),
        frame(0xC1, b"\x01\x02"), frame(0x88, struct.pack(">H", 1001) + b"bye"), frame(0x88), frame(0x88, b"\x03"),
    ])
    assert [line.split(" ", 2)[2] for line in run(data).splitlines()] == [
        'TEXT len=5 header=2 | "é\\n\\"\\x1b"',
        'FIN PING len=2 header=2 | "pi"',
        'FIN CONTINUATION len=3 header=2 | "\\xff\\xc2\\x85"',
        "FIN BINARY len=4 header=2 | 00 01 02 03",
        "FIN RSV1 TEXT len=2 header=2 | 01 02 (compressed)",
        'FIN CLOSE len=5 header=2 | code=1001 reason="bye"',
        "FIN CLOSE len=0 header=2",
        "FIN CLOSE len=1 header=2 | 03",
    ]


def test_offsets_and_long_payloads():
    data = frame(0x82, b"\xab" * 70_000) + HELLO
    lines = run(data, "--payload", "3").splitlines()
    assert lines[0] == "< 00000000 FIN BINARY len=70000 header=10 | ab ab ab ..."
    assert lines[1] == '> 0001117a FIN TEXT len=5 masked key=37fa213d header=6 | "Hel" ...'
    assert run(HELLO, "--payload", "0") == HELLO_LINE.split(" |")[0] + "\n"
    assert run(data, "--payload", "1024").count("ab") == 1024


def test_an_http_head_is_passed_over():
    head = b"GET /chat?x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c, WebSocket\r\n\r\n"
    lines = run(head + HELLO).splitlines()
    assert lines == ["> 00000000 GET /chat?x HTTP/1.1", HELLO_LINE.replace("00000000", f"{len(head):08x}")]
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
    assert run(answer + frame(0x89)).splitlines()[1].endswith("FIN PING len=0 header=2")
    assert run(b"HTTP/1.1 403 No\r\n\r\n" + HELLO) == "< 00000000 HTTP/1.1 403 No (no WebSocket: no frames follow)\n"
    assert len(run(b"HTTP/1.1 103 Early\r\n\r\n" + answer + HELLO).splitlines()) == 3
    assert "cut short" in run(head[:40])
    assert "without an end" in run(b"GET / HTTP/1.1\r\n" + b"a" * 100_000)


def test_wrong_and_cut_frames():
    out = run(b"\x93\x05Hello" + HELLO)
    assert out.splitlines()[0].startswith("< 00000000 FIN RSV3 OPCODE-3 len=5 header=2; invalid: ")
    assert out.splitlines()[1].endswith('"Hello"'), "it goes on behind a wrong frame whose length is there"
    assert run(HELLO[:9]) == HELLO_LINE.replace('"Hello"', '"Hel" (2 of 5 bytes of payload are missing)') + "\n"
    assert run(HELLO[:4]) == "> 00000000 FIN TEXT len=5 masked; needs 2 more bytes\n"
    assert "top bit" in run(b"\x82\x7f" + b"\xff" * 8 + b"x")
    assert run(b"") == ""
    lines = run(b"\xff\x00" * 1000).splitlines()
    assert len(lines) == 4 and "the rest is skipped" in lines[3]


# ---- hexadecimal ----


def hexdump_c(data):
    lines = []
    for i in range(0, len(data), 16):
        row = data[i:i + 16]
        left, right = row[:8].hex(" "), row[8:].hex(" ")
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{i:08x}  {left:<23}  {right:<23}  |{shown}|")
    return "\n".join([*lines, f"{len(data):08x}", ""])


def xxd(data):
    lines = []
    for i in range(0, len(data), 16):
        row = data[i:i + 16]
        groups = " ".join(row[j:j + 2].hex() for j in range(0, len(row), 2))
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{i:08x}: {groups:<39}  {shown}")
    return "\n".join(lines) + "\n"


def wireshark(data):
    rows = (data[i:i + 16] for i in range(0, len(data), 16))
    return "".join(f"{i * 16:04x}   {row.hex(' '):<47}   {'deadbeef'}\n" for i, row in enumerate(rows))


@pytest.mark.parametrize("write", [
    bytes.hex,
    lambda data: data.hex(" "),
    lambda data: data.hex(":").upper(),
    lambda data: "\n".join(data.hex()),
    lambda data: "# a comment\n" + ", ".join(f"0x{byte:02x}" for byte in data) + " # another\r\n",
    lambda data: "".join(f"\\x{byte:02x}" for byte in data),
    hexdump_c, xxd, wireshark,
], ids=["plain", "spaces", "colons", "a digit a line", "0x", "\\x", "hexdump -C", "xxd", "Wireshark"])
def test_hex(write):
    # The payload looks like hexadecimal in the column of characters, too.
    for payload in (b"Hello", b"abcdef00 12 34 56 78 90 " * 3, bytes(range(100))):
        data = frame(0x82, payload, key=b"\x01\x02\x03\x04") + frame(0x81, payload)
        assert run(write(data).encode()) == run(data, "--binary")


def test_hexdump_squeezes_lines_that_repeat():
    data = frame(0x82, b"z" * 200) + HELLO
    full = hexdump_c(data).splitlines()
    squeezed = [line for i, line in enumerate(full) if not (i and line[8:] == full[i - 1][8:])]
    squeezed.insert(2, "*")
    assert len(squeezed) < len(full)
    assert run("\n".join(squeezed).encode()) == run(data)
    endless = "00000000  00 00 00 00\n*\nffffffffffffffff  00 00\n"
    run(endless.encode(), "--hex", code=1)


def test_hex_that_is_wrong():
    run(b"81 85 3", code=1)
    assert run(b"no digits here", "--hex") == ""


def test_the_programs_themselves():
    """What is installed here of the programs whose output is read."""
    data = frame(0x82, b"z" * 200) + HELLO
    for command in (["xxd"], ["hexdump", "-C"], ["od", "-A", "n", "-t", "x1", "-v"]):
        if shutil.which(command[0]):
            text = subprocess.run(command, input=data, capture_output=True, check=True).stdout
            assert run(text) == run(data), command


# ---- captures ----

REQUEST = b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
SYN, ACK, FIN = 2, 16, 1


class Tcp:
    """Writes the packets of one connection: as IP packets, with the sequence numbers of both directions."""

    def __init__(self, client="10.0.0.1", server="10.0.0.2", port=40000, sequence=0xFFFFFF00):
        self.ends = [(client, port), (server, 9001)]
        self.sequence = [sequence, 1000]

    def packet(self, end, payload=b"", flags=ACK, back=0):
        """From end 0, the client, or 1. `back`: sent again from so many bytes before."""
        (source, source_port), (target, target_port) = self.ends[end], self.ends[1 - end]
        sequence = (self.sequence[end] - back) % 2**32
        if not back:
            self.sequence[end] += len(payload) + bool(flags & (SYN | FIN))
        segment = struct.pack(">HHIIBBHHH", source_port, target_port, sequence, 0, 6 << 4, flags, 65535, 0, 0)
        segment += b"\x01\x01\x01\x00" + payload
        if ":" in source:
            address = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
            options = bytes([6, 0]) + bytes(6)  # a destination option header
            return struct.pack(">IHBB", 6 << 28, len(options + segment), 60, 64) + address + options + segment
        address = socket.inet_aton(source) + socket.inet_aton(target)
        return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, 6, 0) + address + segment

    def open(self):
        return [self.packet(0, flags=SYN), self.packet(1, flags=SYN | ACK), self.packet(0),
                self.packet(0, REQUEST), self.packet(1, ANSWER)]


def ether_type(packet):
    return struct.pack(">H", 0x0800 if packet[0] >> 4 == 4 else 0x86DD)


LINKS = {
    "ethernet": (1, lambda packet: bytes(12) + ether_type(packet) + packet + bytes(6)),
    "vlan": (1, lambda packet: bytes(12) + b"\x88\xa8\0\1\x81\0\0\2" + ether_type(packet) + packet),
    "null": (0, lambda packet: struct.pack("<I", 2) + packet),
    "loop": (108, lambda packet: struct.pack(">I", 2) + packet),
    "raw": (101, lambda packet: packet),
    "sll": (113, lambda packet: bytes(14) + ether_type(packet) + packet),
    "sll2": (276, lambda packet: ether_type(packet) + bytes(18) + packet),
}


def pcap(packets, link="ethernet", order="<", magic=0xA1B2C3D4):
    number, wrap = LINKS[link]
    data = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, number)
    for packet in map(wrap, packets):
        data += struct.pack(order + "IIII", 1, 2, len(packet), len(packet)) + packet
    return data


def block(order, kind, body):
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def pcapng(packets, link="ethernet", order="<", kind=6):
    number, wrap = LINKS[link]
    data = block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + b"\1\0\4\0made\0\0\0\0")
    data += block(order, 1, struct.pack(order + "HHI", 147, 0, 0))  # an interface without packets
    data += block(order, 1, struct.pack(order + "HHI", number, 0, 0)) if kind != 3 else b""
    data = data if kind != 3 else data[:-20] + block(order, 1, struct.pack(order + "HHI", number, 0, 0))
    data += block(order, 5, b"statistics, which are not for us")
    for packet in map(wrap, packets):
        lengths = struct.pack(order + "II", len(packet), len(packet))
        body = {6: struct.pack(order + "III", 1, 0, 0) + lengths, 2: struct.pack(order + "HHII", 1, 0, 0, 0) + lengths,
                3: lengths[:4]}[kind] + packet
        data += block(order, kind, body)
    return data


def conversation(**options):
    tcp = Tcp(**options)
    return [*tcp.open(), tcp.packet(0, HELLO), tcp.packet(1, frame(0x81, b"Hello")), tcp.packet(0, flags=FIN | ACK)]


EXPECTED = f"""\
#1 10.0.0.1:40000 - 10.0.0.2:9001
#1 > 00000000 GET /chat HTTP/1.1
#1 < 00000000 HTTP/1.1 101 Switching Protocols
#1 > {len(REQUEST):08x} FIN TEXT len=5 masked key=37fa213d header=6 | "Hello"
#1 < {len(ANSWER):08x} FIN TEXT len=5 header=2 | "Hello"
1 TCP connection, 1 with WebSocket
"""


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("write", [pcap, pcapng])
def test_captures(write, order, link):
    assert run(write(conversation(), link, order)) == EXPECTED


def test_other_forms_of_captures():
    assert run(pcap(conversation(), magic=0xA1B23C4D)) == EXPECTED
    assert run(pcapng(conversation(), kind=2)) == EXPECTED
    assert run(pcapng(conversation(), kind=3)) == EXPECTED
    assert run(pcapng(conversation()[:4]) + pcapng(conversation()[4:], order=">", link="raw")) == EXPECTED.replace(
        "40000 -", "40000 -"), "a file may have several sections"
    expected = EXPECTED.replace("10.0.0.1", "[fe80::1]").replace("10.0.0.2", "[fe80::2]")
    assert run(pcap(conversation(client="fe80::1", server="fe80::2"))) == expected


def test_segments_in_any_order_and_more_than_once():
    """The sequence numbers of the client pass 2^32."""
    payload = random.Random(1).randbytes(600)
    stream = REQUEST + frame(0x82, payload, key=b"abcd") + HELLO
    straight = Tcp()
    expected = run(pcap([*straight.open(), straight.packet(0, stream[len(REQUEST):])]))
    assert expected.count("\n") == 6
    for seed in range(20):
        chance = random.Random(seed)
        tcp = Tcp()
        packets = tcp.open()
        segments = []
        rest = stream[len(REQUEST):]
        while rest:
            size = chance.randint(1, 100)
            segments.append(tcp.packet(0, rest[:size]))
            again = chance.randint(1, size)
            segments.append(tcp.packet(0, rest[:size][-again:] + rest[size:size + 10], back=min(again, len(rest[:size]))))
            rest = rest[size:]
        chance.shuffle(segments)
        # What an overlapping segment has beyond the stream's end so far is the same bytes: it was cut from the stream.
        shown = run(pcap([*packets, *segments]))
        assert sorted(shown.splitlines()) == sorted(expected.splitlines()), f"seed {seed}"


def test_a_gap_inside_a_payload_is_said_and_passed():
    tcp = Tcp()
    packets = tcp.open()
    data = frame(0x82, b"x" * 300) + frame(0x81, b"after")
    packets.append(tcp.packet(1, data[:104]))
    tcp.packet(1, data[104:204])  # never captured
    packets.append(tcp.packet(1, data[204:]))
    lines = run(pcap(packets), "--payload", "2").splitlines()
    assert lines[-3].endswith("FIN BINARY len=300 header=4 | 78 78 ... (100 of 300 bytes of payload are missing)")
    assert lines[-2].endswith('"af" ...')


def test_a_gap_over_a_header_loses_the_frames():
    tcp = Tcp()
    packets = tcp.open()
    tcp.packet(0, HELLO)  # never captured
    packets.append(tcp.packet(0, HELLO))
    packets.append(tcp.packet(1, frame(0x81, b"fine")))
    out = run(pcap(packets))
    assert "bytes are missing here" in out and '"fine"' in out and "Hello" not in out


def test_several_connections_and_a_port_that_is_used_again():
    one, two = Tcp(port=1), Tcp(port=2)
    again = Tcp(port=1, sequence=5)
    first = [packet for pair in zip(one.open(), two.open()) for packet in pair]
    out = run(pcap([*first, one.packet(0, HELLO), *again.open(), again.packet(0, HELLO), two.packet(0, HELLO)]))
    assert out.endswith("3 TCP connections, 3 with WebSocket\n")
    assert [line[:2] for line in out.splitlines() if line.endswith('"Hello"')] == ["#1", "#3", "#2"]


def test_what_is_no_websocket_is_passed_over():
    web, tls, mail = Tcp(port=1), Tcp(port=2), Tcp(port=3)
    packets = [web.packet(0, flags=SYN), web.packet(0, b"GET / HTTP/1.1\r\n\r\n"), web.packet(1, b"HTTP/1.1 200 OK\r\n\r\nbody"),
               tls.packet(0, flags=SYN), tls.packet(0, b"\x16\x03\x01\x02\x00"), mail.packet(1, b"220 hello\r\n")]
    other = bytearray(Tcp().packet(0, HELLO))
    other[9] = 17  # UDP
    assert run(pcap([*packets, bytes(other)])) == "3 TCP connections, 0 with WebSocket\n"


def test_a_capture_that_begins_in_the_middle():
    tcp = Tcp()
    out = run(pcap([tcp.packet(0, HELLO), tcp.packet(1, frame(0x81, b"Hello"))]))
    assert out.count("Hello") == 2


def test_packets_as_tcpdump_prints_them():
    text = ethernet = ""
    for packet in conversation():
        for_hex = {"text": packet, "ethernet": bytes(12) + ether_type(packet) + packet}
        lines = {}
        for name, data in for_hex.items():
            rows = [data[i:i + 16] for i in range(0, len(data), 16)]
            groups = [" ".join(row[j:j + 2].hex() for j in range(0, len(row), 2)) for row in rows]
            lines[name] = "12:00:00.000000 IP 10.0.0.1.40000 > 10.0.0.2.9001: Flags [P.], length 5: HTTP\n" + "".join(
                f"\t0x{i * 16:04x}:  {group:<39}  {'E..9beef..'}\n" for i, group in enumerate(groups))
        text += lines["text"]
        ethernet += lines["ethernet"]
    assert run(text.encode()) == EXPECTED
    assert run(ethernet.encode()) == EXPECTED


# ---- garbage ----


def test_files_that_are_cut_off_anywhere():
    for data in (pcap(conversation()), pcapng(conversation())):
        for length in range(4, len(data)):
            result = subprocess.run([WSDUMP, "--capture"], input=data[:length], capture_output=True, timeout=60)
            assert result.returncode in (0, 1)
            assert EXPECTED.startswith(result.stdout.decode().rsplit("\n", 2)[0].removesuffix("0 TCP connections")) or \
                b"TCP connection" in result.stdout
    assert run(pcap(conversation())[:-3], code=1).startswith(EXPECTED[:60]), "what is there is printed"
    run(b"\xa1\xb2", "--capture", code=1)


def test_a_packet_that_is_longer_than_its_block():
    data = bytearray(pcapng(conversation()))
    last = data.rfind(struct.pack("<I", 6) + data[-4:])
    data[last + 20:last + 24] = struct.pack("<I", len(data))
    result = subprocess.run([WSDUMP], input=bytes(data), capture_output=True, timeout=60)
    assert result.returncode == 1 and b"a block that is too short for its type" in result.stderr
    assert result.stdout.decode() == EXPECTED, "those before it are there"


def mutated(data, chance):
    data = bytearray(data)
    for _ in range(chance.randint(1, 12)):
        data[chance.randrange(len(data))] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
    return bytes(data)


def test_garbage_does_not_crash_it():
    chance = random.Random(7)
    whole = [pcap(conversation()), pcapng(conversation()), pcap(conversation(client="::1", server="::2"), "sll"),
             hexdump_c(REQUEST + HELLO).encode(), REQUEST + HELLO, xxd(frame(0x82, bytes(400))).encode()]
    for i in range(400):
        data = mutated(whole[i % len(whole)], chance)
        result = subprocess.run([WSDUMP], input=data, capture_output=True, timeout=60)
        assert result.returncode in (0, 1), f"{result.returncode}: {data.hex()}"
    for _ in range(100):
        result = subprocess.run([WSDUMP], input=chance.randbytes(chance.randint(0, 5000)), capture_output=True, timeout=60)
        assert result.returncode == 0


def test_valgrind_finds_nothing():
    chance = random.Random(8)
    tcp = Tcp()
    packets = tcp.open()
    segments = [tcp.packet(1, frame(0x82, chance.randbytes(50))) for _ in range(30)]
    chance.shuffle(segments)
    assert valgrind(pcap([*packets, *segments[:-3]])).count("\n") > 5  # some segments are left waiting
    assert valgrind(pcapng(conversation())) == EXPECTED
    assert valgrind(hexdump_c(HELLO).encode()) == HELLO_LINE + "\n"
    valgrind(b"GET / HTTP/1.1\r\n")
    valgrind(pcap(conversation())[:-3], code=1)
    for i in range(6):
        data = mutated([pcap(conversation()), pcapng(conversation()), hexdump_c(HELLO * 20).encode()][i % 3], chance)
        result = subprocess.run(["valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full", WSDUMP], input=data,
                                capture_output=True, timeout=120)
        assert result.returncode in (0, 1), result.stderr


def test_memory_is_bounded(tmp_path):
    """A gap that is never filled, with 64 MiB behind it; connections without end; a head without end."""
    tcp = Tcp()
    packets = tcp.open()
    tcp.packet(0, b"never captured")
    with (tmp_path / "capture").open("wb") as file:
        file.write(pcap(packets, "raw"))
        for i in range(1100):
            packet = tcp.packet(0, bytes(60_000))
            file.write(struct.pack("<IIII", 1, 2, len(packet), len(packet)) + packet)
        for i in range(3000):
            packet = Tcp(port=i + 1).packet(0, REQUEST[:50], flags=ACK)
            file.write(struct.pack("<IIII", 1, 2, len(packet), len(packet)) + packet)
    # All that it may allocate; with less than it needs it says so and fails.
    limit = lambda: resource.setrlimit(resource.RLIMIT_DATA, (64 * MIB, 64 * MIB))
    result = subprocess.run([WSDUMP, tmp_path / "capture"], capture_output=True, preexec_fn=limit, timeout=120)
    assert (result.returncode, result.stderr) == (0, b"")
    assert re.search(rb"^3001 TCP connections", result.stdout, re.MULTILINE)


# ---- options ----


def test_options():
    assert "usage: wsdump" in run(b"", "--help")
    assert run(b"81 85", "--binary").startswith("< 00000000 RSV2 RSV3 CLOSE len=49"), "the digits are the bytes"
    run(b"", "--payload", "1025", code=2)
    run(b"", "--payload", "x", code=2)
    run(b"", "--nonsense", code=2)
    run(b"", "one", "two", code=2)
    run(b"81 85", "--capture", code=1)
