"""A backend and a client that behave as the real ones promise (sandbox/backend.py, sandbox/client.py), in memory.

tests/tutorials/test_backends.py holds the fake to those promises.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from sandbox.backend import Connection, HostFull, SandboxGone, SandboxSpec, SandboxState
from sandbox.client import Completed, SandboxClient, Size, TerminalStream, Verdict

Object = dict[str, Any]


class FakeBackend:
    """Holds names instead of sandboxes."""

    name = "fake"

    def __init__(self) -> None:
        self.specs: dict[str, SandboxSpec] = {}
        self.dead: set[str] = set()
        self.started: list[str] = []
        self.stopped: list[str] = []
        self.scripts: list[tuple[str, str]] = []
        """(sandbox, what was done in it) in order."""
        self.room = 1000
        self.breaks: dict[str, Exception] = {}
        """Verb, or script text → what it raises."""
        self.status: dict[str, int] = {}
        """Script text → exit status."""
        self.verdicts: Sequence[Verdict] = ()
        self.unlisted: set[str] = set()
        self.hooks: dict[str, Any] = {}
        """Verb, or script text → an async function called first."""

    async def _before(self, what: str) -> None:
        if what in self.hooks:
            await self.hooks[what]()
        if what in self.breaks:
            raise self.breaks[what]

    async def start(self, name: str, spec: SandboxSpec) -> None:
        await self._before("start")
        if name in self.specs and name not in self.dead:
            return
        if len(self.specs) >= self.room:
            raise HostFull("The host is full.")
        self.specs[name] = spec
        self.dead.discard(name)
        self.started.append(name)

    async def stop(self, name: str) -> None:
        await self._before("stop")
        await self._before(f"stop {name}")
        self.stopped.append(name)
        self.specs.pop(name, None)
        self.dead.discard(name)

    async def list(self) -> Mapping[str, SandboxState]:
        await self._before("list")
        return {
            name: SandboxState(name, running=name not in self.dead, started_at=0.0)
            for name in self.specs
            if name not in self.unlisted
        }

    async def connect(self, name: str) -> Connection:
        if name not in self.specs or name in self.dead:
            raise SandboxGone("There is no such sandbox.")
        reader = asyncio.StreamReader()
        return reader, _NoWriter()  # type: ignore[return-value]

    def client(self, name: str) -> SandboxClient:
        return FakeClient(self, name)


class _NoWriter:
    def close(self) -> None:
        """Nothing is open."""


class _FakeTerminal:
    """Notes what is typed."""

    def __init__(self, client: FakeClient, terminal: str) -> None:
        self._client = client
        self.terminal = terminal
        self.offset = 0

    async def frames(self) -> AsyncIterator[bytes | Object]:
        for frame in ():
            yield frame

    async def write(self, data: bytes) -> None:
        await self._client._do(f"type {data.decode()}")

    async def control(self, message: Object) -> None:
        """Nothing depends on it here."""

    async def close(self) -> None:
        await self._client._do("detach")


class FakeClient(SandboxClient):
    """Notes what is done in a sandbox."""

    def __init__(self, backend: FakeBackend, name: str) -> None:
        super().__init__(lambda: backend.connect(name))
        self._backend = backend
        self._name = name

    async def _do(self, what: str) -> None:
        await self._connect()
        self._backend.scripts.append((self._name, what))
        await self._backend._before(what)

    async def put(self, files: Mapping[str, tuple[bytes, int]]) -> None:
        await self._do("put " + " ".join(f"{path}:{mode:o}={data.decode()}" for path, (data, mode) in files.items()))

    async def minikube(self, arguments: Sequence[str]) -> Completed:
        what = " ".join(["minikube", *arguments])
        await self._do(what)
        return Completed(self._backend.status.get(what, 0), b"")

    async def run(
        self, script: str, *, where: Any = "learner", environment: Mapping[str, str] = {}, timeout: float = 60.0
    ) -> Completed:
        await self._do(script)
        return Completed(self._backend.status.get(script, 0), b"said " + script.encode())

    async def attach(
        self, terminal: str, *, since: int | None, size: Size, viewer: str, interactive: bool
    ) -> TerminalStream:
        await self._do(f"attach {terminal}")
        return _FakeTerminal(self, terminal)

    async def check(self, checks: Sequence[Object]) -> Sequence[Verdict]:
        await self._do("check")
        return self._backend.verdicts
