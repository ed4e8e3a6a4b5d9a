"""The apps of the catalogue, run as in a container: they answer as the originals do."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.image.catalogue import CATALOGUE
from sandbox.linux import network_namespace, syscalls
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


pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs network namespaces")
assert syscalls.CLONE_NEWNET


def test_bootcamp_says_hello_to_every_path_and_method(tmp_path: Path) -> None:
    with running(tmp_path, *PYTHON, app("kubernetes-bootcamp-v1")) as bootcamp:
        hello = "Hello Kubernetes bootcamp! | Running on: web-1 | v=1\n"
        assert bootcamp.request("GET", "/") == (200, hello)
        assert bootcamp.request("POST", "/any/path?x=y", b"z" * 100_000) == (200, hello)
        assert bootcamp.request("HEAD", "/") == (200, "")
        log = bootcamp.log()
    iso = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    start = rf"Kubernetes Bootcamp App Started At: {iso} \| Running On:  web-1 \n\n"
    line = rf"Running On: web-1 \| Total Requests: %d \| App Uptime: \d+(\.\d{{1,3}})? seconds \| Log Time: {iso}\n"
    assert re.fullmatch(start + line % 1 + line % 2 + line % 3, log)


def test_bootcamp_answers_in_chunks_and_keeps_the_connection(tmp_path: Path) -> None:
    with running(tmp_path, *PYTHON, app("kubernetes-bootcamp-v1")) as bootcamp, bootcamp.connect() as connection:
        for _ in range(2):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            received = b""
            while not received.endswith(b"0\r\n\r\n"):
                received += connection.recv(4096)
            head, _, body = received.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: ")
            assert head.endswith(b"\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked")
            assert (
                body == b"29\r\nHello Kubernetes bootcamp! | Running on: \r\n5\r\nweb-1\r\n7\r\n | v=1\n\r\n0\r\n\r\n"
            )
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        received = b""
        while more := connection.recv(4096):
            received += more
        assert received.endswith(b"Connection: close\r\n\r\nHello Kubernetes bootcamp! | Running on: web-1 | v=1\n")


def test_bootcamp_is_held_up_by_nobody(tmp_path: Path) -> None:
    with running(tmp_path, *PYTHON, app("kubernetes-bootcamp-v1")) as bootcamp, contextlib.ExitStack() as stack:
        for hostile in (
            b"GET / HT",
            b"\xff\xfe nonsense\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: " + b"x" * 100_000,
            b"\r\n\r\n",
        ):
            connection = stack.enter_context(bootcamp.connect())
            connection.sendall(hostile)
        silent = stack.enter_context(bootcamp.connect())
        silent.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(2000):  # asks and asks, and never reads an answer
                silent.send(b"GET / HTTP/1.1\r\n\r\n" * 100)
        assert bootcamp.request("GET", "/")[0] == 200
        status = Path(f"/proc/{bootcamp.process.pid}/status").read_text()
        assert int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) < 30_000


def test_the_broken_version_says_why_and_ends(tmp_path: Path) -> None:
    with running(tmp_path, *PYTHON, app("kubernetes-bootcamp-failing")) as broken:
        assert broken.process.wait(timeout=5) == 1
        assert "Error: the variable DATABASE_URL is not set" in broken.log()


def test_echoserver_tells_the_request_back(tmp_path: Path) -> None:
    with running(tmp_path, *PYTHON, app("echoserver-1.4")) as echo:
        status, body = echo.request("GET", "/a?b=c")
        assert status == 200
        assert body == (
            "CLIENT VALUES:\nclient_address=127.0.0.1\ncommand=GET\nreal path=/a?b=c\nquery=b=c\nrequest_version=1.1\n"
            "request_uri=http://app:8080/a?b=c\n\nSERVER VALUES:\nserver_version=nginx: 1.10.0 - lua: 10001\n\n"
            "HEADERS RECEIVED:\naccept=*/*\naccept-encoding=identity\nhost=app:8080\nuser-agent=test\nBODY:\n"
            "-no body in request-"
        )
        assert echo.request("POST", "/", b"sent")[1].endswith("BODY:\nsent")


def test_the_newer_echoserver_names_its_pod(tmp_path: Path) -> None:
    with running(tmp_path, *PYTHON, app("echoserver-1.10")) as echo:
        body = echo.request("GET", "/")[1]
        assert body.startswith("\n\nHostname: web-1\n\nPod Information:\n\t-no pod information available-\n\n")
        assert "\tclient_address=127.0.0.1\n\tmethod=GET\n\treal path=/\n" in body
        assert body.endswith("\nRequest Body:\n\t-no body in request-\n\n")


def test_agnhost_has_the_routes_that_tutorials_use(tmp_path: Path) -> None:
    with running(tmp_path, app("agnhost", "agnhost"), "netexec", "--http-port=8080") as agnhost:
        assert re.fullmatch(
            r"NOW: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \+0000 UTC m=\+\d+\.\d{9}", agnhost.request("GET", "/")[1]
        )
        assert agnhost.request("GET", "/hostname")[1] == socket.gethostname()
        assert re.fullmatch(r"127\.0\.0\.1:\d+", agnhost.request("GET", "/clientip")[1])
        assert agnhost.request("GET", "/echo?msg=hi") == (200, "hi")
        assert (
            agnhost.request("GET", "/shell?cmd=echo%20x;exit%203")[1] == '{"output": "x\\n", "error": "exit status 3"}'
        )
        assert agnhost.request("GET", "/healthz")[0] == 200
        log = agnhost.log()
        assert re.search(
            r"^I\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ log\.go:195\] Started HTTP server on port 8080$", log, re.M
        )
        assert "log.go:195] Started UDP server on port  8081\n" in log
        assert "] GET /hostname\n" in log
        agnhost.request("GET", "/exit?code=4")
        assert agnhost.process.wait(timeout=5) == 4


def test_agnhost_pauses_until_it_is_told_to_end(tmp_path: Path) -> None:
    with running(tmp_path, app("agnhost", "agnhost"), "pause") as paused:
        deadline = time.monotonic() + 5
        while paused.log() != "Paused\n" and time.monotonic() < deadline:
            time.sleep(0.01)
        paused.process.send_signal(signal.SIGTERM)
        assert paused.process.wait(timeout=5) == 0


def test_hello_app_says_its_version(tmp_path: Path) -> None:
    with running(tmp_path, *PYTHON, app("hello-app-1")) as hello:
        assert hello.request("GET", "/") == (200, "Hello, world!\nVersion: 1.0.0\nHostname: web-1\n")


def test_curl_takes_arguments_or_a_command(tmp_path: Path) -> None:
    script = app("curl", "entrypoint.sh")
    for command, wanted in ((("--version",), "curl "), (("echo", "hi"), "hi\n")):
        with running(tmp_path, script, *command) as started:
            assert started.process.wait(timeout=5) == 0
            assert started.log().startswith(wanted)


def test_the_other_samples_answer_as_theirs_do(tmp_path: Path) -> None:
    with running(tmp_path, *PYTHON, app("node-hello")) as hello:
        assert hello.request("GET", "/x") == (200, "Hello Kubernetes!")
        assert "Received request for URL: /x\n" in hello.log()
    with running(tmp_path, *PYTHON, app("hpa-example")) as busy:
        assert busy.request("GET", "/", port=80) == (200, "OK!")
    with running(tmp_path, app("http-echo", "http-echo"), "-text=hi there", "-listen", ":5678") as echo:
        assert echo.request("GET", "/", port=5678) == (200, "hi there\n")
    with running(tmp_path, app("http-echo", "http-echo")) as echo:
        assert echo.process.wait(timeout=5) == 1
    with running(tmp_path, *PYTHON, app("echo-server")) as served:
        body = served.request("POST", "/a", b"sent")[1]
        assert body.startswith("Request served by web-1\n\nPOST /a HTTP/1.1\n\n")
        assert body.endswith("User-Agent: test\n\nsent")
