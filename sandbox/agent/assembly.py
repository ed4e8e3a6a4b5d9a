"""Puts the agent's parts together: the one place that knows all of them, and the one list of its verbs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Collection, Mapping
from typing import Any

from sandbox.agent import minikube
from sandbox.agent.check_watch import Checking
from sandbox.agent.checks import Evaluator
from sandbox.agent.cluster import Cluster
from sandbox.agent.events import Events
from sandbox.agent.happenings import Happenings
from sandbox.agent.picture import Painter
from sandbox.agent.running import Running
from sandbox.agent.scripts import Scripts
from sandbox.agent.server import Server, Verb
from sandbox.agent.shell import Shell
from sandbox.agent.stats import Stats
from sandbox.agent.terminals import Terminals
from sandbox.linux import layout, watchdog
from sandbox.linux.containers import ContainerError, Containers, mark_oom_now
from sandbox.linux.layout import SandboxFacts

Object = dict[str, Any]


class Agent:
    """Everything that runs in the agent's process."""

    def __init__(self, facts: SandboxFacts, containers: Containers, *, own_processes: Collection[int]) -> None:
        self._facts = facts
        self._containers = containers
        self._own_processes = own_processes
        self._happenings = Happenings()
        self._shell = Shell(facts, containers)
        self._scripts = Scripts(self._shell, containers)
        self._cluster = Cluster(containers, self._happenings)
        self._minikube = minikube.Minikube(self._cluster)
        self._terminals = Terminals(self._shell, self._happenings)
        self._painter = Painter(self._cluster, self._happenings)
        self._evaluator = Evaluator(self._cluster, self._happenings, self._scripts)
        self._stats = Stats(facts, containers, started_at=time.time())

    async def serve(self, listener: socket.socket) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            await self._minikube.listen(tasks)
            tasks.create_task(self._prepare_shell())
            tasks.create_task(self._cluster.supervise())
            tasks.create_task(self._cluster.keep_log_short())
            tasks.create_task(self._painter.paint())
            if self._facts.watchdog:
                tasks.create_task(self._watch_memory())
            tasks.create_task(Server(self._verbs()).serve(listener))

    def _verbs(self) -> Mapping[str, Verb]:
        running = Running(self._shell, self._scripts)
        checking = Checking(self._evaluator, self._cluster, self._happenings)
        events = Events(self._happenings, self._terminals, self._cluster, self._painter)
        return {
            "attach": self._terminals.attach,
            "terminals": self._terminals.list,
            "close-terminal": self._terminals.close,
            "check": checking.check,
            "watch": checking.watch,
            "events": events.stream,
            "run": running.run,
            "exec": running.exec,
            "put": running.put,
            "dial": running.dial,
            "stats": self._stats.tell,
        }

    async def _prepare_shell(self) -> None:
        """Have the learner's container there before they ask for it; if it fails, the first who asks is told why."""
        with contextlib.suppress(ContainerError, OSError):
            await self._shell.prepare()

    async def _watch_memory(self) -> None:
        budgets: list[watchdog.Budget] = []

        def spared() -> Collection[int]:
            cluster = self._cluster.pid
            return {*self._own_processes, *([cluster] if cluster else [])}

        async def look() -> None:
            while True:
                with contextlib.suppress(ContainerError):
                    budgets[:] = await self._stats.memory_budgets()
                await asyncio.sleep(1.0)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(look())
            limit = self._facts.memory_bytes
            tasks.create_task(watchdog.watch(limit, spared=spared, budgets=lambda: tuple(budgets), on_kill=_told))


def _told(pid: int) -> None:
    mark_oom_now(layout.STARTER_SOCKET, pid)
