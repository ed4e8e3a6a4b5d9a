"""Network namespaces bound to files."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.linux import network_namespace, syscalls
from tests.sandbox.inside import inside

pytestmark = pytest.mark.sandbox

PATH = Path("/run/quayside/namespace")


def own() -> str:
    return str(Path("/proc/thread-self/ns/net").readlink())


def left() -> list[str]:
    return [path.name for path in PATH.parent.iterdir() if path == PATH]


@inside
async def test_one_steps_in_and_always_out_again() -> None:
    before = own()
    network_namespace.create(PATH)
    assert own() == before
    with network_namespace.entered(PATH):
        inner = own()
        assert inner != before
    assert own() == before
    with pytest.raises(RuntimeError, match="inside"), network_namespace.entered(PATH):
        raise RuntimeError("inside")
    assert own() == before
    with network_namespace.entered(PATH):
        assert own() == inner


@inside
async def test_making_what_exists_is_refused_and_removing_what_is_gone_is_not() -> None:
    network_namespace.create(PATH)
    with pytest.raises(FileExistsError):
        network_namespace.create(PATH)
    for _ in range(2):
        network_namespace.remove(PATH)
    assert left() == []
    network_namespace.create(PATH)
    syscalls.umount(PATH)  # as if the creation had been cut short
    network_namespace.remove(PATH)
    assert left() == []
