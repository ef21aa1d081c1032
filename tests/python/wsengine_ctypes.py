"""libwsengine.so through ctypes: as much of ws_engine.h as the tests need."""

import ctypes
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_size_t, c_uint8, c_uint16, c_uint64, c_void_p
from dataclasses import dataclass

from conftest import ROOT

OK, AGAIN = 0, 1
INVALID_ARGUMENT, STATE, INPUT_PENDING, QUEUE_FULL, INVALID_UTF8 = -1, -2, -3, -4, -5

NONE, REQUEST, OPEN, TEXT, BINARY, PING, PONG, CLOSE, CHUNK, FRAME, WRITABLE = range(11)

MESSAGES, CHUNKS, FRAMES = range(3)  # ws_config_set_delivery


class Event(ctypes.Structure):
    """ws_event"""

    _fields_ = [
        ("type", c_int), ("close_code", c_uint16), ("http_status", c_uint16), ("data", c_void_p), ("len", c_size_t),
        ("detail", c_char_p), ("clean", c_uint8), ("initiator", c_uint8), ("opcode", c_uint8), ("first", c_uint8),
        ("last", c_uint8), ("compressed", c_uint8), ("reserved0", c_uint8 * 2), ("offset", c_uint64), ("rtt_ms", c_int64),
        ("reserved1", c_uint64),
    ]

    @property
    def bytes(self):
        return ctypes.string_at(self.data, self.len) if self.len else b""


class ClientRequest(ctypes.Structure):
    """ws_client_request"""

    _fields_ = [
        ("struct_size", c_size_t), ("host", c_char_p), ("target", c_char_p), ("origin", c_char_p),
        ("subprotocols", POINTER(c_char_p)), ("subprotocol_count", c_size_t), ("headers", c_void_p), ("header_count", c_size_t),
    ]


def load():
    library = ctypes.CDLL(str(ROOT / "target" / "release" / "libwsengine.so"))
    pointer, status = c_void_p, c_int
    for name, result, *arguments in [
        ("config_new", pointer),
        ("config_free", None, pointer),
        ("config_set_delivery", status, pointer, c_int),
        ("config_set_compression", status, pointer, c_int),
        ("config_set_compression_threshold", status, pointer, c_size_t),
        ("config_set_context_takeover", status, pointer, c_int, c_int),
        ("engine_new", pointer, pointer),
        ("engine_free", None, pointer),
        ("conn_new_server", pointer, pointer),
        ("conn_new_client", status, pointer, POINTER(ClientRequest), POINTER(pointer)),
        ("conn_free", None, pointer),
        ("conn_feed", status, pointer, c_char_p, c_size_t),
        ("conn_feed_eof", status, pointer),
        ("conn_next_event", status, pointer, POINTER(Event)),
        ("conn_queue_text", status, pointer, c_char_p, c_size_t),
        ("conn_queue_binary", status, pointer, c_char_p, c_size_t),
        ("conn_queue_ping", status, pointer, c_char_p, c_size_t),
        ("conn_queue_close", status, pointer, c_uint16, c_char_p, c_size_t),
        ("conn_output_read", status, pointer, c_char_p, c_size_t, POINTER(c_size_t)),
        ("strerror", c_char_p, c_int),
    ]:
        function = getattr(library, f"ws_{name}")
        function.restype, function.argtypes = result, arguments
    assert ctypes.sizeof(Event) == 64
    return library


class Error(Exception):
    def __init__(self, library, status):
        super().__init__(library.ws_strerror(status).decode())
        self.status = status


class Engine:
    """An engine with a configuration of its own."""

    def __init__(self, delivery=MESSAGES, compression=False, takeover=False):
        self.library = load()
        config = self.library.ws_config_new()
        self.check(self.library.ws_config_set_delivery(config, delivery))
        self.check(self.library.ws_config_set_compression(config, int(compression)))
        self.check(self.library.ws_config_set_compression_threshold(config, 0))
        self.check(self.library.ws_config_set_context_takeover(config, int(takeover), int(takeover)))
        self.handle = self.library.ws_engine_new(config)
        self.library.ws_config_free(config)

    def __del__(self):
        self.library.ws_engine_free(self.handle)

    def check(self, status):
        if status < 0:
            raise Error(self.library, status)
        return status


@dataclass
class Closed:
    code: int
    reason: str
    detail: str
    clean: bool


class Connection:
    """One connection. `messages` collects what it reported: ("text", str), ("binary", bytes), ("ping", bytes),
    ("pong", bytes); `closed` is its end. Whole messages, whatever the delivery."""

    def __init__(self, engine, server):
        self.engine, self.library = engine, engine.library
        self.messages, self.closed, self.opened, self.compressed = [], None, False, False
        self._parts, self._opcode = b"", 0
        if server:
            self.handle = self.library.ws_conn_new_server(engine.handle)
        else:
            request, handle = ClientRequest(struct_size=ctypes.sizeof(ClientRequest), host=b"localhost"), c_void_p()
            engine.check(self.library.ws_conn_new_client(engine.handle, byref(request), byref(handle)))
            self.handle = handle.value

    def __del__(self):
        self.library.ws_conn_free(self.handle)

    def feed(self, data):
        self.engine.check(self.library.ws_conn_feed(self.handle, data, len(data)))
        self.pull()

    def pull(self):
        event = Event()
        while self.engine.check(self.library.ws_conn_next_event(self.handle, byref(event))) == OK:
            assert self.closed is None, "an event after the end"
            self._add(event)

    def _add(self, event):
        if event.type == OPEN:
            assert not self.opened
            self.opened, self.compressed = True, bool(event.compressed)
        elif event.type in (TEXT, BINARY):
            self._finish(1 if event.type == TEXT else 2, event.bytes)
        elif event.type in (CHUNK, FRAME):
            self._opcode = event.opcode or self._opcode
            self._parts += event.bytes
            if event.last:
                data, self._parts = self._parts, b""
                self._finish(self._opcode, data)
        elif event.type in (PING, PONG):
            self.messages.append(("ping" if event.type == PING else "pong", event.bytes))
        elif event.type == CLOSE:
            self.closed = Closed(event.close_code, event.bytes.decode(), event.detail.decode(), bool(event.clean))
        else:
            assert event.type == WRITABLE, event.type

    def _finish(self, opcode, data):
        self.messages.append(("text", data.decode()) if opcode == 1 else ("binary", data))

    def _queue(self, function, *arguments):
        self.engine.check(function(self.handle, *arguments))

    def text(self, text):
        data = text.encode()
        self._queue(self.library.ws_conn_queue_text, data, len(data))

    def binary(self, data):
        self._queue(self.library.ws_conn_queue_binary, data, len(data))

    def ping(self, data):
        self._queue(self.library.ws_conn_queue_ping, data, len(data))

    def close(self, code, reason=""):
        data = reason.encode()
        self._queue(self.library.ws_conn_queue_close, code, data, len(data))

    def output(self):
        """Takes all output."""
        taken, buffer, count = b"", ctypes.create_string_buffer(65536), c_size_t()
        while self.engine.check(self.library.ws_conn_output_read(self.handle, buffer, len(buffer), byref(count))) == OK:
            taken += buffer.raw[: count.value]
        return taken
