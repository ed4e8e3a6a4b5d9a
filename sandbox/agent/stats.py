"""What the sandbox uses: the verb `stats`, and the budgets that the memory watchdog holds containers to."""

from __future__ import annotations

import os
import time
from typing import Any

from sandbox.agent.conversation import Conversation
from sandbox.linux import layout, processes
from sandbox.linux.cgroup import of_sandbox
from sandbox.linux.containers import Containers
from sandbox.linux.layout import SandboxFacts
from sandbox.linux.watchdog import Budget

Object = dict[str, Any]


class Stats:
    """Counts what the sandbox uses."""

    def __init__(self, facts: SandboxFacts, containers: Containers, *, started_at: float) -> None:
        self._facts = facts
        self._containers = containers
        self._group = of_sandbox(facts)
        self._started_at = started_at

    async def tell(self, conversation: Conversation, _: Object) -> None:
        """Answer with what is used now."""
        known = await self._containers.list()
        counted = processes.usage_of_everything()
        memory, cpu = self._group.memory(), self._group.cpu_nanoseconds()
        disk = os.statvfs(layout.LEARNER)
        await conversation.send(
            {
                "type": "stats",
                "memory_bytes": counted.memory_bytes if memory is None else memory,
                "memory_limit": self._facts.memory_bytes,
                "cpu_nanoseconds": counted.cpu_nanoseconds if cpu is None else cpu,
                "processes": counted.processes,
                "disk_bytes": (disk.f_blocks - disk.f_bfree) * disk.f_frsize,
                "disk_limit": disk.f_blocks * disk.f_frsize,
                "containers": sum(container.exit is None for container in known),
                "agent_memory_bytes": processes.private_bytes(os.getpid()),
                "uptime": time.time() - self._started_at,
            }
        )

    async def memory_budgets(self) -> list[Budget]:
        """The memory limits of the containers that run now."""
        known = await self._containers.list()
        return [
            Budget(container.pid, container.memory_limit)
            for container in known
            if container.pid and container.memory_limit is not None
        ]
