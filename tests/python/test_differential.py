"""wsengine, through its C ABI, against wsproto: conversations both ways round, and verdicts on hostile streams. A
failure names its seed; `random` with that seed makes the same conversation again."""

import random

import pytest
import rawws
import wsengine_ctypes as ours
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (AcceptConnection, BytesMessage, CloseConnection, Message, Ping, Pong, Request, TextMessage)
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import LocalProtocolError

# Whether wsproto offers, and takes, permessage-deflate; the engine's own setting is the same.
DEFLATE = [False, True]
DELIVERIES = [ours.MESSAGES, ours.CHUNKS, ours.FRAMES]


class Theirs:
    """wsproto's end: what it saw in the same words as ours."""

    def __init__(self, server, deflate=False):
        self.extensions = [PerMessageDeflate()] if deflate else []
        self.server = server
        self.protocol = WSConnection(ConnectionType.SERVER if server else ConnectionType.CLIENT)
        self.messages, self.closed, self.failed, self.opened = [], None, False, False
        self._parts = None
        self._out = b"" if server else self.protocol.send(Request(host="localhost", target="/", extensions=self.extensions))

    def send(self, event):
        self._out += self.protocol.send(event)

    def output(self):
        taken, self._out = self._out, b""
        return taken

    def feed(self, data):
        if self.failed or self.closed is not None or not data:
            return
        self.protocol.receive_data(data)
        for event in self.protocol.events():
            self._add(event)
            if self.failed or self.closed is not None:
                break

    def _add(self, event):
        if isinstance(event, Request):
            self.opened = True
            self.send(AcceptConnection(extensions=self.extensions))
        elif isinstance(event, AcceptConnection):
            self.opened = True
        elif isinstance(event, (TextMessage, BytesMessage)):
            self._parts = event.data if self._parts is None else self._parts + event.data
            if event.message_finished:
                kind = "text" if isinstance(event, TextMessage) else "binary"
                self.messages.append((kind, self._parts if kind == "text" else bytes(self._parts)))
                self._parts = None
        elif isinstance(event, Ping):
            self.messages.append(("ping", bytes(event.payload)))
            if self.protocol.state is ConnectionState.OPEN:
                self.send(event.response())
        elif isinstance(event, Pong):
            self.messages.append(("pong", bytes(event.payload)))
        elif isinstance(event, CloseConnection):
            # The same event stands for a close frame and for a rule that the peer broke; the state tells which.
            if self.protocol.state is ConnectionState.REMOTE_CLOSING:
                self.closed = (int(event.code), event.reason or "")
                self.send(event.response())
            elif self.protocol.state is ConnectionState.CLOSED:
                self.closed = (int(event.code), event.reason or "")
            else:
                self.failed = True
        else:
            raise AssertionError(event)


def pieces(source, data):
    """The data, cut anywhere."""
    while data:
        size = source.choice([1, 2, source.randrange(1, 20), source.randrange(1, 5000), len(data)])
        yield data[:size]
        data = data[size:]


def carry(source, one, other):
    """Moves what waits, both ways, until there is nothing."""
    while True:
        waiting = [(one, other, one.output()), (other, one, other.output())]
        if not any(data for _, _, data in waiting):
            return
        for _, to, data in waiting:
            for piece in pieces(source, data):
                to.feed(piece)


def any_text(source):
    letters = "abc é你好🙂\x00\u07ff\uffff\U0010ffff"
    return "".join(source.choice(letters) for _ in range(source.choice([0, 1, 10, 200, 3000])))


def any_bytes(source, most=70_000):
    return source.randbytes(min(most, source.choice([0, 1, 125, 126, 1000, 65535, 65536, 70_000])))


def open_pair(source, delivery, deflate, we_serve):
    us = ours.Connection(ours.Engine(delivery, compression=deflate, takeover=source.random() < 0.5), server=we_serve)
    them = Theirs(server=not we_serve, deflate=deflate)
    carry(source, us, them)
    assert us.opened and them.opened
    assert us.compressed == deflate and any(extension.enabled() for extension in them.extensions) == deflate
    return us, them


