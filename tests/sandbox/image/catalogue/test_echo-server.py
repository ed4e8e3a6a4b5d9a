"""kicbase/echo-server."""

from __future__ import annotations

from pathlib import Path

from tests.sandbox.image.catalogue.running import PYTHON, app, running


def test_it_says_who_served_and_what_was_asked(tmp_path: Path) -> None:
    with running(tmp_path, *PYTHON, app("echo-server")) as served:
        body = served.request("POST", "/a", b"sent")[1]
        assert body.startswith("Request served by web-1\n\nPOST /a HTTP/1.1\n\n")
        assert body.endswith("User-Agent: test\n\nsent")
