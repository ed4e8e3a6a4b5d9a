from __future__ import annotations

import stat
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tutorials.secret import secret_from


def test_it_is_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret"
    secret = secret_from(path)
    assert len(secret) >= 64
    assert secret_from(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4) as processes:
        assert len(set(processes.map(secret_from, [tmp_path / "secret"] * 16))) == 1


@pytest.mark.parametrize("content", ["", "short", " " * 100])
def test_a_useless_one_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "secret").write_text(content)
    with pytest.raises(ValueError, match="no usable secret"):
        secret_from(tmp_path / "secret")
