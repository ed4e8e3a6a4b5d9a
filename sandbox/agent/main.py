"""The agent: the one process of a sandbox that the platform talks to, and process 1 of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import traceback

from sandbox.agent import cluster_process
from sandbox.agent.assembly import Agent
from sandbox.linux import layout, starter
from sandbox.linux.cgroup import of_sandbox
from sandbox.linux.children import reset_signals
from sandbox.linux.containers import Containers
from sandbox.linux.layout import SandboxFacts

_STARTER_ENDED = 3


def main(listener: socket.socket, facts: SandboxFacts) -> int:
    """Serve on `listener` until SIGTERM or until the starter has ended; returns the exit code."""
    reset_signals()
    starter_pid = _fork_starter(listener, facts)
    return asyncio.run(_run(listener, facts, starter_pid))


def _fork_starter(agent_listener: socket.socket, facts: SandboxFacts) -> int:
    """Fork the starter before any event loop exists, so that it inherits none."""
    listener = starter.listen(layout.STARTER_SOCKET)
    pid = os.fork()
    if pid:
        listener.close()
        return pid
    try:
        agent_listener.close()
        group = of_sandbox(facts)
        groups = {"learner": group.below("shell"), "pods": group.below("pods")}
        starter.main(listener, groups=groups, entries={cluster_process.NAME: cluster_process.serve})
    except BaseException:  # noqa: BLE001 - the top of a process
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(1)


async def _run(listener: socket.socket, facts: SandboxFacts, starter_pid: int) -> int:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()
    loop.add_signal_handler(signal.SIGTERM, _settle, ended, 0)
    loop.add_signal_handler(signal.SIGCHLD, _reap, starter_pid, ended)
    _reap(starter_pid, ended)
    containers = await Containers.connect(layout.STARTER_SOCKET)
    agent = Agent(facts, containers, own_processes=(os.getpid(), starter_pid))
    serving = asyncio.create_task(agent.serve(listener))
    await asyncio.wait((asyncio.ensure_future(serving), ended), return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    return ended.result() if ended.done() else 1


def _reap(starter_pid: int, ended: asyncio.Future[int]) -> None:
    """Bury our children: as process 1 of the sandbox we inherit every orphan that the starter does not."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid == starter_pid:
                _settle(ended, _STARTER_ENDED)


def _settle(future: asyncio.Future[int], code: int) -> None:
    if not future.done():
        future.set_result(code)
