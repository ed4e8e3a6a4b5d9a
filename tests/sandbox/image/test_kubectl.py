"""How kubectl comes to the learners."""

from __future__ import annotations

import hashlib
import io
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sandbox.image import debian, kubectl

PROGRAM = b"\x7fELF kubectl" * 1000


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without kubectl, where nobody is root."""
    monkeypatch.setattr(kubectl, "_on_this_machine", lambda: None)
    monkeypatch.setattr("os.geteuid", lambda: 1000)


class Answer(io.BytesIO):
    """What a server sends."""

    headers = {"Content-Length": str(len(PROGRAM))}  # noqa: RUF012


def serve(monkeypatch: pytest.MonkeyPatch, checksum: str) -> list[str]:
    asked: list[str] = []

    def open_address(url: str, timeout: float) -> Any:
        asked.append(url)
        return Answer(checksum.encode() if url.endswith(".sha256") else PROGRAM)

    monkeypatch.setattr(urllib.request, "urlopen", open_address)
    return asked


def test_the_machines_own_is_used_where_learners_see_it(tmp_path: Path) -> None:
    said: list[str] = []
    found = kubectl._on_this_machine()
    if found is None or not kubectl._visible(found):
        pytest.skip("this machine has no kubectl below /usr")
    assert kubectl.set_up(tmp_path, said.append) == found
    assert said == [f"  kubectl: the machine's own, {found}"]
    assert kubectl.completion(found, tmp_path) == tmp_path / "usr/local/share/bash-completion/completions/kubectl"
    assert "__start_kubectl" in (tmp_path / "usr/local/share/bash-completion/completions/kubectl").read_text()


def test_one_that_learners_cannot_see_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = tmp_path / "elsewhere"
    theirs.write_bytes(PROGRAM)
    monkeypatch.setattr(kubectl, "_on_this_machine", lambda: theirs)
    ours = kubectl.set_up(tmp_path / "tools", lambda _line: None)
    assert ours == tmp_path / "tools/usr/local/bin/kubectl"
    assert ours.read_bytes() == PROGRAM
    assert ours.stat().st_mode & 0o777 == 0o755


@pytest.mark.usefixtures("nowhere")
def test_the_official_release_is_fetched_once_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = serve(monkeypatch, hashlib.sha256(PROGRAM).hexdigest())
    said: list[str] = []
    ours = kubectl.set_up(tmp_path, said.append)
    assert ours.read_bytes() == PROGRAM
    assert all(url.startswith(f"https://dl.k8s.io/release/{kubectl.VERSION}/bin/linux/") for url in asked)
    assert said[-1] == f"  kubectl: {kubectl.VERSION} downloaded, checksum right"
    asked.clear()
    assert kubectl.set_up(tmp_path, said.append) == ours
    assert asked == []


def unpacks(monkeypatch: pytest.MonkeyPatch) -> None:
    def unpack(packages: Sequence[str], root: Path, *, state: Path) -> None:
        assert packages == ["kubernetes-client"]
        (root / "usr/bin").mkdir(parents=True)
        (root / "usr/bin/kubectl").write_bytes(b"Debian's")

    monkeypatch.setattr(debian, "unpack", unpack)


def refuse(_url: str, timeout: float) -> Any:
    raise urllib.error.URLError("no route")


@pytest.mark.usefixtures("nowhere")
def test_a_wrong_checksum_is_never_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, "0" * 64)
    unpacks(monkeypatch)
    assert kubectl.set_up(tmp_path, lambda _line: None).read_bytes() == b"Debian's"


@pytest.mark.usefixtures("nowhere")
def test_without_the_release_site_it_is_debians_for_which_nobody_must_be_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    unpacks(monkeypatch)
    said: list[str] = []
    ours = kubectl.set_up(tmp_path, said.append)
    assert (ours.read_bytes(), ours.stat().st_mode & 0o777) == (b"Debian's", 0o755)
    assert said == ["  kubectl: fetching Debian's, since dl.k8s.io cannot be reached (no route)"]


@pytest.mark.usefixtures("nowhere")
def test_without_internet_the_remedy_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(*_arguments: object, **_options: object) -> None:
        raise debian.PackageUnavailable("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(debian, "unpack", unavailable)
    with pytest.raises(kubectl.KubectlMissing, match=r"no network.*\n.*put the program kubectl into /usr/bin"):
        kubectl.set_up(tmp_path, lambda _line: None)
    assert list((tmp_path / "usr/local/bin").iterdir()) == []
