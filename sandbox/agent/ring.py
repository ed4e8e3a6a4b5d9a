"""The last 256 KiB that a terminal printed, addressed by how many bytes came before: one structure for replay,
resuming, acknowledging and shadowing."""

from __future__ import annotations

from collections import deque

RING_BYTES = 256 * 1024


class Ring:
    """Bytes with absolute offsets; the oldest chunks fall out."""

    def __init__(self, capacity: int = RING_BYTES) -> None:
        self._capacity = capacity
        self._chunks: deque[bytes] = deque()
        self.start = 0
        """Offset of the oldest byte that is still here."""
        self.end = 0
        """How many bytes have been printed."""

    def add(self, data: bytes) -> None:
        """Append what was printed."""
        if not data:
            return
        self._chunks.append(data)
        self.end += len(data)
        while self.end - self.start > self._capacity and len(self._chunks) > 1:
            self.start += len(self._chunks.popleft())

    def read(self, offset: int, most: int) -> bytes:
        """At most `most` bytes from `offset`, which must lie in the ring; empty at its end."""
        if not self.start <= offset <= self.end:
            raise IndexError(f"{offset} is not in the ring ({self.start} to {self.end})")
        # From the newest end: readers are nearly always close to it.
        position = self.end
        index = len(self._chunks)
        while position > offset:
            index -= 1
            position -= len(self._chunks[index])
        pieces: list[bytes] = []
        skip = offset - position
        while index < len(self._chunks) and most > 0:
            piece = self._chunks[index][skip : skip + most]
            pieces.append(piece)
            most -= len(piece)
            skip = 0
            index += 1
        return b"".join(pieces)

    def oldest_line(self) -> int:
        """Where a replay should begin: at the start if nothing has fallen out yet, else at the first whole line."""
        if self.start == 0:
            return 0
        position = self.start
        for chunk in self._chunks:
            newline = chunk.find(b"\n")
            if newline >= 0:
                return position + newline + 1
            position += len(chunk)
        return self.start
