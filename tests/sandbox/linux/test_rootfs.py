"""Roots of overlays, made where they are made: inside a sandbox."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sandbox.linux import layout, mount, rootfs
from tests.sandbox.inside import inside

pytestmark = pytest.mark.sandbox

TARGET, UPPER = layout.LEARNER / "made", layout.LEARNER / "upper"


def make_trees() -> None:
    """Small trees in the places of the system's, over whatever the test's own root has there."""
    for directory in (layout.SYSTEM, layout.LEARNER / "layers"):
        mount.memory(directory, size=4 << 20)
    for path, text in (
        (layout.SYSTEM_SKELETON / "etc/hostname", "minikube"),
        (layout.SYSTEM_USR / "bin/program", "host"),
        (layout.SYSTEM_USR / "local/bin/secret", "the host's own"),
        (layout.LEARNER / "layers/app/app/server", "v1"),
        (layout.LEARNER / "layers/app/usr/bin/program", "image"),
        (layout.LEARNER / "layers/top/app/server", "v2"),
        (layout.LEARNER / "layers/tools/usr/local/bin/kubectl", "tool"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (layout.SYSTEM_SKELETON / "usr").mkdir()
    layout.SYSTEM_HIDDEN.mkdir()
    os.mknod(layout.SYSTEM_HIDDEN / "local", 0o600 | stat.S_IFCHR, os.makedev(0, 0))


def layer(name: str) -> Path:
    return layout.LEARNER / "layers" / name


@inside
async def test_layers_are_stacked_topmost_first() -> None:
    make_trees()
    rootfs.mount_root(TARGET, upper=UPPER, layers=[layer("top"), layer("app")])
    assert (TARGET / "app/server").read_text() == "v2"
    assert (TARGET / "usr/bin/program").read_text() == "image"
    assert (TARGET / "etc/hostname").read_text() == "minikube"


@inside
async def test_the_hosts_own_programs_are_hidden_and_ours_are_not() -> None:
    make_trees()
    rootfs.mount_root(TARGET, upper=UPPER, layers=[layer("tools")])
    assert [path.name for path in (TARGET / "usr/local").rglob("*")] == ["bin", "kubectl"]
    assert (TARGET / "usr/bin/program").read_text() == "host"


@inside
async def test_without_layers_there_is_no_usr_local() -> None:
    make_trees()
    rootfs.mount_root(TARGET, upper=UPPER)
    assert not (TARGET / "usr/local").exists()


@inside
async def test_what_is_written_lands_in_the_upper_and_survives() -> None:
    make_trees()
    rootfs.mount_root(TARGET, upper=UPPER)
    (TARGET / "etc/hostname").write_text("mine")
    (TARGET / "usr/bin/program").write_text("mine too")
    assert (layout.SYSTEM_SKELETON / "etc/hostname").read_text() == "minikube"
    rootfs.unmount_root(TARGET)
    rootfs.unmount_root(TARGET)
    assert list(TARGET.iterdir()) == []
    rootfs.mount_root(TARGET, upper=UPPER)
    rootfs.mount_root(TARGET, upper=UPPER)
    assert (TARGET / "etc/hostname").read_text() == "mine"
    assert (TARGET / "usr/bin/program").read_text() == "mine too"


def test_more_layers_than_an_overlay_can_name_are_refused() -> None:
    with pytest.raises(rootfs.TooManyLayers):
        rootfs.mount_root(Path("/nowhere"), upper=Path("/nowhere"), layers=[Path("/x" * 100)] * 100)
