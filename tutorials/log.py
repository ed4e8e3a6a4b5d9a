"""Log lines stay lines: what learners type or name cannot forge or flood the log."""

from __future__ import annotations

import logging

LONGEST = 4096


class OneLine(logging.Formatter):
    """Formats a record with control characters escaped and the message cut; tracebacks keep their lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)
        return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"
