"""The tutorial's app answers as the original in Node.js does."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from tests.sandbox.image.catalogue.running import PYTHON, app, running


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
