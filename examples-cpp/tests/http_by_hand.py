"""What the tests of the adapter send and read beside WebSocket frames."""

import rawws

UPGRADE = rawws.request(target="/echo")
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
TIME_TO_READ = 0.02  # for the server, where a pause must be seen as one


def read_response(connection):
    """Status and body of a plain answer."""
    status, headers = connection.read_head()
    return status, connection.read(int(headers.get("content-length", 0)))


def everything(connection):
    """All that comes until the end."""
    while connection.fill():
        pass
    return bytes(connection.buffer)
