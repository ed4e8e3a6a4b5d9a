"""`python -m sandbox.cluster`: one Kubernetes cluster in one process."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sandbox.cluster import alone
from sandbox.cluster.alone import CannotRunAlone
from sandbox.cluster.api import schema
from sandbox.cluster.api.schema import SchemaMissing
from sandbox.cluster.assembly import listening_socket, run
from sandbox.cluster.config import ClusterConfig

_IMAGES = Path(__file__).resolve().parents[2] / "var" / "images"


def serve(config: ClusterConfig) -> int:
    """Run the cluster until SIGTERM or SIGINT; 0 when it ended in good order, 1 when it could not listen."""
    _keep_stderr_short()
    try:
        listener = config.listener or listening_socket(config.listen)
    except OSError as error:
        return _refused(_cannot_listen(config, error))
    asyncio.run(run(config, listener))
    return 0


def _keep_stderr_short() -> None:
    """Say on stderr what was asked for and no more, whatever the cluster's own logs take down."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    root = logging.getLogger()
    for handler in root.handlers:
        handler.setLevel(max(handler.level, root.level))


def _cannot_listen(config: ClusterConfig, error: OSError) -> str:
    host, port = config.listen
    return f"Cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}."


def _refused(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return 1


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.cluster", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="store, keys and sockets")
    parser.add_argument(
        "--listen", type=_address, default="127.0.0.1:8443", metavar="HOST:PORT", help="of the HTTPS server"
    )
    parser.add_argument("--kubeconfig", type=Path, metavar="FILE", help="written once the server listens")
    parser.add_argument("--nodes", type=int, choices=range(1, 101), default=1, metavar="N", help="1 to 100")
    parser.add_argument(
        "--node-grace", type=float, default=12.0, metavar="SECONDS", help="silence that makes a node NotReady"
    )
    parser.add_argument(
        "--eviction-seconds", type=float, default=30.0, metavar="SECONDS", help="until its pods are replaced"
    )
    parser.add_argument("--runtime", choices=("crun", "simulated"), default="crun")
    parser.add_argument(
        "--images", type=Path, default=_IMAGES, metavar="DIR", help="container images, for crun (default: %(default)s)"
    )
    parser.add_argument("--verbose", action="store_true", help="log everything")
    return parser.parse_args(argv)


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not (colon and port.isdigit() and int(port) < 65536):
        raise argparse.ArgumentTypeError(f"{text} is no HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and serve."""
    options = _arguments(argv)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    config = ClusterConfig(
        data=options.data.absolute(),
        listen=options.listen,
        kubeconfig=options.kubeconfig.absolute() if options.kubeconfig else None,
        runtime=options.runtime,
        nodes=tuple(range(1, options.nodes + 1)),
        node_grace=options.node_grace,
        eviction_seconds=options.eviction_seconds,
        images=options.images.absolute(),
    )
    try:
        schema.preload()
        if options.runtime == "simulated":
            return serve(config)
        return alone.run(replace(config, listener=listening_socket(config.listen)), serve)
    except (CannotRunAlone, SchemaMissing) as error:
        return _refused(str(error))
    except OSError as error:
        return _refused(_cannot_listen(config, error))


if __name__ == "__main__":
    sys.exit(main())
