"""Scripts, commands, files and ports of a real sandbox."""

from __future__ import annotations

import asyncio
import hashlib
import time

import pytest

from sandbox.client import AgentError, SandboxClient, Size
from sandbox.command_stream import CommandStream

pytestmark = pytest.mark.sandbox


async def command_in(sandbox: SandboxClient, argv: list[str], *, tty: Size | None = None) -> CommandStream:
    command = CommandStream(await sandbox._connect())
    await command.start(argv, tty=tty)
    return command


async def test_a_script_runs_as_the_learner_in_their_own_root(sandbox: SandboxClient) -> None:
    done = await sandbox.run("echo out; echo err >&2; echo $X; touch /root/made; exit 5", environment={"X": "given"})
    assert (done.status, done.output) == (5, b"out\nerr\ngiven\n")
    assert (await sandbox.run("ls /root")).output == b"made\n"


async def test_a_clean_script_sees_the_learners_root_and_cannot_change_it(sandbox: SandboxClient) -> None:
    await sandbox.run("echo mine > /root/file; echo 'exit 0' > /usr/local/bin/test; mkdir -p /usr/local/sbin")
    script = "cat /learner/root/file; touch /learner/x /learner/usr/x /x /usr/x; ls /root | wc -l; exit 3"
    done = await sandbox.run(script, where="clean")
    assert done.status == 3
    lines = done.output.decode().splitlines()
    assert lines[0] == "mine"
    assert sum("Read-only" in line for line in lines) == 4
    assert lines[-1] == "0"
    assert (await sandbox.run("pgrep -c sleep", where="clean")).output == b"1\n"


async def test_a_script_by_another_interpreter_runs_by_it(sandbox: SandboxClient) -> None:
    done = await sandbox.run("#!/usr/bin/python3\nimport sys\nprint('python', sys.version_info[0], \"it's\")\n")
    assert (done.status, done.output) == (0, b"python 3 it's\n")


@pytest.mark.parametrize("where", ["learner", "clean"])
async def test_the_deadline_kills_a_script_and_all_it_started(sandbox: SandboxClient, where: str) -> None:
    began = time.monotonic()
    done = await sandbox.run("echo begun; sleep 543 & sleep 543", where=where, timeout=0.5)  # type: ignore[arg-type]
    assert (done.status, done.output) == (137, b"begun\n")
    assert time.monotonic() - began < 10
    assert (await sandbox.run("pgrep -f 'sleep [5]43' || echo none")).output == b"none\n"


async def test_what_a_script_leaves_running_neither_holds_it_up_nor_dies_of_it(sandbox: SandboxClient) -> None:
    server = "(sleep 0.5; echo printed on; sleep 0.1; touch /tmp/survived; sleep 321) &"
    began = time.monotonic()
    assert (await sandbox.run(f"echo begun; {server}")).output == b"begun\n"
    assert time.monotonic() - began < 5
    async with asyncio.timeout(10):
        while (await sandbox.run("test -e /tmp/survived && pgrep -f 'sleep [3]21'")).status != 0:
            pass


async def test_output_is_bounded(sandbox: SandboxClient) -> None:
    done = await sandbox.run("head -c 5000000 /dev/zero; exit 2")
    assert (done.status, len(done.output)) == (2, 1 << 20)


async def test_files_are_written_as_the_learner_and_links_lead_nowhere(learners_sandbox: SandboxClient) -> None:
    big = bytes(range(256)) * 1000
    await learners_sandbox.put({"/home/learner/a/b c": (big, 0o750), "/tmp/empty": (b"", 0o600)})
    done = await learners_sandbox.run("stat -c '%U %a %s' '/home/learner/a/b c' /tmp/empty; sha256sum < ~/a/b\\ c")
    assert done.output.split() == [
        *b"learner 750 256000 learner 600 0".split(), hashlib.sha256(big).hexdigest().encode(), b"-",
    ]  # fmt: skip
    with pytest.raises(AgentError, match="could not be written"):
        await learners_sandbox.put({"/etc/passwd": (b"x", 0o644)})
    for path in ("relative", "/a/../b", "/dir/"):
        with pytest.raises(AgentError, match="not an absolute path"):
            await learners_sandbox.put({path: (b"x", 0o644)})
    await learners_sandbox.run("ln -s /var/lib /home/learner/out")
    with pytest.raises(AgentError):
        await learners_sandbox.put({"/home/learner/out/x": (b"x", 0o644)})


async def test_a_command_has_streams_of_its_own(sandbox: SandboxClient) -> None:
    command = await command_in(sandbox, ["/bin/sh", "-c", "cat; echo done >&2; exit 6"])
    await command.write(b"typed\n" * 20_000)
    await command.end_input()
    printed = {"stdout": b"", "stderr": b""}
    async for stream, data in command.output():
        printed[stream] += data
    assert (printed["stdout"], printed["stderr"], command.status) == (b"typed\n" * 20_000, b"done\n", 6)


async def test_a_command_with_a_terminal_has_one(sandbox: SandboxClient) -> None:
    command = await command_in(sandbox, ["/bin/bash", "-c", "stty size; read x; echo got $x"], tty=Size(77, 22))
    printed = b""
    async for _, data in command.output():
        printed += data
        if printed == b"22 77\r\n":
            await command.write(b"key\r")
    assert printed.split() == [b"22", b"77", b"key", b"got", b"key"]
    assert command.status == 0


async def test_closing_ends_a_command(sandbox: SandboxClient) -> None:
    command = await command_in(sandbox, ["/bin/sleep", "432"])
    command.close()
    async with asyncio.timeout(5):
        while (await sandbox.run("pgrep -f 'sleep [4]32' || echo none")).output != b"none\n":
            pass


async def test_a_port_inside_can_be_dialled_and_only_inside(sandbox: SandboxClient) -> None:
    server = (
        "import socket; s = socket.create_server(('127.0.0.1', 8123)); c, _ = s.accept(); c.sendall(c.recv(9).upper())"
    )
    await sandbox.run(f'setsid python3 -IS -c "{server}" >/dev/null 2>&1 &')
    async with asyncio.timeout(10):
        while (await sandbox.run("grep -q ':1FBB 00000000:0000 0A' /proc/net/tcp")).status != 0:
            pass
    reader, writer = await sandbox.dial(8123)
    writer.write(b"hello")
    assert await reader.read() == b"HELLO"
    writer.close()
    with pytest.raises(AgentError, match="Nothing answers"):
        await sandbox.dial(8124)
    for host in ("8.8.8.8", "localhost", "192.168.1.1"):
        with pytest.raises(AgentError, match="host"):
            await sandbox.dial(80, host)


async def test_what_is_used_is_counted(sandbox: SandboxClient) -> None:
    await sandbox.run("head -c 3000000 /dev/zero > /root/file")
    stats = await sandbox.stats()
    assert stats["disk_bytes"] > 3_000_000
    assert stats["disk_limit"] == 64 << 20
    assert stats["memory_limit"] == 256 << 20
    assert stats["containers"] == 1
    assert 0 < stats["agent_memory_bytes"] < 200 << 20
