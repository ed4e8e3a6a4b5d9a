"""The autoscaling walkthrough's server."""

from __future__ import annotations

from pathlib import Path

from tests.sandbox.image.catalogue.running import PYTHON, app, running


def test_it_computes_and_says_ok(tmp_path: Path) -> None:
    with running(tmp_path, *PYTHON, app("hpa-example")) as busy:
        assert busy.request("GET", "/", port=80) == (200, "OK!")
