"""Sets of completion indexes as a Job's status writes them: `1,3-5,7`."""

from __future__ import annotations

from collections.abc import Iterable


def written(indexes: Iterable[int]) -> str:
    """The indexes in order, runs of three and more as ranges."""
    parts: list[str] = []
    start = last = None
    for index in sorted(set(indexes)):
        if last is not None and index == last + 1:
            last = index
            continue
        parts += _part(start, last)
        start = last = index
    return ",".join(parts + _part(start, last))


def _part(start: int | None, last: int | None) -> list[str]:
    if start is None or last is None:
        return []
    if start == last:
        return [str(start)]
    return [f"{start},{last}"] if last == start + 1 else [f"{start}-{last}"]


def read(text: str, below: int) -> set[int]:
    """The indexes that a text names; those that the Job has not (any more) and what makes no sense are left out."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first.isdigit() and (last.isdigit() or not dash):
            found.update(range(int(first), min(below, int(last or first) + 1)))
    return {index for index in found if index < below}
