"""Google's node-hello."""

from __future__ import annotations

from pathlib import Path

from tests.sandbox.image.catalogue.running import PYTHON, app, running


def test_it_says_hello_and_logs_it(tmp_path: Path) -> None:
    with running(tmp_path, *PYTHON, app("node-hello")) as hello:
        assert hello.request("GET", "/x") == (200, "Hello Kubernetes!")
        assert "Received request for URL: /x\n" in hello.log()
