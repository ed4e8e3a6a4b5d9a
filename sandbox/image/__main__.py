"""Sets up all that sandboxes are stocked with: `python -m sandbox.image --data DIR`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sandbox.image import set_up


def main(arguments: list[str] | None = None) -> int:
    """Set up, telling what is done; 1 when something that every learner needs is missing."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.image", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("var"), metavar="DIR", help="data directory (default: ./var)")
    options = parser.parse_args(arguments)

    def say(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    return 0 if set_up.set_up(options.data, say) else 1


if __name__ == "__main__":
    sys.exit(main())
