"""What every test may rely on: `--slow`, and no test that is left out without a word."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the slow tests out unless they are asked for (pytest counts them as deselected); browsers come last.

    Playwright's event loop runs in this thread from the first browser test to the end: no other loop can start then.
    """
    items.sort(key=lambda item: "tests/browser/" in item.path.as_posix())
    if config.getoption("--slow"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
