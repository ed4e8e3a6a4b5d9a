from pathlib import Path

import pytest

from tutorials.hosting import admin_link


def test_the_running_site_is_named_by_its_lock(tmp_path: Path) -> None:
    assert admin_link.running_url(tmp_path) is None
    (tmp_path / "up.lock").write_text("http://localhost:8123/\n")
    assert admin_link.running_url(tmp_path) == "http://localhost:8123/"


def test_without_a_site_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["admin-link", "--data", str(tmp_path)])
    assert admin_link.main() == 1
    assert "Start one with ./quayside up" in capsys.readouterr().err
