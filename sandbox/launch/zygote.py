"""What every sandbox is forked with: our modules, imported once, in memory that forks share until they write to it."""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import pkgutil
import socket
import ssl
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
    _warm_up()
    threads = [entry.name for entry in Path("/proc/self/task").iterdir()]
    if len(threads) != 1:
        raise NotSingleThreaded(f"{len(threads)} threads run in process {os.getpid()} after the imports")
    gc.collect()
    # Objects of now are never collected again: a child's collector would write to every one and unshare its page.
    gc.freeze()


def _warm_up() -> None:
    """Do once what every sandbox does first: what it writes to for that, in OpenSSL and in Python's code, stays shared.

    Measured: 1.6 MB a sandbox for OpenSSL's first random bytes, 0.7 MB for a first event loop.
    """
    ssl.RAND_bytes(16)
    for _ in range(3):
        asyncio.run(_converse())


async def _converse() -> None:
    here, there = socket.socketpair()
    reader, writer = await asyncio.open_unix_connection(sock=here)
    _, echo = await asyncio.open_unix_connection(sock=there)
    async with asyncio.timeout(5):
        for number in range(50):
            echo.write(json.dumps({"number": number}).encode() + b"\n")
            await echo.drain()
            json.loads(await reader.readline())
    for end in (writer, echo):
        end.close()


def _ours() -> Iterator[str]:
    for package in _PACKAGES:
        module = importlib.import_module(package)
        yield package
        for found in pkgutil.walk_packages(module.__path__, f"{package}."):
            yield found.name
