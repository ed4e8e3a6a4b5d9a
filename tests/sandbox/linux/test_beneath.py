"""Paths in hostile trees."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandbox.linux.beneath import open_beneath


def test_a_plain_path_opens(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    fd = open_beneath(tmp_path, tmp_path / "a/b")
    assert Path(f"/proc/self/fd/{fd}").readlink() == tmp_path / "a/b"
    os.close(fd)


@pytest.mark.parametrize("target", ["/", "/etc", "..", "a", "/proc/self/root"])
def test_a_link_is_never_followed_wherever_it_leads(tmp_path: Path, target: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(target)
    for path in (tmp_path / "link", tmp_path / "link" / "etc"):
        with pytest.raises(OSError, match="Too many levels of symbolic links"):
            open_beneath(tmp_path, path)


def test_nothing_outside_is_reached(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="cross-device"):
        open_beneath(tmp_path / "a", tmp_path / "a" / ".." / "..")
    with pytest.raises(ValueError, match="not in the subpath"):
        open_beneath(tmp_path / "a", tmp_path)
