"""Sandboxes made of this host's own namespaces, by the launcher daemon; this is the daemon's client."""

from __future__ import annotations

import asyncio
import builtins
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from sandbox import backend
from sandbox.backend import Connection, SandboxError, SandboxGone, SandboxSpec, SandboxState, StartFailed
from sandbox.launch import wire
from sandbox.launch.plan import Object, spec_to_wire

_NAME = re.compile(r"[a-z0-9-]{1,40}")
_SECONDS = 40.0
"""Longer than the daemon's own deadline, which explains more."""

_ERRORS = {name: getattr(backend, name) for name in ("SandboxError", "HostFull", "StartFailed", "SandboxGone")}

_PING = json.dumps({"verb": "terminals"}).encode()


class LauncherGone(SandboxError):
    """The launcher daemon does not answer."""


class LocalBackend:
    """Asks the daemon at `socket` for everything but the way to an agent: a socket in the daemon's directory."""

    name = "local"

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._directory: Path | None = None

    async def start(self, name: str, spec: SandboxSpec) -> None:
        """See Backend."""
        await self._ask({"verb": "start", "name": name, "spec": spec_to_wire(spec)})
        try:
            async with asyncio.timeout(_SECONDS):
                await self._wait_for_agent(name)
        except (OSError, SandboxGone, TimeoutError, asyncio.IncompleteReadError) as error:
            raise StartFailed("The sandbox stands, but its agent does not answer.") from error

    async def stop(self, name: str) -> None:
        """See Backend."""
        await self._ask({"verb": "stop", "name": name})

    async def list(self) -> Mapping[str, SandboxState]:
        """See Backend."""
        answer = await self._ask({"verb": "list"})
        return {
            entry["name"]: SandboxState(
                name=entry["name"],
                running=entry["running"],
                started_at=entry["started_at"],
                detail=entry["detail"],
            )
            for entry in answer["sandboxes"]
        }

    async def connect(self, name: str) -> Connection:
        """See Backend."""
        if not _NAME.fullmatch(name):
            raise SandboxGone("There is no sandbox of that name.")
        if self._directory is None:
            self._directory = Path((await self._ask({"verb": "about"}))["directory"])
        try:
            return await _open(self._directory / name / "agent.sock")
        except OSError as error:
            raise SandboxGone("The sandbox has ended.") from error

    async def not_enforced(self) -> builtins.list[str]:
        """What this host does not keep a learner from, each as a sentence."""
        return [str(said) for said in (await self._ask({"verb": "about"}))["not_enforced"]]

    async def _wait_for_agent(self, name: str) -> None:
        reader, writer = await self.connect(name)
        try:
            writer.write(b"J" + len(_PING).to_bytes(4, "big") + _PING)
            await reader.readexactly(1)
        finally:
            writer.close()

    async def _ask(self, request: Object) -> Object:
        try:
            async with asyncio.timeout(_SECONDS):
                reader, writer = await _open(self._socket)
                try:
                    writer.write(wire.encode(request))
                    length = wire.length_of(await reader.readexactly(wire.HEADER))
                    answer = wire.decode(await reader.readexactly(length))
                finally:
                    writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, wire.BadFrame) as error:
            raise LauncherGone("The program that starts sandboxes does not answer.") from error
        if "error" in answer:
            raise _ERRORS.get(answer["error"], SandboxError)(answer.get("message", ""))
        return answer


async def _open(path: Path) -> Connection:
    """Connect to a unix socket whose path may be longer than the 107 bytes an address holds."""
    handle = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return await asyncio.open_unix_connection(f"/proc/self/fd/{handle}/{path.name}")
    finally:
        os.close(handle)
