"""Runs an app of the catalogue as in a container, for tests: with a network of its own and little environment."""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from sandbox.image.catalogue import CATALOGUE
from sandbox.linux import network_namespace
from sandbox.linux.netlink import Netlink

PYTHON = ("/usr/bin/python3", "-IS")
ENVIRONMENT = {"HOSTNAME": "web-1", "PATH": "/usr/bin:/bin"}


class App:
    """A running app, in a network of its own."""

    def __init__(self, process: subprocess.Popen[bytes], namespace: Path, log: Path) -> None:
        self.process = process
        self.namespace = namespace
        self._log = log

    def log(self) -> str:
        return self._log.read_text()

    def connect(self, port: int = 8080) -> socket.socket:
        deadline = time.monotonic() + 10
        while True:
            with network_namespace.entered(self.namespace):
                connection = socket.socket()
            connection.settimeout(5)
            try:
                connection.connect(("127.0.0.1", port))
                return connection
            except ConnectionRefusedError:
                connection.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def request(self, method: str, path: str, body: bytes | None = None, *, port: int = 8080) -> tuple[int, str]:
        with contextlib.closing(http.client.HTTPConnection("app", port)) as client:
            client.sock = self.connect(port)
            client.request(method, path, body, {"User-Agent": "test", "Accept": "*/*"})
            answer = client.getresponse()
            return answer.status, answer.read().decode()


@contextlib.contextmanager
def running(tmp_path: Path, *command: str, **environment: str) -> Iterator[App]:
    """The command in a network namespace of its own."""
    held = subprocess.Popen(["/usr/bin/unshare", "--net", "/bin/sleep", "1000"])
    namespace = Path(f"/proc/{held.pid}/ns/net")
    deadline = time.monotonic() + 5
    while namespace.readlink() == Path("/proc/self/ns/net").readlink() and time.monotonic() < deadline:
        time.sleep(0.005)
    log = tmp_path / "log"
    with network_namespace.entered(namespace), Netlink() as netlink, log.open("wb") as output:
        netlink.up(1)
        process = subprocess.Popen(command, env=ENVIRONMENT | environment, stdout=output, stderr=output)
    try:
        yield App(process, namespace, log)
    finally:
        for one in (process, held):
            one.kill()
            one.wait()


def app(folder: str, name: str = "server.py") -> str:
    return str(CATALOGUE / folder / "files" / name)
