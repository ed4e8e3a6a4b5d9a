from __future__ import annotations

import logging

from tutorials.log import OneLine


def line_of(message: str) -> str:
    record = logging.LogRecord("x", logging.INFO, "", 0, message, (), None)
    return OneLine("%(message)s").format(record)


def test_nobody_forges_a_line_or_drives_the_terminal() -> None:
    assert line_of("a\nERROR b\x1b[31m\x85") == "a\\nERROR b\\x1b[31m\\x85"


def test_words_of_any_language_stay() -> None:
    assert line_of("대한민국 “x”") == "대한민국 “x”"


def test_a_flood_is_cut() -> None:
    assert len(line_of("x" * 100_000)) < 5000
