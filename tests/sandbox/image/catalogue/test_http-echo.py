"""http-echo."""

from __future__ import annotations

from pathlib import Path

from tests.sandbox.image.catalogue.running import app, running


def test_it_says_the_text_that_it_was_given(tmp_path: Path) -> None:
    with running(tmp_path, app("http-echo", "http-echo"), "-text=hi there", "-listen", ":5678") as echo:
        assert echo.request("GET", "/", port=5678) == (200, "hi there\n")


def test_without_a_text_it_ends(tmp_path: Path) -> None:
    with running(tmp_path, app("http-echo", "http-echo")) as echo:
        assert echo.process.wait(timeout=5) == 1
