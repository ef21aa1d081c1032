"""nginx and haproxy as child processes, with the configuration that docs/muduo.md shows: only ports and files are replaced, and
what a test names."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "muduo.md"

# What is around the guide's block in nginx.conf: one process in the foreground that writes nothing outside its folder.
NGINX_CONF = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
{block}
}}
"""


def documented(language):
    """The one block of that language in the guide."""
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    return block


def replace(text, changes):
    """A change that finds nothing would test something else than is documented."""
    for old, new in changes.items():
        assert old in text, f"the documented configuration has no {old!r}"
        text = text.replace(old, str(new))
    return text


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def certificate(folder):
    """(certificate, key), for localhost."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


class Proxy:
    """A proxy that listens on http_port and, for TLS, on https_port of 127.0.0.1. `changes`: what else is replaced.
    `configuration(kind)`: what it is configured with."""

    def __init__(self, kind, folder, backends, cert, key, changes, configuration=documented):
        self.configuration = configuration
        self.http_port, self.https_port = free_ports(2)
        folder.mkdir()
        self.said = folder / "said"
        command = getattr(self, f"_{kind}")(folder, backends, cert, key, changes)
        with open(self.said, "wb") as said:
            self.process = subprocess.Popen(command, stdout=said, stderr=said)
        for port in self.http_port, self.https_port:
            self._wait_until_it_listens(port)

    def _nginx(self, folder, backends, cert, key, changes):
        changes = {**changes, "listen 80;": f"listen 127.0.0.1:{self.http_port};",
                   "listen 443 ssl;": f"listen 127.0.0.1:{self.https_port} ssl;",
                   "server_name chat.example.com;": "server_name localhost;",
                   "/etc/ssl/chat.pem": cert, "/etc/ssl/chat.key": key,
                   "127.0.0.1:8001": f"127.0.0.1:{backends[0]}", "127.0.0.1:8002": f"127.0.0.1:{backends[1]}"}
        conf = folder / "nginx.conf"
        conf.write_text(NGINX_CONF.format(folder=folder, block=replace(self.configuration("nginx"), changes)))
        return [program("nginx"), "-e", "stderr", "-p", folder, "-c", conf]

    def _haproxy(self, folder, backends, cert, key, changes):
        both = folder / "both.pem"  # haproxy wants certificate and key in one file
        both.write_text(cert.read_text() + key.read_text())
        changes = {**changes, "bind :80": f"bind 127.0.0.1:{self.http_port}", "bind :443 ": f"bind 127.0.0.1:{self.https_port} ",
                   "/etc/ssl/chat.pem": both,
                   "127.0.0.1:8001": f"127.0.0.1:{backends[0]}", "127.0.0.1:8002": f"127.0.0.1:{backends[1]}"}
        conf = folder / "haproxy.cfg"
        conf.write_text(replace(self.configuration("haproxy"), changes))
        return [program("haproxy"), "-db", "-f", conf]  # -db: one process, in the foreground

    def _wait_until_it_listens(self, port):
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise AssertionError(self.said.read_text()) from None
                time.sleep(0.02)

    def url(self, scheme, path="/ws/chat"):
        port = self.https_port if scheme in ("https", "wss") else self.http_port
        return f"{scheme}://localhost:{port}{path}"

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def program(name):
    unpacked = ROOT / "target" / "setup" / "debian" / "usr"
    folders = [os.environ["PATH"], "/usr/sbin", unpacked / "sbin", unpacked / "bin"]
    path = shutil.which(name, path=":".join(map(str, folders)))
    assert path, f"{name} is missing: tests/setup.sh test installs it"
    return path
