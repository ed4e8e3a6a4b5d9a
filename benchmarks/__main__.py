"""Every benchmark, one after the other, and one Markdown table of what they found."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from benchmarks import cluster_pods, deployments, echo, flood, memory, minikube_start, start, tick
from benchmarks.figures import Figure, Measure, machine, table

ALL: Sequence[tuple[Measure, int]] = (
    (start.measure, 20),
    (minikube_start.measure, 10),
    (deployments.measure, 10),
    (tick.measure, 10),
    (echo.measure, 2),
    (flood.measure, 5),
    (memory.measure, 1),
    (cluster_pods.measure, 1),
)
"""Each with its rounds, in the order of the table."""


async def _all(share: float) -> Sequence[Figure]:
    found: list[Figure] = []
    for measure, rounds in ALL:
        figures = await measure(max(1, round(rounds * share)))
        print("\n".join(figure.row() for figure in figures), machine(), sep="\n", file=sys.stderr)
        found += figures
    return found


def main() -> None:
    """Take all figures; the table goes to standard output."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--share", type=float, default=1.0, help="of the usual rounds, such as 0.3 for a quick look")
    share = parser.parse_args().share
    before = machine()
    figures = asyncio.run(_all(share))
    print(f"Before: {before}\nAfter: {machine()}\n\n{table(figures)}")


if __name__ == "__main__":
    main()
