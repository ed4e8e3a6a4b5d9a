"""What axe-core (an npm package of the tests alone) finds on each kind of page, in both themes: nothing serious."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Bench

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
THEMES = pytest.mark.parametrize("theme", ["light", "dark"])


def _barriers(page: Page) -> list[str]:
    """What is serious or critical on the page as it stands, a line for each place."""
    assert AXE.exists(), "The accessibility tests need axe-core: ./quayside test installs it"
    page.evaluate(AXE.read_text())
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    assert found["passes"], "axe-core looked at nothing"
    return [
        f"{violation['id']}: {node['target']} {node['html'][:120]}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


@THEMES
def test_pages_to_read_have_no_barrier(new_bench: Callable[..., Bench], site: str, theme: str) -> None:
    page = new_bench(color_scheme=theme).page
    for path in ("/", "/harbour/", "/harbour/first-steps/", "/harbour/first-steps/do/", "/resume/"):
        page.goto(site + path)
        page.locator("details.menu > summary").last.click()
        assert _barriers(page) == [], path


@THEMES
def test_a_running_terminal_has_no_barrier(new_bench: Callable[..., Bench], theme: str) -> None:
    bench = new_bench(color_scheme=theme).start()
    bench.go_to("two")
    bench.run_button("minikube start").click()
    expect(bench.page.locator("#picture .pod")).to_have_count(5)
    assert _barriers(bench.page) == []


@THEMES
def test_leaving_has_no_barrier(new_bench: Callable[..., Bench], theme: str) -> None:
    bench = new_bench(color_scheme=theme).start()
    bench.page.reload()
    bench.page.locator("details.menu > summary").last.click()
    bench.page.get_by_role("button", name="Leave this computer").click()
    expect(bench.page.get_by_role("heading", level=1)).to_have_text("You have left this computer")
    assert _barriers(bench.page) == []
