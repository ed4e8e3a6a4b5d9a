"""Control groups: found in every layout of host, limits set in the words of each version, never more than was given."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from sandbox.linux import cgroup
from sandbox.linux.cgroup import Group


def hierarchy(top: Path, *controllers: str) -> Path:
    """A directory that looks like the root of a v2 hierarchy."""
    top.mkdir(parents=True)
    (top / "cgroup.controllers").write_text(" ".join(controllers))
    (top / "cgroup.subtree_control").write_text("")
    (top / "cgroup.procs").write_text("")
    return top


def mounted(path: Path, kind: str, options: str = "rw", root: str = "/") -> str:
    return f"30 23 0:26 {root} {path} rw,nosuid - {kind} cgroup {options}\n"


def test_v2_is_found_with_its_controllers(tmp_path: Path) -> None:
    top = hierarchy(tmp_path / "cg", "cpu", "io", "memory", "pids")
    hierarchy(top / "user.slice", "memory", "pids")
    own, whole = cgroup.candidates(mounts=mounted(top, "cgroup2"), membership="0::/user.slice\n")
    assert (own.version, set(own.directories)) == (2, {"memory", "pids"})
    assert own.directories["memory"] == top / "user.slice"
    assert whole.directories["cpu"] == top


def test_v1_wins_in_a_mixed_layout(tmp_path: Path) -> None:
    memory, pids, unified = tmp_path / "memory", tmp_path / "pids", hierarchy(tmp_path / "unified", "memory")
    (memory / "box/inner").mkdir(parents=True)
    pids.mkdir()
    mounts = mounted(memory, "cgroup", "rw,memory") + mounted(pids, "cgroup", "rw,pids") + mounted(unified, "cgroup2")
    (group,) = cgroup.candidates(mounts=mounts, membership="4:memory:/box/inner\n8:pids:/\n0::/\n")
    assert group.version == 1
    assert group.directories == {"memory": memory / "box/inner", "pids": pids}


def test_a_container_sees_only_its_part_of_the_hierarchy(tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    (memory / "inner").mkdir(parents=True)
    mounts = mounted(memory, "cgroup", "rw,memory", root="/docker/abc")
    (group,) = cgroup.candidates(mounts=mounts, membership="4:memory:/docker/abc/inner\n")
    assert group.directories == {"memory": memory / "inner"}


def test_without_any_nothing_is_found_and_nothing_happens() -> None:
    assert cgroup.candidates(mounts="1 2 0:1 / / rw - ext4 /dev/vda rw\n", membership="") == []
    nothing = Group()
    child = nothing.child("x", memory=1, cpus=1.0, processes=1)
    child.enter()
    child.remove()
    assert (child.oom_kills(), child.memory(), child.cpu_nanoseconds(), list(child.processes())) == (0, None, None, [])


def test_limits_in_the_words_of_v2(tmp_path: Path) -> None:
    top = hierarchy(tmp_path / "cg", "memory", "pids", "cpu")
    group = Group(dict.fromkeys(cgroup.CONTROLLERS, top), 2)
    child = group.child("a", memory=100 << 20, cpus=0.5, processes=7)
    assert (top / "cgroup.subtree_control").read_text() == "+memory +pids +cpu"
    assert (top / "a/memory.max").read_text() == str(100 << 20)
    assert (top / "a/pids.max").read_text() == "7"
    assert (top / "a/cpu.max").read_text() == "50000 100000"
    (top / "a/memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    (top / "a/cpu.stat").write_text("usage_usec 12\nuser_usec 5\n")
    (top / "a/memory.current").write_text("4096\n")
    assert (child.oom_kills(), child.cpu_nanoseconds(), child.memory()) == (2, 12_000, 4096)


@pytest.fixture
def real() -> Group:
    """A group of this process' own, on a host that gives some."""
    found = cgroup.candidates(
        mounts=Path("/proc/self/mountinfo").read_text(), membership=Path("/proc/self/cgroup").read_text()
    )
    assert found, "this host has no control groups: the sandbox tests need them"
    return found[0].child(f"quayside-test-{os.getpid()}")


@pytest.mark.sandbox
def test_the_kernel_enforces_what_is_set(real: Group) -> None:
    try:
        child = real.child("limited", memory=64 << 20, processes=20, cpus=1.0)
        script = "x = bytearray(200 << 20)"
        done = subprocess.run(["/usr/bin/python3", "-c", script], preexec_fn=child.enter, check=False)
        assert done.returncode == -9
        assert child.oom_kills() == 1
        forks = (
            "import os\ntry:\n for _ in range(99): os.fork() or os._exit(0)\nexcept BlockingIOError: print('bounded')"
        )
        done2 = subprocess.run(
            ["/usr/bin/python3", "-c", forks],
            preexec_fn=child.enter,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done2.stdout == "bounded\n"
    finally:
        deadline = time.monotonic() + 5
        while any(path.exists() for path in real.directories.values()) and time.monotonic() < deadline:
            real.remove()  # dead processes stay in a group until somebody has collected them
    assert not any(path.exists() for path in real.directories.values())


@pytest.mark.sandbox
def test_making_a_group_twice_sets_its_limits_again(real: Group) -> None:
    try:
        real.child("a", processes=10)
        again = real.child("a", processes=20)
        assert (again.directories["pids"] / "pids.max").read_text() == "20\n"
        again.remove()
        again.remove()
    finally:
        real.remove()
