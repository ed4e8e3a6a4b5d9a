"""Terminals of a real sandbox: real launcher, real crun, real bash."""

from __future__ import annotations

import asyncio
import time

import pytest

from sandbox.client import SandboxClient, Size
from tests.sandbox.agent.screen import SIZE, Screen

pytestmark = pytest.mark.sandbox


async def test_a_terminal_opens_at_a_prompt_and_says_what_runs_and_how_it_ended(sandbox: SandboxClient) -> None:
    screen = await Screen.open(sandbox, size=Size(91, 33))
    await screen.prompt()
    assert screen.shown.endswith(b"$ ")
    assert await screen.run("echo hello $((40+2)); (exit 7)") == (b"hello 42\r\n", 7)
    assert (await screen.run("stty size; tty; echo $TERM $LANG"))[0].split() == [
        b"33", b"91", b"/dev/pts/0", b"xterm-256color", b"C.UTF-8",
    ]  # fmt: skip
    [terminal] = await sandbox.terminals()
    assert (terminal["name"], terminal["state"], terminal["status"]) == ("1", "prompt", 0)
    commands = [message["command"] for message in screen.messages if message.get("mark") == "command"]
    assert commands == ["echo hello $((40+2)); (exit 7)", "stty size; tty; echo $TERM $LANG"]
    assert b"133;" not in screen.shown


async def test_terminals_share_files_and_processes_and_see_nothing_of_ours(sandbox: SandboxClient) -> None:
    one, two = await Screen.open(sandbox), await Screen.open(sandbox, "2")
    await one.prompt()
    await two.prompt()
    await one.run("echo shared > /tmp/x; sleep 987 &")
    assert (await two.run("cat /tmp/x; pgrep -c -f 'sleep [9]87'"))[0].split() == [b"shared", b"1"]
    seen, _ = await two.run("ps -eo args=; ls /run; cat /proc/net/unix | grep -c quayside; mount | grep -c quayside/")
    assert b"launch" not in seen
    assert b"python" not in seen
    assert b"minikube.sock" in seen
    assert b"starter" not in seen


async def test_signals_are_as_a_shell_expects_them(sandbox: SandboxClient) -> None:
    screen = await Screen.open(sandbox)
    await screen.prompt()
    assert (await screen.run("yes | head -1; echo ${PIPESTATUS[0]}"))[0].split() == [b"y", b"141"]
    await screen.stream.write(b"bash -c 'echo re''ady; sleep 100; echo never'\n")
    await screen.until(lambda it: b"ready\r\n" in it.shown)
    await screen.stream.write(b"\x03")
    assert (await screen.message(type="mark", mark="finished"))["status"] == 130


async def test_a_flood_stops_at_its_source_and_ctrl_c_ends_it(sandbox: SandboxClient) -> None:
    screen = await Screen.open(sandbox, acknowledging=False)
    await screen.prompt()
    await screen.stream.write(b"yes\n")
    await screen.until(lambda it: it.offset > 120 * 1024)
    assert await screen.silent(0.5)
    assert screen.offset <= 128 * 1024 + 200
    await screen.stream.write(b"\x03")
    screen.acknowledging = True
    await screen.stream.control({"type": "ack", "offset": screen.offset})
    began = time.monotonic()
    await screen.message(type="mark", mark="finished", status=130)
    assert time.monotonic() - began < 5


async def test_no_byte_is_lost_in_a_flood(sandbox: SandboxClient) -> None:
    screen = await Screen.open(sandbox)
    await screen.prompt()
    before = screen.offset
    printed, _ = await screen.run("seq 1 200000")
    assert printed.split() == [b"%d" % number for number in range(1, 200001)]
    assert screen.offset - before > 1_000_000


async def test_an_attachment_goes_on_where_the_last_one_was_cut(sandbox: SandboxClient) -> None:
    screen = await Screen.open(sandbox)
    await screen.prompt()
    await screen.run("echo before")
    await screen.close()
    other = await Screen.open(sandbox, viewer="b")
    await other.until(lambda it: b"before" in it.shown)
    await other.prompt() if not other.shown.endswith(b"$ ") else None
    await other.run("echo meanwhile")
    again = await Screen.open(sandbox, since=screen.offset)
    await again.until(lambda it: b"meanwhile\r\n" in it.shown and it.shown.endswith(b"$ "))
    assert [message["type"] for message in again.messages] == ["attached"]
    assert again.offset == other.offset
    beyond = await Screen.open(sandbox, since=1 << 40, viewer="c")
    await beyond.until(lambda it: b"before" in it.shown)
    assert [message["type"] for message in beyond.messages] == ["attached", "reset"]


async def test_who_typed_last_decides_the_size(sandbox: SandboxClient) -> None:
    one = await Screen.open(sandbox, size=Size(80, 24))
    await one.prompt()
    two = await Screen.open(sandbox, size=Size(120, 40), viewer="b")
    await two.until(lambda it: it.shown.endswith(b"$ "))
    assert (await one.run("stty size"))[0].split() == [b"24", b"80"]
    await two.prompt()
    assert (await two.run("stty size"))[0].split()[-2:] == [b"40", b"120"]
    assert (await one.message(type="size"))["columns"] == 120
    watcher = await Screen.open(sandbox, size=Size(10, 10), viewer="c", interactive=False)
    await watcher.stream.write(b"echo never\n")
    await watcher.stream.control({"type": "resize", "columns": 20, "rows": 20})
    assert (await two.run("stty size"))[0].split()[-2:] == [b"40", b"120"]
    assert b"never" not in two.shown


