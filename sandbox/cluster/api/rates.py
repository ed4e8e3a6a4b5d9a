"""How much of a node something uses: what the API says of it and what measures it agree on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """What something uses, over the latest window."""

    cores: float
    memory_bytes: int
