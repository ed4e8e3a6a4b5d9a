from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sandbox.linux.container_log import ContainerLog, LineSplitter, timestamp

ENTRY = re.compile(rb"1970-01-01T00:00:01\.000000002Z stdout ([FP]) (.*)")
NOW = 1_000_000_002


def test_times_have_nine_digits() -> None:
    assert timestamp(1_795_535_079_000_000_042) == "2026-11-24T15:44:39.000000042Z"


@given(st.lists(st.binary(max_size=40_000).map(lambda data: data.replace(b"\r", b"")), max_size=5))
def test_whatever_the_cuts_the_lines_come_out(pieces: list[bytes]) -> None:
    splitter = LineSplitter("stdout")
    entries = b"".join([*(splitter.feed(piece, NOW) for piece in pieces), splitter.end(NOW)])
    printed = b""
    for line in entries.split(b"\n")[:-1]:
        match = ENTRY.fullmatch(line)
        assert match
        assert len(match.group(2)) <= 16 * 1024
        printed += match.group(2) + (b"\n" if match.group(1) == b"F" else b"")
    whole = b"".join(pieces)
    assert printed == (whole if whole.endswith(b"\n") or not whole else whole + b"\n")


def test_a_full_log_moves_aside(tmp_path: Path) -> None:
    log = ContainerLog(tmp_path / "log", limit=100)
    for number in range(30):
        log.write(b"%09d\n" % number)
    log.close()
    both = (tmp_path / "log.1").read_bytes() + (tmp_path / "log").read_bytes()
    assert both.endswith(b"000000029\n")
    assert (tmp_path / "log").stat().st_size <= 100
    assert (tmp_path / "log.1").stat().st_size <= 100


def test_a_log_that_cannot_be_opened_loses_its_lines_quietly(tmp_path: Path) -> None:
    log = ContainerLog(tmp_path / "missing" / "log", limit=100)
    log.write(b"x\n")
    log.close()
    log.close()
