"""echoserver 1.10."""

from __future__ import annotations

from pathlib import Path

from tests.sandbox.image.catalogue.running import PYTHON, app, running


def test_the_newer_echoserver_names_its_pod(tmp_path: Path) -> None:
    with running(tmp_path, *PYTHON, app("echoserver-1-10")) as echo:
        body = echo.request("GET", "/")[1]
        assert body.startswith("\n\nHostname: web-1\n\nPod Information:\n\t-no pod information available-\n\n")
        assert "\tclient_address=127.0.0.1\n\tmethod=GET\n\treal path=/\n" in body
        assert body.endswith("\nRequest Body:\n\t-no body in request-\n\n")
