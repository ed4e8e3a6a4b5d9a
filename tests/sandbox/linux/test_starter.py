"""The starter and its client together, with the real crun."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sandbox.linux import layout, oci, starter, streams
from sandbox.linux.cgroup import Group
from sandbox.linux.containers import CannotStart, Containers, NewContainer, NoSuchContainer, StarterGone, mark_oom_now
from tests.sandbox.inside import ROOT, alive, inside, open_files, until

pytestmark = pytest.mark.sandbox

SCRIPT_ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def pretend_cluster(config: Mapping[str, Any]) -> int:
    print("cluster", config["word"], flush=True)  # noqa: T201
    signal.sigwait({signal.SIGTERM}) if config["word"] == "stay" else None
    return 7


@asynccontextmanager
async def started() -> AsyncIterator[Containers]:
    listener = starter.listen(layout.STARTER_SOCKET)
    groups = {"learner": Group(), "pods": Group()}
    pid = os.fork()
    if pid == 0:
        try:
            starter.main(listener, groups=groups, entries={"cluster": pretend_cluster})
        finally:
            os._exit(1)
    listener.close()
    containers = await Containers.connect(layout.STARTER_SOCKET)
    try:
        yield containers
    finally:
        await containers.close()
        os.kill(pid, signal.SIGKILL)


def shell(name: str, script: str, *, tty: bool = False, **more: Any) -> NewContainer:
    process = oci.Process(("/bin/sh", "-c", script), SCRIPT_ENVIRONMENT, tty=tty)
    return NewContainer(name, oci.ContainerConfig(str(ROOT), process, hostname=name), **more)


async def output(containers: Containers, container: str, *argv: str) -> tuple[int, bytes]:
    session = await containers.exec(container, oci.Process(argv, SCRIPT_ENVIRONMENT), stdin=False)
    reader = await streams.open_reader(session.take("stdout"))
    printed = await reader.read()
    ended = await session.wait()
    session.close()
    return ended.code, printed


@inside
async def test_a_container_runs_logs_and_leaves_its_exit_code() -> None:
    log = layout.LEARNER / "a.log"
    async with started() as containers:
        await containers.start(shell("a", "echo out; echo err >&2; exit 3", log=str(log), labels={"pod": "p"}))
        ended = await containers.wait("a")
        assert (ended.code, ended.oom_killed) == (3, False)
        lines = [line.split(" ", 1)[1] for line in log.read_text().splitlines()]
        assert sorted(lines) == ["stderr F err", "stdout F out"]
        [listed] = await containers.list()
        assert (listed.id, listed.labels, listed.exit) == ("a", {"pod": "p"}, ended)
        await containers.remove("a")
        await containers.remove("a")
        assert await containers.list() == ()
        assert list((layout.BUNDLES / "containers").iterdir()) == []


@inside
async def test_signals_reach_the_first_process_and_show_in_the_exit_code() -> None:
    async with started() as containers:
        log = layout.LEARNER / "a.log"
        trap = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.02; done"
        await containers.start(shell("a", trap, log=str(log)))
        await until(lambda: "ready" in log.read_text())  # process 1 does not hear what it has no handler for
        await containers.kill("a", signal.SIGTERM)
        assert (await containers.wait("a")).code == 5
        await containers.start(shell("b", "sleep 100"))
        [pid] = [known.pid for known in await containers.list() if known.id == "b"]
        await asyncio.to_thread(mark_oom_now, layout.STARTER_SOCKET, pid)
        await containers.kill("b")
        ended = await containers.wait("b")
        assert (ended.code, ended.oom_killed) == (137, True)
        await containers.kill("b")  # has ended: nothing


@inside
async def test_sessions_have_pipes_or_a_console_and_end_with_their_connection() -> None:
    async with started() as containers:
        await containers.start(shell("a", "sleep 1000"))
        assert await output(containers, "a", "/bin/sh", "-c", "hostname; exit 4") == (4, b"a\n")
        session = await containers.exec("a", oci.Process(("/bin/cat",), SCRIPT_ENVIRONMENT))
        writer = await streams.open_writer(session.take("stdin"))
        reader = await streams.open_reader(session.take("stdout"))
        writer.write(b"x" * 200_000)
        writer.close()
        assert len(await reader.read()) == 200_000
        assert (await session.wait()).code == 0

        tty = oci.Process(("/bin/sh", "-c", "tty; stty size; exit 9"), SCRIPT_ENVIRONMENT, tty=True, size=(99, 31))
        session = await containers.exec("a", tty)
        reader = await streams.open_reader(session.take("console"))
        assert (await reader.read()).split() == [b"/dev/pts/0", b"31", b"99"]
        assert (await session.wait()).code == 9

        other = await Containers.connect(layout.STARTER_SOCKET)
        session = await other.exec("a", oci.Process(("/bin/sleep", "777"), SCRIPT_ENVIRONMENT))
        assert alive(session.pid)
        await other.close()
        with pytest.raises(StarterGone):
            await other.list()
        await until(lambda: not alive(session.pid))
        assert [known.exit for known in await containers.list()] == [None]


@inside
async def test_the_input_of_a_container_can_be_attached_to_and_ends_once() -> None:
    async with started() as containers:
        await containers.start(shell("a", "read x; echo got $x; cat; echo end", stdin=True, stdin_once=True))
        session = await containers.attach("a", stdin=True)
        reader = await streams.open_reader(session.take("stdout"))
        writer = await streams.open_writer(session.take("stdin"))
        writer.write(b"one\ntwo\n")
        writer.close()
        assert await reader.read() == b"got one\ntwo\nend\n"
        assert (await session.wait()).code == 0
        session.close()


@inside
async def test_a_flood_nobody_reads_cuts_the_reader_and_rotates_the_log() -> None:
    log = layout.LEARNER / "a.log"
    async with started() as containers:
        await containers.start(
            shell("a", "yes | head -c 3000000; sleep 0.1; echo; echo the end", log=str(log), log_limit=100_000)
        )
        session = await containers.attach("a")
        assert (await containers.wait("a")).code == 0
        assert log.read_text().splitlines()[-1].endswith("stdout F the end")
        assert log.stat().st_size <= 1_600_000  # the limit and what one read of 64 KiB of short lines becomes
        assert log.with_name("a.log.1").stat().st_size > 0
        reader = await streams.open_reader(session.take("stdout"))
        assert len(await reader.read()) < 2_500_000
        session.close()


@inside
async def test_what_cannot_start_says_why_and_leaves_nothing() -> None:
    async with started() as containers:
        missing = NewContainer("a", oci.ContainerConfig(str(ROOT), oci.Process(("/no/such/thing",))))
        with pytest.raises(CannotStart, match="no/such/thing"):
            await containers.start(missing)
        assert await containers.list() == ()
        await containers.start(shell("a", "sleep 1000"))
        with pytest.raises(CannotStart, match="already"):
            await containers.start(shell("a", "true"))
        with pytest.raises(CannotStart, match="no/such/thing"):
            await containers.exec("a", oci.Process(("/no/such/thing",)))
        with pytest.raises(NoSuchContainer):
            await containers.wait("b")


@inside
async def test_entry_points_are_forked_reported_and_may_be_started_again() -> None:
    log = layout.OURS / "cluster.log"
    async with started() as containers:
        pid = await containers.fork("cluster", {"word": "stay"}, log=str(log))
        with pytest.raises(CannotStart):
            await containers.fork("cluster", {"word": "stay"}, log=str(log))
        await until(lambda: open_files(pid) <= {"0", "1", "2"})
        await containers.kill("cluster", signal.SIGKILL)
        assert (await containers.wait("cluster")).code == 137
        await containers.fork("cluster", {"word": "go"}, log=str(log))
        assert (await containers.wait("cluster")).code == 7
        assert log.read_text().splitlines()[-1] == "cluster go"


@inside
async def test_containers_outlive_the_connection_that_started_them_and_use_is_counted() -> None:
    async with started() as containers:
        other = await Containers.connect(layout.STARTER_SOCKET)
        await other.start(shell("a", "sleep 1000 & wait"))
        await other.close()
        while (usage := await containers.usage("a")) is not None and usage.processes < 2:
            pass  # the shell has not forked yet
        assert usage is not None
        assert usage.processes == 2
        assert usage.memory_bytes > 0


@inside
async def test_many_start_at_once() -> None:
    async with started() as containers:
        began = time.monotonic()
        await asyncio.gather(*(containers.start(shell(f"c{n}", "exit 1")) for n in range(40)))
        ends = await asyncio.gather(*(containers.wait(f"c{n}") for n in range(40)))
        assert {end.code for end in ends} == {1}
        assert len(await containers.list()) == 40
        assert time.monotonic() - began < 30


@inside
async def test_a_container_sees_only_itself_and_has_no_more_than_fourteen_capabilities() -> None:
    script = (
        "ls /proc | grep -c '^[0-9]'; grep CapBnd /proc/self/status; unshare -U true 2>&1; mount -t tmpfs x /mnt 2>&1"
    )
    async with started() as containers:
        await containers.start(shell("a", "sleep 1000"))
        _, printed = await output(containers, "a", "/bin/sh", "-c", script)
        lines = printed.decode().splitlines()
        assert int(lines[0]) <= 5
        assert lines[1].split()[1] == "00000000a80425fb"
        assert "Operation not permitted" in lines[2]
        assert "permission denied" in lines[3].lower()