@pytest.mark.parametrize("deflate", DEFLATE)
@pytest.mark.parametrize("we_serve", [True, False])
@pytest.mark.parametrize("delivery", DELIVERIES)
def test_both_see_the_same_messages_and_close_codes(delivery, we_serve, deflate):
    for seed in range(25):
        try:
            converse(random.Random(seed), delivery, we_serve, deflate)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error


def converse(source, delivery, we_serve, deflate):
    us, them = open_pair(source, delivery, deflate, we_serve)
    from_us, from_them = [], []
    for _ in range(source.randrange(15)):
        kind = source.choice(["text", "binary", "ping", "pieces", "carry"])
        if kind == "carry":
            carry(source, us, them)
        elif kind == "pieces":
            parts = [any_text(source) for _ in range(source.randrange(1, 5))]
            for i, part in enumerate(parts):
                them.send(Message(data=part, message_finished=i + 1 == len(parts)))
                if i + 1 < len(parts) and source.random() < 0.5:
                    them.send(Ping(b"between"))
                    from_them.append(("ping", b"between"))
            from_them.append(("text", "".join(parts)))
        else:
            data = any_text(source) if kind == "text" else any_bytes(source, 125 if kind == "ping" else 70_000)
            if source.random() < 0.5:
                getattr(us, kind)(data)
                from_us.append((kind, data))
            else:
                them.send(Ping(data) if kind == "ping" else Message(data=data))
                from_them.append((kind, data))
    code, reason = source.choice([1000, 1001, 1011, 3000, 4999]), source.choice(["", "bye", "再见"])
    if source.random() < 0.5:
        us.close(code, reason)
    else:
        them.send(CloseConnection(code=code, reason=reason))
    carry(source, us, them)

    def apart(messages):
        """Pings may overtake messages; neither overtakes its own kind."""
        return [m for m in messages if m[0] == "ping"], [m for m in messages if m[0] in ("text", "binary")]

    assert apart(us.messages) == apart(from_them)
    assert apart(them.messages) == apart(from_us)
    assert us.closed and us.closed.clean and us.closed.code == code, us.closed
    assert them.closed and them.closed[0] == code, them.closed


# ---- hostile streams ----

# Why the verdicts may differ.
WE_FAIL_EARLIER = "we fail at the byte that breaks a rule, they when the header, control frame or character is whole"
WE_HAVE_LIMITS = "they have no limit for a message"
THEY_DO_NOT_KNOW_1014 = "1014 (bad gateway) is registered with IANA; they refuse it"


def verdict_of_ours(source, data, delivery, server):
    us, _ = open_pair(source, delivery, False, server)
    for piece in pieces(source, data):
        us.feed(piece)
        us.output()
    end = "open"
    if us.closed:
        end = (us.closed.code, us.closed.reason) if us.closed.clean else us.closed.detail
    return us.messages, end


def verdict_of_theirs(source, data, server):
    _, them = open_pair(source, ours.MESSAGES, False, not server)
    try:
        for piece in pieces(source, data):
            them.feed(piece)
    except LocalProtocolError as error:
        raise AssertionError("it was fed after its end") from error
    return them.messages, "failed" if them.failed else them.closed or "open"


def ends_at_a_frame(data):
    """Whether the last frame is whole, by nothing but lengths."""
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            return False
        size, header = data[at + 1] & 0x7F, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            field = data[at + 2 : at + 2 + width]
            if len(field) < width:
                return False
            size, header = int.from_bytes(field, "big"), 2 + width
        at += header + (4 if data[at + 1] & 0x80 else 0) + size
    return at == len(data)


