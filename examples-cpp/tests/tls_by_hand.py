"""TLS by hand: a rawws.Connection whose bytes go through Python's ssl, so that a test decides how records and packets are cut."""

import ctypes
import ctypes.util
import ssl
import subprocess
import time

import rawws

PAUSE = 0.001  # between two packets that the server must not see as one


class Certificate:
    """A certificate for 127.0.0.1 that signs itself, with its key."""

    def __init__(self, folder, name):
        self.name, self.file, self.key = name, folder / f"{name}.pem", folder / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.key, "-out", self.file],
                       check=True, capture_output=True)

    def client(self, **settings):
        """What a client needs that trusts this certificate alone. `alpn`: protocols to offer; others are attributes."""
        context = ssl.create_default_context(cafile=self.file)
        if alpn := settings.pop("alpn", None):
            context.set_alpn_protocols(alpn)
        for name, value in settings.items():
            setattr(context, name, value)
        return context


def whole(data):
    return [data]


def bytes_of(data):
    return [bytes([byte]) for byte in data]


def cut_at(place):
    return lambda data: [part for part in (data[:place], data[place:]) if part]


class TlsConnection(rawws.Connection):
    """`cut` makes the packets of the handshake; afterwards a send() is one record (up to 16 KiB) and one packet."""

    def __init__(self, address, context, cut=whole, session=None, **options):
        super().__init__(address, **options)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="127.0.0.1", session=session)
        try:
            self._until_done(self.tls.do_handshake, cut)
        except BaseException:
            self.socket.close()
            raise

    def _until_done(self, action, cut=whole):
        while True:
            try:
                result = action()
            except ssl.SSLWantReadError:
                self.flush(cut)
                self._receive()
                continue
            except ssl.SSLError:
                self.flush(cut)  # our alert
                raise
            self.flush(cut)
            return result

    def _receive(self):
        data = self.socket.recv(256 * 1024)
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()

    def flush(self, cut=whole):
        parts = cut(self.outgoing.read())
        for part in parts:
            self.socket.sendall(part)
            if part is not parts[-1]:
                time.sleep(PAUSE)

    def encrypt(self, *records):
        """Ciphertext with each of them in a record of its own."""
        for record in records:
            self.tls.write(record)
        return self.outgoing.read()

    def send(self, data):
        view = memoryview(data)
        while view:
            view = view[self.tls.write(view):]
        self.flush()

    def fill(self):
        """False at the peer's close_notify; an end without one is ssl.SSLEOFError."""
        try:
            data = self._until_done(lambda: self.tls.read(64 * 1024))
        except ssl.SSLZeroReturnError:  # a close_notify of ours was sent before
            return False
        self.buffer += data
        return bool(data)

    def close_notify(self):
        """Ciphertext that says that nothing more comes."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    @property
    def subject(self):
        return dict(pair[0] for pair in self.tls.getpeercert()["subject"])["commonName"]


class OpenSsl:
    """A client on libssl itself, over a blocking socket, for what Python's ssl cannot do."""

    def __init__(self, raw_socket):
        self.library = ctypes.CDLL(ctypes.util.find_library("ssl"))
        for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
            getattr(self.library, name).restype = ctypes.c_void_p
        context = ctypes.c_void_p(self.library.SSL_CTX_new(ctypes.c_void_p(self.library.TLS_client_method())))
        self.connection = ctypes.c_void_p(self.library.SSL_new(context))
        self.library.SSL_CTX_free(context)
        self.library.SSL_set_fd(self.connection, raw_socket.fileno())
        assert self.library.SSL_connect(self.connection) == 1

    def send(self, data):
        assert self.library.SSL_write(self.connection, data, len(data)) == len(data)

    def ask_for_new_keys(self):
        """Sends a key update that wants one in return, which is not waited for. False when the connection is over."""
        wants_answer = 1
        return (self.library.SSL_key_update(self.connection, wants_answer) == 1
                and self.library.SSL_do_handshake(self.connection) == 1)

    def close(self):
        self.library.SSL_free(self.connection)
