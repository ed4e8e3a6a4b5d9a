"""The site as a process of its own, and Debian's Chromium to look at it with. Screenshots stay in test-results/."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "test-results"
DEADLINE = 15.0
FAILED = pytest.StashKey[bool]()

# Playwright's synchronous API runs a loop in the thread of the tests.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
expect.set_options(timeout=DEADLINE * 1000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything beside this file needs a browser."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    """Let `new_bench` know whether the test failed."""
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "The browser tests need Chromium: apt-get install chromium"
    arguments = ["no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"]
    arguments += ["disable-component-update", "disable-sync"]
    return {
        **browser_type_launch_args,
        "executable_path": chromium,
        "args": [f"--{argument}" for argument in arguments],
    }


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running site with pretend sandboxes."""
    folder = tmp_path_factory.mktemp("site")
    port = free_port()
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "site.py"), str(port)],
            env=os.environ
            | {
                "PYTHONPATH": str(HERE.parents[1]),
                "DJANGO_SETTINGS_MODULE": "tutorials.settings",
                "QUAYSIDE_DATA": str(folder / "data"),
                "QUAYSIDE_LESSONS": str(HERE / "lessons"),
                "QUAYSIDE_ORIGINS": f"http://localhost:{port}",
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 30
        while "ready" not in log.read_text().split():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
        (RESULTS / "site.log").parent.mkdir(exist_ok=True)
        shutil.copy(log, RESULTS / "site.log")


class Bench:
    """A learner at the interactive page. What a terminal shows is read from xterm's buffer, not from the document."""

    def __init__(self, page: Page, site: str) -> None:
        self.page, self.site = page, site

    def open(self, lesson: str = "first-steps") -> Bench:
        self.page.goto(f"{self.site}/harbour/{lesson}/do/")
        return self

    def start(self, lesson: str = "first-steps") -> Bench:
        """Open the lesson and press Start; returns at the prompt."""
        return self.open(lesson).start_here()

    def start_here(self) -> Bench:
        """Press Start on the page that is open; returns at the prompt."""
        self.page.locator("[data-action=start]").click()
        self.until_prompt()
        return self

    def ask(self, expression: str, argument: Any = None) -> Any:
        """Evaluate `expression` with `bench` (the page's module) and `argument`."""
        return self.page.evaluate(
            f"(argument) => import('quayside/workbench').then((bench) => ({expression}))", argument
        )

    def shown(self, terminal: str = "1") -> str:
        """Everything in the terminal, scrollback included."""
        return str(self.ask("bench.tabs.tabs.get(argument)?.view.contents ?? ''", terminal))

    def until(self, look: Callable[[], Any], what: str) -> Any:
        """Poll (wait_for_function would need eval, which the page's policy refuses)."""
        deadline = time.monotonic() + DEADLINE
        while not (found := look()):
            assert time.monotonic() < deadline, f"{what}; the terminal shows:\n{self.shown()}"
            self.page.wait_for_timeout(30)
        return found

    def until_shown(self, words: str, terminal: str = "1") -> None:
        self.until(lambda: words in self.shown(terminal), f"“{words}” is not shown in terminal {terminal}")

    def until_prompt(self, terminal: str = "1") -> None:
        self.until(
            lambda: self.ask("bench.tabs.doing.get(argument) === null", terminal), f"terminal {terminal} has no prompt"
        )

    def type(self, words: str) -> None:
        """Type into the terminal that is shown."""
        self.ask("bench.tabs.view.focus()")
        self.page.keyboard.type(words)

    def run_button(self, command: str) -> Any:
        return self.page.locator("article:not([hidden]) button.run").and_(
            self.page.locator(f"[data-command='{command}']")
        )

    def go_to(self, step: str) -> None:
        self.page.locator(f"#steps-nav [data-step={step}]").click()

    def screenshot(self, name: str) -> None:
        RESULTS.mkdir(exist_ok=True)
        self.page.screenshot(path=RESULTS / f"{name}.png")


@pytest.fixture
def faults() -> Iterator[list[str]]:
    """What the browser complains about, policy violations included; there must be nothing."""
    found: list[str] = []
    yield found
    assert not found


@pytest.fixture
def new_bench(
    browser: Browser, site: str, faults: list[str], request: pytest.FixtureRequest
) -> Iterator[Callable[..., Bench]]:
    """A bench in a browser context of its own: another learner."""
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> Bench:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 800}, "locale": "en-US"} | options))
        contexts.append(context)
        return watched(context.new_page(), site, faults)

    yield make
    for context in contexts:
        if request.node.stash.get(FAILED, False):
            for page in context.pages:
                page.screenshot(path=RESULTS / "failed" / f"{request.node.name}.png")
        context.close()


def watched(page: Page, site: str, faults: list[str]) -> Bench:
    """A bench on that page whose errors are noted."""
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console",
        lambda message: faults.append(message.text) if message.type in ("error", "warning") else None,
    )
    return Bench(page, site)


@pytest.fixture
def bench(new_bench: Callable[..., Bench]) -> Bench:
    """A bench in English at a desk."""
    return new_bench()