def difference(data, us, them):
    """None if the verdicts are the same, else the known reason; fails if there is none."""
    (our_messages, our_end), (their_messages, their_end) = us, them
    we_failed = isinstance(our_end, str) and our_end != "open"
    context = f"on {data[:400].hex(' ')}\n  we:   {us}\n  they: {them}"
    if we_failed and "larger than max_" in our_end:
        assert their_messages[: len(our_messages)] == our_messages, context
        return WE_HAVE_LIMITS
    assert our_messages == their_messages, context
    if we_failed and their_end == "open" and not ends_at_a_frame(data):
        return WE_FAIL_EARLIER
    if our_end[0] == 1014 and their_end == "failed":
        return THEY_DO_NOT_KNOW_1014
    assert (their_end == "failed") if we_failed else (our_end == their_end), context
    return None


def judge(source, data, server):
    them = verdict_of_theirs(source, data, server)
    found = None
    for delivery in DELIVERIES:
        found = difference(data, verdict_of_ours(source, data, delivery, server), them)
    return found


def test_the_listed_differences_exist():
    source = random.Random(0)
    too_big = rawws.frame(rawws.BINARY, b"x" * (1024 * 1024 + 1))
    for data, expected in [
        (b"\xf1", WE_FAIL_EARLIER),
        (rawws.frame(rawws.PING, b"x" * 126)[:2], None),
        (too_big, WE_HAVE_LIMITS),
        (rawws.frame(rawws.TEXT, b"\xff"), None),
        (rawws.frame(rawws.TEXT, b"ok \xed\xa0", length=9), WE_FAIL_EARLIER),
        (rawws.close_frame(1014), THEY_DO_NOT_KNOW_1014),
        (rawws.close_frame(1004), None),
        (rawws.close_frame(2999), None),
    ]:
        assert judge(source, data, server=True) == expected, data[:20]


def any_text_in_two(source, masked):
    """A text message in two frames, cut anywhere, perhaps in the middle of a character, where it may also end."""
    data, mask = any_text(source).encode()[:200], source.randbytes(4) if masked else None
    cut, end = source.randrange(len(data) + 1), len(data) - source.choice([0, 1, 2])
    return rawws.frame(rawws.TEXT, data[:cut], fin=False, mask=mask) + rawws.frame(rawws.CONTINUATION, data[cut:end], mask=mask)


def any_frame(source, masked):
    if source.random() < 0.2:
        return any_text_in_two(source, masked)
    opcode = source.choice([rawws.TEXT, rawws.BINARY, rawws.CONTINUATION, rawws.TEXT, rawws.CONTINUATION, rawws.PING,
                            rawws.PONG, rawws.CLOSE, source.randrange(16)])
    payload = source.choice([any_text(source).encode(), source.randbytes(source.randrange(200)), b""])
    if opcode == rawws.CLOSE:
        code = source.choice([1000, source.randrange(990, 1020), source.randrange(65536)])
        payload = code.to_bytes(2, "big") + payload[:123]
    fin = source.random() < 0.6
    if opcode >= 8 and source.random() < 0.95:
        fin, payload = True, payload[:125]
    rsv = source.choice([0] * 60 + [1, 2, 4])
    mask = source.randbytes(4) if masked == (source.random() < 0.98) else None
    data = rawws.frame(opcode, payload, fin=fin, rsv=rsv, mask=mask)
    if source.random() < 0.03:  # a length that is too long
        data = rawws.frame(opcode, payload, fin=fin, mask=mask, length=source.choice([126, 127, 70_000, 2**63]))
    return data


@pytest.mark.parametrize("server", [True, False])
def test_hostile_streams_get_the_same_verdict(server):
    for seed in range(250):
        source = random.Random(seed)
        data = b"".join(any_frame(source, masked=server) for _ in range(source.randrange(1, 12)))
        if source.random() < 0.3:
            changed = bytearray(data)
            changed[source.randrange(len(changed))] = source.randrange(256)
            data = bytes(changed)
        if source.random() < 0.3:
            data = data[: source.randrange(len(data) + 1)]
        try:
            judge(source, data, server)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
