"""The course as a learner does it: `up` for real, real sandboxes, every button of every lesson clicked."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import RESULTS, Bench, free_port, watched
from tutorials.catalogue.rehearsal import statements

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
COMMAND_WITHIN = 60.0
TICK_WITHIN = 60_000.0
"""Milliseconds: module 6 sets a pace that can be watched, and old Pods take their grace time."""
POD_PROMPT = ":/#"
TO_FIND_OUT = ("repair",)
"""Steps whose last command is for the learner to find."""


@pytest.fixture(scope="module")
def up() -> Iterator[str]:
    """The address of a site as `./quayside up` starts it."""
    folder = Path(tempfile.mkdtemp(prefix="quayside-up-"))
    folder.chmod(0o755)  # the site runs as a user of its own
    port, log = free_port(), folder / "log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("QUAYSIDE_", "DJANGO_"))}
    data = ["--data", str(folder / "data")]
    subprocess.run([sys.executable, "-m", "sandbox.image", *data], cwd=ROOT, check=True, timeout=300)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tutorials.hosting.up", "--port", str(port), *data],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 60
        while "  open  " not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield f"http://localhost:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        RESULTS.mkdir(exist_ok=True)
        shutil.copy(log, RESULTS / "up.log")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("language", ["en-US", "ko-KR"])
def test_the_whole_course_by_clicking(
    new_bench: Callable[..., Bench], up: str, faults: list[str], language: str
) -> None:
    bench = watched(new_bench(locale=language, viewport={"width": 1360, "height": 860}).page, up, faults)
    page = bench.page
    page.goto(f"{up}/kubernetes-basics/")
    expect(page.locator("html")).to_have_attribute("lang", language[:2])
    lessons = [link.rstrip("/").rsplit("/", 1)[1] for link in _links(page.locator("a.lesson-link"))]
    assert lessons[:2] == ["create-cluster", "deploy-app"]
    for number, lesson in enumerate(lessons, start=1):
        page.goto(f"{up}/kubernetes-basics/{lesson}/")
        bench.screenshot(f"module-{number}-concept-{language}")
        page.locator(".concept-start a").click()
        _start(bench)
        _take_every_step(bench, f"module-{number}-{language}", ROOT / "lessons" / "kubernetes-basics" / lesson)
    page.goto(f"{up}/kubernetes-basics/")
    expect(page.locator(".lesson-card.done")).to_have_count(len(lessons))
    bench.screenshot(f"course-done-{language}")
    # The browser itself reports that the second lesson's start was refused while the first ran.
    assert all("409" in fault for fault in faults), faults
    faults.clear()


def test_a_reload_keeps_the_shell_in_a_real_sandbox(
    new_bench: Callable[..., Bench], up: str, faults: list[str]
) -> None:
    bench = watched(new_bench().page, up, faults)
    bench.page.goto(f"{up}/kubernetes-basics/create-cluster/do/")
    _start(bench)
    bench.type("here=still; for i in $(seq 1 300); do echo line-$i; done\n")
    bench.until_shown("\nline-300\n")
    bench.until_prompt()
    bench.page.reload()
    bench.until_shown("\nline-300\n")
    assert [f"line-{number}" in bench.shown().splitlines() for number in range(1, 301)] == [True] * 300
    bench.until_prompt()
    bench.type("echo $here\n")
    bench.until_shown("\nstill")
    bench.type("yes | head -c 40000000\n")
    bench.until(lambda: bench.shown().count("\ny\n") > 500, "no flood")
    bench.page.keyboard.press("Control+c")
    bench.until_prompt()
    bench.type("exit\n")
    bench.until_shown("A new one begins.")
    bench.until_prompt()
    bench.type("echo 새 셸$((1 + 1))\n")
    bench.until_shown("\n새 셸2")


def _links(found: Locator) -> list[str]:
    return [str(link.get_attribute("href")) for link in found.all()]


def _start(bench: Bench) -> None:
    """Press Start, ending the lesson before if one runs."""
    bench.page.locator("[data-action=start]").click()
    replace = bench.page.locator("dialog.question .primary")
    bench.until(lambda: replace.is_visible() or bench.ask("bench.attempt.sandbox !== null"), "nothing starts")
    if replace.is_visible():
        replace.click()
    bench.until(lambda: bench.ask("bench.attempt.ready") or None, "not ready")
    bench.until_prompt()


def _take_every_step(bench: Bench, name: str, lesson: Path) -> None:
    page = bench.page
    for link in page.locator("#steps-nav [data-step]").all():
        step = str(link.get_attribute("data-step"))
        link.click()
        for button in page.locator("article:not([hidden]) button.run:visible").all():
            _run(bench, button)
        tasks = page.locator("article:not([hidden]) .tasks > li")
        if step in TO_FIND_OUT:
            _solve(bench, lesson / f"{step}.solution.sh")
        for task in tasks.all():
            expect(task).to_have_class("done", timeout=TICK_WITHIN)
        if tasks.count():
            expect(link).to_have_class("passed")
        bench.screenshot(f"{name}-{step.replace(':', '-')}")


def _solve(bench: Bench, solution: Path) -> None:
    """Type what no button types: the learner is to find it out."""
    for statement in statements(solution.read_text(encoding="utf-8")):
        bench.until_prompt()
        bench.type(f"{statement}\n")
        bench.until(lambda: bench.ask("bench.tabs.doing.get('1') === null"), f"{statement} goes on")


def _run(bench: Bench, button: Locator) -> None:
    """Click, and wait until the terminal is at a prompt again, or runs something that stays."""
    terminal = str(button.get_attribute("data-terminal"))
    prompts = bench.shown(terminal).count(POD_PROMPT)
    button.click()
    bench.until(lambda: "ran" in str(button.get_attribute("class")), "the command was not typed")
    deadline = time.monotonic() + COMMAND_WITHIN
    while bench.ask("bench.tabs.doing.get(argument) !== null", terminal):
        shown = bench.shown(terminal)
        if "kubectl proxy" in str(button.get_attribute("data-command")) and "Starting to serve" in shown:
            return
        if shown.rstrip().endswith(POD_PROMPT) and shown.count(POD_PROMPT) > prompts:
            return  # a shell in a Pod: the next button types into it
        assert time.monotonic() < deadline, shown
        bench.page.wait_for_timeout(50)
