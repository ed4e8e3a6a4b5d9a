"""The broken version of the tutorial's app."""

from __future__ import annotations

from pathlib import Path

from tests.sandbox.image.catalogue.running import PYTHON, app, running


def test_the_broken_version_says_why_and_ends(tmp_path: Path) -> None:
    with running(tmp_path, *PYTHON, app("kubernetes-bootcamp-failing")) as broken:
        assert broken.process.wait(timeout=5) == 1
        assert "Error: the variable DATABASE_URL is not set" in broken.log()
