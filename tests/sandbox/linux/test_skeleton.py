"""The small Debian that every root has: the host's settings, none of its people."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandbox.linux import skeleton


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host with secrets and with things worth having."""
    etc = tmp_path / "host/etc"
    for name in ("ssl/certs", "ssl/private", "skel", "alternatives"):
        (etc / name).mkdir(parents=True)
    for name in ("bin", "lib"):
        (tmp_path / "host/usr" / name).mkdir(parents=True)
    for name in ("shadow", "passwd", "ssl/private/key.pem", "hostname", "ssh_host_key", "sudoers"):
        (etc / name).write_text("the host's secret\n")
    (etc / "ssl/certs/ca.crt").write_text("CA\n")
    (etc / "skel/.profile").write_text("umask 022\n")
    (etc / "alternatives/vi").symlink_to("/usr/bin/vim")
    (etc / "profile").write_text("umask 022\n")
    (etc / "profile").chmod(0o4777)
    return tmp_path / "host"


def test_nothing_of_the_hosts_people_comes_along(host: Path, tmp_path: Path) -> None:
    skeleton.build(tmp_path / "made", host=host)
    texts = [path.read_text() for path in (tmp_path / "made").rglob("*") if path.is_file() and not path.is_symlink()]
    assert texts
    assert not any("the host's secret" in text for text in texts)
    assert "learner:x:1000:1000" in (tmp_path / "made/etc/passwd").read_text()


def test_what_programs_need_comes_along(host: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    skeleton.build(made, host=host)
    assert (made / "etc/ssl/certs/ca.crt").read_text() == "CA\n"
    assert (made / "etc/alternatives/vi").readlink() == Path("/usr/bin/vim")
    assert (made / "bin").readlink() == Path("usr/bin")
    assert not (made / "lib64").exists()
    assert (made / "root/.profile").read_text() == "umask 022\n"
    assert (made / "tmp").stat().st_mode & 0o7777 == 0o1777
    assert (made / "etc/profile").stat().st_mode & 0o7777 == 0o755


def test_the_learners_home_is_theirs_where_there_are_ids(host: Path, tmp_path: Path) -> None:
    skeleton.build(tmp_path / "range", host=host, mode="range")
    assert (tmp_path / "range/home/learner/.profile").stat().st_uid == 1000
    skeleton.build(tmp_path / "single", host=host, mode="single")
    assert (tmp_path / "single/home/learner").stat().st_uid == os.geteuid()


def test_building_twice_leaves_the_same(host: Path, tmp_path: Path) -> None:
    skeleton.build(tmp_path / "made", host=host)
    before = sorted(path.relative_to(tmp_path) for path in (tmp_path / "made").rglob("*"))
    skeleton.build(tmp_path / "made", host=host)
    assert sorted(path.relative_to(tmp_path) for path in (tmp_path / "made").rglob("*")) == before
