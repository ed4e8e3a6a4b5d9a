"""Google's hello-app."""

from __future__ import annotations

from pathlib import Path

from tests.sandbox.image.catalogue.running import PYTHON, app, running


def test_hello_app_says_its_version(tmp_path: Path) -> None:
    with running(tmp_path, *PYTHON, app("hello-app-1")) as hello:
        assert hello.request("GET", "/") == (200, "Hello, world!\nVersion: 1.0.0\nHostname: web-1\n")
