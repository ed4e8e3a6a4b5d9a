"""Takes the shell's marks out of what a terminal prints: that is how the agent knows prompt, command and exit status.

A mark is `ESC ] 133 ; LETTER ; NONCE [; TEXT] BEL`. Only marks with the terminal's own nonce count; anything else,
also other programs' OSC 133, passes through untouched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

COMMAND_BYTES = 4096
_LONGEST = COMMAND_BYTES + 256
"""A longer one is no mark: it passes through, so that the agent never holds more than this back."""
_BEL = b"\x07"

Kind = Literal["prompt", "command", "finished"]
_KINDS: dict[bytes, Kind] = {b"B": "prompt", b"C": "command", b"D": "finished"}


@dataclass(frozen=True)
class Mark:
    """Something that the shell said about itself."""

    kind: Kind
    text: str
    """The command for `command`, the exit status for `finished`, else empty."""


class MarkParser:
    """Splits a stream of bytes into what is to be shown and marks, wherever the reads happen to cut it."""

    def __init__(self, nonce: str) -> None:
        self._nonce = nonce.encode()
        self._prefix = b"\x1b]133;"
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes | Mark]:
        """What `data` completes, in order."""
        data = self._rest + data
        self._rest = b""
        parts: list[bytes | Mark] = []
        shown = 0
        at = data.find(self._prefix)
        while at >= 0:
            end = data.find(_BEL, at, at + _LONGEST)
            if end < 0:
                if len(data) - at < _LONGEST:
                    break
                at = data.find(self._prefix, at + 1)
                continue
            mark = self._mark(data[at + len(self._prefix) : end])
            if mark is not None:
                if at > shown:
                    parts.append(data[shown:at])
                parts.append(mark)
                shown = end + 1
            # What follows a foreign OSC 133 may begin inside it: a mark of ours is looked for from its second byte.
            at = data.find(self._prefix, at + 1 if mark is None else shown)
        keep = at if at >= 0 else len(data) - self._begun(data)
        keep = max(keep, shown)
        if keep > shown:
            parts.append(data[shown:keep])
        self._rest = data[keep:]
        return parts

    def flush(self) -> bytes:
        """What was held back because it might have become a mark."""
        rest, self._rest = self._rest, b""
        return rest

    @property
    def holding(self) -> bool:
        """Whether something is held back."""
        return bool(self._rest)

    def _begun(self, data: bytes) -> int:
        """How many bytes at the end of `data` may be the beginning of a mark."""
        for length in range(len(self._prefix) - 1, 0, -1):
            if data.endswith(self._prefix[:length]):
                return length
        return 0

    def _mark(self, body: bytes) -> Mark | None:
        letter, _, rest = body.partition(b";")
        nonce, _, text = rest.partition(b";")
        kind = _KINDS.get(letter)
        if kind is None or nonce != self._nonce:
            return None
        return Mark(kind, text[:COMMAND_BYTES].decode(errors="replace"))
