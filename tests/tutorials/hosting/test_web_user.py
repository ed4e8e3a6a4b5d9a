import os
import subprocess
from pathlib import Path

import pytest

from tutorials.hosting.web_user import WebUser, _alone, as_user, give

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
SOMEBODY = WebUser(uid=61234, gid=61234, change=True)


def folders(parent: Path) -> tuple[Path, Path, Path]:
    made = tuple(parent / name for name in ("the checkout", "data", "lessons"))
    for folder in made:
        folder.mkdir()
        (folder / "name").write_text(folder.name)
    return made


def test_an_ordinary_user_stays_who_they_are(tmp_path: Path) -> None:
    me = WebUser(os.geteuid(), os.getegid(), change=False)
    seen = as_user(["true"], me, checkout=tmp_path, data=tmp_path / "data")
    assert (seen.command, seen.checkout, seen.data) == (["true"], tmp_path, tmp_path / "data")


@needs_root
@pytest.mark.parametrize("mode", [0o755, 0o700], ids=["open", "closed to others"])
def test_root_hands_over_to_a_user_who_sees_every_folder(tmp_path: Path, mode: int) -> None:
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    checkout, data, lessons = folders(home)
    home.chmod(mode)
    script = 'id -u; cat name "$0/name" "$1/name"; pwd'
    seen = as_user(["true"], SOMEBODY, checkout=checkout, data=data, lessons=[lessons])
    asked = ["sh", "-c", script, str(seen.data), str(seen.lessons[0])]
    seen = as_user(asked, SOMEBODY, checkout=checkout, data=data, lessons=[lessons])
    done = subprocess.run(seen.command, cwd=seen.start_in(checkout), capture_output=True, text=True, timeout=20)
    assert done.stderr == ""
    assert done.stdout == f"61234\nthe checkoutdatalessons{seen.checkout}\n"
    assert (seen.checkout == checkout) == (mode == 0o755)


@needs_root
def test_what_is_given_is_never_what_a_link_points_to(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("")
    data = tmp_path / "data"
    (data / "lessons").mkdir(parents=True)
    (data / "secret").write_text("")
    (data / "link").symlink_to(theirs)
    (data / "lessons/link").symlink_to(theirs)
    give(data, SOMEBODY)
    assert (data / "secret").stat().st_uid == SOMEBODY.uid
    assert theirs.stat().st_uid == 0


@pytest.mark.parametrize(
    ("uid_map", "alone"), [("0 0 4294967295\n", False), ("0 1000 1\n", True), ("0 1000 1\n1 100000 65536\n", False)]
)
def test_a_root_without_any_other_user_stays_who_it_is(uid_map: str, alone: bool) -> None:
    assert _alone(uid_map) == alone
