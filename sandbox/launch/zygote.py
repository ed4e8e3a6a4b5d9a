"""What every sandbox is forked with: our modules, imported once, in memory that forks share until they write to it."""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sandbox.cluster.api import schema

_PACKAGES = ("sandbox.agent", "sandbox.linux", "sandbox.minikube", "sandbox.cluster")

# Imported by name on first use somewhere: after the change of root our virtual environment is out of sight.
_LAZY = (
    "cryptography.hazmat.backends.openssl.backend",
    "asyncio.subprocess",
    "concurrent.futures.thread",
    "encodings.idna",
    "encodings.latin_1",
    "zoneinfo",
)


class NotSingleThreaded(RuntimeError):
    """An import started a thread: a fork would copy its locks but not the thread."""


def preload() -> None:
    """Import all that runs inside a sandbox and settle the memory for forking."""
    for name in (*_LAZY, *_ours()):
        importlib.import_module(name)
    with suppress(schema.SchemaMissing):  # the cluster says so itself when it needs it
        schema.preload()
    threads = [entry.name for entry in Path("/proc/self/task").iterdir()]
    if len(threads) != 1:
        raise NotSingleThreaded(f"{len(threads)} threads run in process {os.getpid()} after the imports")
    gc.collect()
    # Objects of now are never collected again: a child's collector would write to every one and unshare its page.
    gc.freeze()


def _ours() -> Iterator[str]:
    for package in _PACKAGES:
        module = importlib.import_module(package)
        yield package
        for found in pkgutil.walk_packages(module.__path__, f"{package}."):
            yield found.name
