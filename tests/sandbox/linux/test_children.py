from __future__ import annotations

import os
from pathlib import Path

from sandbox.linux.cgroup import Group
from sandbox.linux.children import Children


async def run(argv: list[str], out: Path, group: Group | None = None) -> int:
    null, written = os.open(os.devnull, os.O_RDWR), os.open(out, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        children = Children()
        environment = {"PATH": "/usr/bin:/bin", "SAID": "a $b"}
        return await children.run(argv, stdio=(null, written, null), environment=environment, deadline=10, group=group)
    finally:
        os.close(null)
        os.close(written)


async def test_a_program_gets_its_words_and_its_environment_and_says_how_it_ended(tmp_path: Path) -> None:
    script = 'printf "%s|%s|%s" "$1" "$2" "$SAID"; exit 3'
    assert await run(["/bin/sh", "-c", script, "sh", "one two", "'$(x)"], tmp_path / "out") == 3
    assert (tmp_path / "out").read_text() == "one two|'$(x)|a $b"


async def test_a_program_enters_every_directory_of_its_group_before_it_runs(tmp_path: Path) -> None:
    memory, pids = tmp_path / "it's memory", tmp_path / "pids"
    for directory in (memory, pids):
        directory.mkdir()
    script = 'cat "$1/cgroup.procs" "$2/cgroup.procs"; printf "%s" "$SAID"'
    group = Group({"memory": memory, "pids": pids}, 1)
    assert await run(["/bin/sh", "-c", script, "sh", str(memory), str(pids)], tmp_path / "out", group) == 0
    assert (tmp_path / "out").read_text() == "0\n0\na $b"


async def test_a_program_that_cannot_enter_its_group_does_not_run(tmp_path: Path) -> None:
    group = Group({"memory": tmp_path / "gone"}, 1)
    assert await run(["/bin/sh", "-c", "echo it ran"], tmp_path / "out", group) != 0
    assert (tmp_path / "out").read_text() == ""
