"""`python -m sandbox.launch`: the launcher daemon. Ends with everything it started."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox.launch import daemon, host, zygote
from sandbox.linux import syscalls


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.launch", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the platform's data directory")
    parser.add_argument("--socket", type=Path, required=True, help="where to listen")
    parser.add_argument("--allow-uid", type=int, action="append", default=[], metavar="UID", help="who may ask")
    parser.add_argument("--with-parent", action="store_true", help="end when the process that started us ends")
    parser.add_argument("--quiet", action="store_true", help="say only what is wrong")
    return parser.parse_args(given)


def main() -> int:
    """Serve until told to end; 1 when it cannot begin."""
    options = arguments()
    level = logging.WARNING if options.quiet else logging.INFO
    logging.basicConfig(level=level, format="launch: %(message)s", stream=sys.stderr)
    parent = os.getppid()
    if options.with_parent:
        syscalls.die_with_parent(signal.SIGTERM)
        if os.getppid() != parent:
            return 1
    path = options.socket.resolve()
    owner = options.allow_uid[0] if options.allow_uid else os.geteuid()
    try:
        listener = daemon.listen(path, owner=owner)
    except daemon.AlreadyRunning as error:
        logging.error("Another launcher serves %s.", error)
        return 1
    zygote.preload()
    from sandbox.agent.main import main as agent  # noqa: PLC0415 - the zygote decides what is imported, and when

    found = host.find(options.data.resolve(), socket=path)
    daemon.Daemon(found, run=path.parent, allowed=options.allow_uid, entry=agent).serve(listener)
    return 0


if __name__ == "__main__":
    sys.exit(main())
