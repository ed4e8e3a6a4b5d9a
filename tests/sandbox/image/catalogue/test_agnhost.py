"""agnhost's commands."""

from __future__ import annotations

import re
import signal
import socket
import time
from pathlib import Path

from tests.sandbox.image.catalogue.running import app, running


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