async def test_a_viewer_that_does_not_keep_up_never_stops_the_owner(sandbox: SandboxClient) -> None:
    owner = await Screen.open(sandbox)
    await owner.prompt()
    watcher = await Screen.open(sandbox, viewer="b", interactive=False, acknowledging=False)
    await owner.stream.write(b"seq 1 150000\n")
    await owner.message(type="mark", mark="finished", status=0)
    await owner.stream.write(b"echo the end\n")
    await owner.until(lambda it: b"the end\r\n" in it.shown)
    watcher.acknowledging = True
    await watcher.stream.control({"type": "ack", "offset": 1 << 40})
    await watcher.until(lambda it: b"the end\r\n" in it.shown)
    resets = [message for message in watcher.messages if message["type"] == "reset"]
    assert len(resets) >= 2


async def test_exit_gives_a_new_shell_in_the_same_terminal(sandbox: SandboxClient) -> None:
    screen = await Screen.open(sandbox)
    await screen.prompt()
    await screen.run("echo kept > ~/file")
    await screen.stream.write(b"exit 3\n")
    assert (await screen.message(type="exit"))["status"] == 3
    await screen.prompt()
    assert (await screen.run("cat ~/file"))[0] == b"kept\r\n"


async def test_killing_everything_in_the_container_gives_a_new_shell_too(sandbox: SandboxClient) -> None:
    screen = await Screen.open(sandbox)
    await screen.prompt()
    await screen.stream.write(b"kill -9 -1; kill -9 $$\n")
    await screen.message(type="exit")
    await screen.prompt()
    assert (await screen.run("echo again"))[0] == b"again\r\n"


async def test_a_closed_terminal_takes_its_processes_with_it(sandbox: SandboxClient) -> None:
    screen = await Screen.open(sandbox, "2")
    await screen.prompt()
    await screen.stream.write(b"sleep 765\n")
    await screen.message(type="mark", mark="command")
    await sandbox.close_terminal("2")
    assert (await screen.message(type="closed"))["reason"] == "closed"
    assert await sandbox.terminals() == []
    async with asyncio.timeout(5):
        while (await sandbox.run("pgrep -f 'sleep [7]65' || echo none")).output != b"none\n":
            pass
    await sandbox.close_terminal("2")


async def test_the_same_viewer_attaching_again_replaces_the_older_attachment(sandbox: SandboxClient) -> None:
    one = await Screen.open(sandbox)
    await one.prompt()
    two = await Screen.open(sandbox)
    assert (await one.message(type="closed"))["reason"] == "replaced"
    await two.until(lambda it: it.shown.endswith(b"$ "))
    assert (await two.run("echo two"))[1] == 0


async def test_korean_arrives_whole_and_pastes_are_typed_whole(sandbox: SandboxClient) -> None:
    screen = await Screen.open(sandbox)
    await screen.prompt()
    assert (await screen.run("echo 안녕하세요; echo 한글 | cat"))[0].decode() == "안녕하세요\r\n한글\r\n"
    assert any(message.get("command", "").startswith("echo 안녕하세요") for message in screen.messages)
    await screen.stream.write(b"cat > /tmp/paste\n")
    await screen.message(type="mark", mark="command")
    for _ in range(30):
        await screen.stream.write(b"0123456789\n" * 500)
    await screen.stream.write(b"\x04")
    await screen.message(type="mark", mark="finished")
    await screen.prompt()
    assert (await screen.run("wc -c < /tmp/paste"))[0] == b"165000\r\n"


async def test_a_megabyte_that_is_echoed_is_typed_whole(sandbox: SandboxClient) -> None:
    screen = await Screen.open(sandbox)
    await screen.prompt()
    await screen.stream.write(b"cat > /tmp/paste\n")
    await screen.message(type="mark", mark="command")
    for _ in range(64):  # nothing of the echo is read, let alone acknowledged, before all of it is written
        await screen.stream.write(b"0123456789abcde\n" * 1024)
    await screen.stream.write(b"\x04")
    await screen.message(type="mark", mark="finished")
    await screen.prompt()
    assert (await screen.run("wc -c < /tmp/paste"))[0] == b"1048576\r\n"


async def test_what_was_typed_before_detaching_arrives(sandbox: SandboxClient) -> None:
    watching = await Screen.open(sandbox)
    await watching.prompt()
    for turn in range(10):
        stream = await sandbox.attach("1", since=None, size=SIZE, viewer="lesson", interactive=True)
        await stream.write(b"echo turn-$((%d + 100))\n" % turn)
        await stream.close()
        await watching.until(lambda it, turn=turn: b"turn-%d\r" % (turn + 100) in it.shown)


async def test_a_learner_who_is_no_root_is_none(learners_sandbox: SandboxClient) -> None:
    screen = await Screen.open(learners_sandbox)
    await screen.prompt()
    printed, _ = await screen.run("id -un; id -u; pwd; touch ~/x && echo mine; touch /etc/x || echo refused")
    lines = printed.decode().splitlines()
    assert lines[:4] == ["learner", "1000", "/home/learner", "mine"]
    assert lines[-1] == "refused"


async def test_it_may_have_only_so_many_terminals_and_a_name_is_a_name(sandbox: SandboxClient) -> None:
    for number in range(8):
        await (await Screen.open(sandbox, f"t{number}")).step()
    with pytest.raises(Exception, match="8 terminals"):
        await Screen.open(sandbox, "one-more")
    with pytest.raises(Exception, match="no name"):
        await Screen.open(sandbox, "../x")
