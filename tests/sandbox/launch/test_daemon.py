"""The launcher starts, lists and ends sandboxes, and leaves nothing behind, however it goes."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.launch import wire

from .conftest import CHECKOUT, Launcher, descendants, end, start, until

pytestmark = pytest.mark.sandbox


def running(launcher: Launcher) -> set[str]:
    return {entry["name"] for entry in launcher.ask("list")["sandboxes"] if entry["running"]}


def groups(launcher: Launcher) -> list[Path]:
    """Control groups with the name of a sandbox of this launcher's."""
    return [path for path in Path("/sys/fs/cgroup").rglob("quayside-*") if path.is_dir()]


def test_a_started_sandbox_answers_and_is_listed(launcher: Launcher) -> None:
    assert launcher.ask("start", name="one")["started"]
    assert "name='one'" in launcher.agent("one", "facts")["facts"]
    assert "one" in running(launcher)


def test_starting_what_runs_is_no_error_and_changes_nothing(launcher: Launcher) -> None:
    launcher.ask("start", name="twice")
    before = launcher.pid("twice")
    assert launcher.ask("start", name="twice")["started"]
    assert launcher.pid("twice") == before


def test_the_spec_reaches_the_sandbox(launcher: Launcher) -> None:
    spec = {"user": "learner", "memory_mib": 99, "cpus": 0.5, "processes": 77, "files": 88, "disk_mib": 66}
    launcher.ask("start", name="spec", spec=spec)
    facts = launcher.agent("spec", "facts")["facts"]
    assert "user='learner', memory_bytes=103809024, cpus=0.5, processes=77, files=88, disk_bytes=69206016" in facts


@pytest.mark.parametrize("name", ["", "A", "a/b", "..", "a" * 41, "a\n", 7, None])
def test_a_name_that_is_none_is_refused(launcher: Launcher, name: object) -> None:
    answer = launcher.ask("start", name=name)
    assert answer["error"] == "SandboxError"
    assert "name" in answer["message"]


@pytest.mark.parametrize(
    "spec",
    [{"user": "admin"}, {"memory_mib": 1}, {"memory_mib": "many"}, {"processes": True}, {"cpus": 0}, {"disk_mib": -1}],
)
def test_a_spec_that_nobody_can_have_is_refused(launcher: Launcher, spec: dict[str, object]) -> None:
    assert launcher.ask("start", name="bad-spec", spec=spec)["error"] == "SandboxError"
    assert "bad-spec" not in running(launcher)


def test_an_unknown_verb_is_refused_and_the_connection_lives_on(launcher: Launcher) -> None:
    assert launcher.ask("destroy")["error"] == "SandboxError"
    assert "sandboxes" in launcher.ask("list")


def test_a_client_that_speaks_nonsense_is_cut_off(launcher: Launcher) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(launcher.socket))
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.recv(1) == b""
    assert "sandboxes" in launcher.ask("list")


