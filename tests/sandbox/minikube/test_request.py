"""What the learner's client sends is hostile."""

from __future__ import annotations

import pytest

from sandbox.minikube.request import Request


@pytest.mark.parametrize(
    "line", [b"", b"x", b"[]", b"{}", b'{"arguments": "start"}', b'{"arguments": ' + b"[" * 100, b" " * 70_000]
)
def test_nonsense_is_refused(line: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        Request.from_line(line)


def test_only_known_variables_and_sane_sizes_are_taken() -> None:
    request = Request.from_line(
        b'{"arguments": ["start", 7], "environment": {"TERM": "xterm", "SECRET": "x"}, "columns": -5, "terminal": 1}'
    )
    assert request.arguments == ("start", "7")
    assert request.environment == {"TERM": "xterm"}
    assert request.columns == 80
    assert request.terminal is False
