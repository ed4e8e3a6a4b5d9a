"""Entry points that the starter forks from memory that is loaded already, such as the cluster's process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sandbox.linux.children import Children, reset_signals
from sandbox.linux.contained import Gone, Refused, shell_code

Object = dict[str, Any]
EntryPoint = Callable[[Object], int]

_LOG_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class Forked:
    """The forked entry points by name; at most one process of each."""

    def __init__(self, children: Children, entries: Mapping[str, EntryPoint]) -> None:
        self._children = children
        self._entries = entries
        self._pids: dict[str, int] = {}
        self._ends: dict[str, asyncio.Future[Object]] = {}

    def knows(self, name: str) -> bool:
        """Whether that is the name of an entry point."""
        return name in self._entries

    def start(self, name: str, config: Object, log: Path) -> int:
        """Fork the entry point; its process id. Raises Gone for an unknown name and Refused when it runs."""
        entry = self._entries.get(name)
        if entry is None:
            raise Gone(f"there is no entry point {name}")
        if name in self._pids:
            raise Refused(f"{name} runs already")
        pid = os.fork()
        if pid == 0:
            _become(entry, config, log)
        self._pids[name] = pid
        self._ends[name] = asyncio.get_running_loop().create_future()
        self._children.watch(pid).add_done_callback(lambda ended: self._ended(name, ended.result()))
        return pid

    async def wait(self, name: str) -> Object:
        """How it ended the last time. Raises Gone when it never ran."""
        if name not in self._ends:
            raise Gone(f"{name} has not been started")
        return await asyncio.shield(self._ends[name])

    def kill(self, name: str, number: int) -> None:
        """Signal it; nothing when it does not run."""
        if name in self._pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pids[name], number)

    def _ended(self, name: str, code: int) -> None:
        del self._pids[name]
        self._ends[name].set_result({"code": shell_code(code), "oom": False, "at": time.time()})


def _become(entry: EntryPoint, config: Object, log: Path) -> None:
    """Turn the fresh fork into the entry point's process; never returns."""
    code = 1
    try:
        reset_signals()
        _leave_descriptors(log)
        code = entry(config)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - the top of a process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _leave_descriptors(log: Path) -> None:
    """Close what belongs to the starter (also its selector), and print to the log from now on."""
    output = os.open(log, _LOG_FLAGS, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    sys.stdout = os.fdopen(1, "w", buffering=1)  # whatever they were: they may have been closed just now
    sys.stderr = os.fdopen(2, "w", buffering=1)