def test_a_user_who_is_not_allowed_cannot_ask(launcher: Launcher) -> None:
    # The file's mode is the first line of defence; this is about the second.
    launcher.socket.chmod(0o666)
    launcher.run.chmod(0o711)
    script = f"""
import os, socket
os.chdir({str(launcher.run)!r})
os.setresuid(12345, 12345, 12345)
connection = socket.socket(socket.AF_UNIX)
connection.connect("backend.sock")
try:
    connection.sendall({wire.encode({"verb": "list"})!r})
    print(len(connection.recv(10)))
except ConnectionError:
    print(0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=10, check=False)
    assert (done.stdout.strip(), done.stderr) == ("0", "")


def test_stopping_frees_processes_and_control_groups(launcher: Launcher) -> None:
    launcher.ask("start", name="stopped")
    launcher.agent("stopped", "sh", script="exec >/dev/null 2>&1; sleep 1000 & setsid sleep 1000 &")
    processes = descendants(launcher.pid("stopped"))
    assert len(processes) >= 3
    assert launcher.ask("stop", name="stopped") == {"id": 1, "stopped": True}
    assert not [pid for pid in processes if Path(f"/proc/{pid}").exists()]
    assert not [path for group in groups(launcher) for path in group.glob("stopped")]
    assert not (launcher.run / "sandboxes/stopped").exists()
    assert "stopped" not in running(launcher)


def test_stopping_what_is_gone_is_no_error(launcher: Launcher) -> None:
    assert launcher.ask("stop", name="never-was")["stopped"]


def test_a_sandbox_that_ends_by_itself_is_listed_with_a_reason_and_can_be_started_again(launcher: Launcher) -> None:
    launcher.ask("start", name="mortal")
    with pytest.raises((ConnectionError, ValueError)):
        launcher.agent("mortal", "die")
    until(lambda: "mortal" not in running(launcher))
    entry = next(entry for entry in launcher.ask("list")["sandboxes"] if entry["name"] == "mortal")
    assert "status 7" in entry["detail"]
    assert launcher.ask("start", name="mortal")["started"]
    assert "mortal" in running(launcher)


def test_sandboxes_outlive_the_client_that_started_them(launcher: Launcher) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(launcher.socket))
        connection.sendall(wire.encode({"verb": "start", "name": "orphaned"}))
    until(lambda: "orphaned" in running(launcher))


def test_thirty_start_at_once(launcher: Launcher) -> None:
    names = [f"many-{number}" for number in range(30)]
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda name: launcher.ask("start", name=name), names))
        assert all(answer.get("started") for answer in answers)
        assert set(names) <= running(launcher)
        list(pool.map(lambda name: launcher.ask("stop", name=name), names))
    assert not set(names) & running(launcher)


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[Launcher]:
    """A launcher for one test, which may end it."""
    launcher = start(tmp_path)
    yield launcher
    launcher.process.kill()
    launcher.process.wait()


def test_a_killed_launcher_takes_everything_along(doomed: Launcher, tmp_path: Path) -> None:
    launcher = doomed
    mounts = Path("/proc/self/mountinfo").read_text()
    for name in ("a", "b"):
        launcher.ask("start", name=name)
        launcher.agent(name, "sh", script="setsid sleep 1000 >/dev/null 2>&1 &")
    processes = descendants(launcher.pid("a")) | descendants(launcher.pid("b"))
    launcher.process.kill()
    launcher.process.wait()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes))
    assert Path("/proc/self/mountinfo").read_text() == mounts
    successor = start(tmp_path)
    try:
        assert not running(successor)
        assert successor.ask("start", name="a")["started"]
    finally:
        end(successor)
    assert not (tmp_path / "run/sandboxes").exists()


def test_a_launcher_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    command = [sys.executable, "-m", "tests.sandbox.launch.small_daemon", "--data", str(tmp_path)]
    command += ["--socket", str(tmp_path / "run/backend.sock"), "--with-parent"]
    real = [word.replace("tests.sandbox.launch.small_daemon", "sandbox.launch") for word in command]
    script = f"import subprocess, time; print(subprocess.Popen({real!r}).pid, flush=True); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=CHECKOUT, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    until(lambda: (tmp_path / "run/backend.sock").exists())
    parent.kill()
    parent.wait()
    until(lambda: not Path(f"/proc/{pid}").exists() or "zombie" in Path(f"/proc/{pid}/status").read_text())


def test_a_second_launcher_on_the_same_socket_ends_at_once(launcher: Launcher) -> None:
    command = [sys.executable, "-m", "sandbox.launch", "--data", str(launcher.run.parent)]
    done = subprocess.run(
        [*command, "--socket", str(launcher.socket)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert "Another launcher" in done.stderr
    assert launcher.process.poll() is None


def test_a_terminated_launcher_clears_up(doomed: Launcher, tmp_path: Path) -> None:
    launcher = doomed
    launcher.ask("start", name="a")
    processes = descendants(launcher.pid("a"))
    launcher.process.send_signal(signal.SIGTERM)
    assert launcher.process.wait(15) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in processes)
    assert not (tmp_path / "run/sandboxes").exists()


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(20))
def test_a_launcher_that_is_killed_while_it_starts_sandboxes_leaves_nothing(doomed: Launcher, moment: int) -> None:
    """Each a little later in the life of ten sandboxes that are just being made."""
    with ThreadPoolExecutor(10) as pool:
        for number in range(10):
            pool.submit(doomed.ask, "start", name=f"k{number}")
        until(lambda: bool(descendants(doomed.process.pid) - {doomed.process.pid}))
        time.sleep(moment * 0.005)  # not a wait for anything: the moment is what varies
        processes = descendants(doomed.process.pid)
        doomed.process.kill()
        doomed.process.wait()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes))
