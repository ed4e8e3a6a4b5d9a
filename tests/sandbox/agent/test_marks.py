from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sandbox.agent.marks import Mark, MarkParser

NONCE = "0123456789abcdef"


def mark(letter: str, text: str = "", nonce: str = NONCE) -> bytes:
    return f"\x1b]133;{letter};{nonce};{text}\x07".encode()


def parse(data: bytes, cuts: list[int]) -> tuple[bytes, list[Mark]]:
    parser = MarkParser(NONCE)
    parts: list[bytes | Mark] = []
    at = 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        parts += parser.feed(data[at:cut])
        at = max(at, cut)
    shown = b"".join(part for part in parts if isinstance(part, bytes)) + parser.flush()
    return shown, [part for part in parts if isinstance(part, Mark)]


@given(st.lists(st.integers(0, 500), max_size=20))
def test_marks_are_taken_out_wherever_the_reads_cut_them(cuts: list[int]) -> None:
    data = b"a" + mark("C", "ls -la") + b"files\r\n" + mark("D", "2") + b"$ " + mark("B") + b"x"
    shown, marks = parse(data, cuts)
    assert shown == b"afiles\r\n$ x"
    assert marks == [Mark("command", "ls -la"), Mark("finished", "2"), Mark("prompt", "")]


pieces = st.one_of(
    st.binary(max_size=30),
    st.sampled_from([b"\x1b", b"\x1b]133;", b"\x1b]133;C;", b"\x07", mark("C", "x", "f" * 16), b"\x1b]0;title\x07"]),
)


@given(st.lists(pieces, max_size=12), st.lists(st.integers(0, 500), max_size=12))
def test_what_is_no_mark_of_ours_passes_through_untouched(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    assert parse(data, cuts) == (data, [])


def test_a_mark_of_ours_inside_a_foreign_one_is_still_found() -> None:
    shown, marks = parse(b"\x1b]133;C;bad" + mark("D", "0"), [])
    assert marks == [Mark("finished", "0")]
    assert shown == b"\x1b]133;C;bad"


def test_an_endless_one_is_not_held_back_for_ever() -> None:
    parser = MarkParser(NONCE)
    parts = parser.feed(b"\x1b]133;C;" + b"x" * 10_000)
    assert sum(len(part) for part in parts if isinstance(part, bytes)) > 5000


def test_what_is_no_text_becomes_replacement_characters() -> None:
    _, marks = parse(b"\x1b]133;C;" + NONCE.encode() + b";\xff\xfe\x07", [])
    assert marks == [Mark("command", "��")]
