"""`manage.py sandbox` as people and scripts use it: its output, its input, its exit codes."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.sandbox

CHECKOUT = Path(__file__).resolve().parents[4]
FAILED = 125


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A platform's data directory of its own."""
    return {
        "PATH": os.environ["PATH"],
        "QUAYSIDE_DATA": str(tmp_path_factory.mktemp("data")),
        "HOME": str(tmp_path_factory.mktemp("home")),
    }


def sandbox(environment: dict[str, str], *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """`manage.py sandbox …` without a terminal."""
    command = [sys.executable, "manage.py", "sandbox", *arguments]
    return subprocess.run(
        command, cwd=CHECKOUT, env=environment, input=typed, capture_output=True, text=True, timeout=100, check=False
    )


@pytest.fixture(scope="module")
def launcher(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """With a running launcher, as beside `up`."""
    data = Path(environment["QUAYSIDE_DATA"])
    path = data / "run/backend.sock"
    command = [sys.executable, "-m", "sandbox.launch", "--data", str(data), "--socket", str(path), "--quiet"]
    process = subprocess.Popen(command, cwd=CHECKOUT, env={})
    deadline = time.monotonic() + 20
    while not (data / "run/sandboxes").is_dir():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield environment
    process.terminate()
    process.wait(15)


def test_output_and_exit_code_are_the_commands(environment: dict[str, str]) -> None:
    done = sandbox(environment, "run", "--", "sh", "-c", "echo out; echo err >&2; exit 42")
    assert (done.stdout, done.returncode) == ("out\n", 42)
    assert done.stderr.endswith("err\n")


def test_a_script_comes_on_standard_input(launcher: dict[str, str]) -> None:
    done = sandbox(launcher, "run", "--", "bash", "-s", typed="echo $((6*7))\nexit 3\n")
    assert (done.stdout, done.returncode) == ("42\n", 3)


def test_input_of_any_size_arrives_whole(launcher: dict[str, str]) -> None:
    text = "".join(f"{number}\n" for number in range(50_000))
    assert sandbox(launcher, "run", "--", "md5sum", typed=text).stdout.split() == [
        hashlib.md5(text.encode()).hexdigest(),
        "-",
    ]


def test_a_command_that_does_not_want_its_input_ends_as_it_likes(launcher: dict[str, str]) -> None:
    done = sandbox(launcher, "run", "--", "sh", "-c", "exit 9", typed="y\n" * 1_000_000)
    assert (done.returncode, done.stderr) == (9, "")


def test_output_that_nobody_reads_ends_the_command(launcher: dict[str, str]) -> None:
    script = f"{sys.executable} manage.py sandbox run -- yes | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=CHECKOUT, env=launcher, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("y\n141\n", "")


def test_there_is_no_terminal_when_the_caller_has_none(launcher: dict[str, str]) -> None:
    assert sandbox(launcher, "run", "--", "sh", "-c", "test -t 0 || test -t 1; echo $?").stdout == "1\n"


def test_there_is_one_when_the_caller_has_one(launcher: dict[str, str]) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(CHECKOUT)
        os.execve(sys.executable, [sys.executable, "manage.py", "sandbox", "shell"], {**launcher, "TERM": "xterm"})
    seen = b""
    deadline = time.monotonic() + 30
    typed = False
    try:
        while time.monotonic() < deadline and b"yes it is 3" not in seen:
            if select.select([terminal], [], [], 0.2)[0]:
                seen += os.read(terminal, 65536)
            if not typed and b"#" in seen:
                os.write(terminal, b"test -t 1 && echo yes it is $((1+2)); exit 5\n")
                typed = True
        assert b"yes it is 3" in seen, seen
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 5
    finally:
        os.close(terminal)


def test_who_one_is(launcher: dict[str, str]) -> None:
    assert sandbox(launcher, "run", "--", "id", "-un").stdout == "root\n"
    assert sandbox(launcher, "run", "--user", "learner", "--", "id", "-un").stdout == "learner\n"


def test_every_run_is_a_fresh_sandbox_that_ends_with_it(launcher: dict[str, str]) -> None:
    sandbox(launcher, "run", "--", "touch", "/root/mark")
    assert sandbox(launcher, "run", "--", "test", "-e", "/root/mark").returncode == 1
    assert json.loads(sandbox(launcher, "list", "--json").stdout) == []


def test_a_command_that_is_not_there_ends_with_127(launcher: dict[str, str]) -> None:
    assert sandbox(launcher, "run", "--", "no-such-command").returncode == 127


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "--lesson", "no/such", "--", "true"],
        ["run", "--step", "1", "--", "true"],
        ["run", "--backend", "floppy", "--", "true"],
    ],
)
def test_what_cannot_be_done_ends_with_125_and_a_sentence(launcher: dict[str, str], arguments: list[str]) -> None:
    done = sandbox(launcher, *arguments)
    assert done.returncode == FAILED
    assert "CommandError" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_lessons_step_begins_where_the_one_before_ended(launcher: dict[str, str], tmp_path: Path) -> None:
    lesson = tmp_path / "lesson"
    lesson.mkdir()
    index = {
        "title": "Test",
        "details": {
            "intro": {"text": "intro.md"},
            "steps": [{"title": "One", "text": "one.md", "solution": "one.sh"}, {"title": "Two", "text": "two.md"}],
        },
    }
    (lesson / "index.json").write_text(json.dumps(index))
    (lesson / "intro.md").write_text("Hello.\n")
    for name in ("one.md", "two.md"):
        (lesson / name).write_text("Do.\n")
    (lesson / "one.sh").write_text("echo solved > /root/one\n")
    look = ["--", "sh", "-c", "cat /root/one 2>/dev/null || echo nothing"]
    assert sandbox(launcher, "run", "--lesson", str(lesson), "--step", "1", *look).stdout == "nothing\n"
    assert sandbox(launcher, "run", "--lesson", str(lesson), "--step", "2", *look).stdout == "solved\n"


def test_a_terminated_run_ends_its_sandbox(launcher: dict[str, str]) -> None:
    command = [sys.executable, "manage.py", "sandbox", "run", "--", "sh", "-c", "echo ready; sleep 300"]
    with subprocess.Popen(command, cwd=CHECKOUT, env=launcher, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert len(json.loads(sandbox(launcher, "list", "--json").stdout)) == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 128 + signal.SIGTERM
    assert json.loads(sandbox(launcher, "list", "--json").stdout) == []


def test_sandboxes_are_listed_and_stopped(launcher: dict[str, str]) -> None:
    command = [sys.executable, "manage.py", "sandbox", "run", "--", "sh", "-c", "echo ready; sleep 300"]
    with subprocess.Popen(command, cwd=CHECKOUT, env=launcher, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (row,) = json.loads(sandbox(launcher, "list", "--json").stdout)
        assert row["running"]
        assert row["name"] in sandbox(launcher, "list").stdout
        assert sandbox(launcher, "stop").returncode == 1
        assert sandbox(launcher, "stop", row["name"]).returncode == 0
        assert process.wait(15) == FAILED
    assert sandbox(launcher, "stop", "--all").returncode == 0
