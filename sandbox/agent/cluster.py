"""Supervises the sandbox's one cluster: starts, watches, pauses and stops its process, and says how it is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from dataclasses import asdict
from typing import Any

import yaml

from sandbox.agent import cluster_process
from sandbox.agent.api_client import ApiClient
from sandbox.agent.happenings import Happenings
from sandbox.agent.shell import OUR_LABEL
from sandbox.cluster import machine
from sandbox.linux import layout
from sandbox.linux.containers import ContainerError, Containers
from sandbox.minikube.machine import MachineError, Node, Settings, State, Status

Object = dict[str, Any]

_SETTINGS = layout.CLUSTER / "settings.json"
_STOP_SECONDS = 30.0
_READY_POLL_SECONDS = 0.02
_RESTARTS = 5
_RESTART_SECONDS = 0.5
_REPORTED_BYTES = 8192
_LOG_BYTES = 4 * 1024 * 1024
_LOG_SECONDS = 30.0


class Cluster:
    """The sandbox's machine (sandbox/minikube/machine.py): one cluster process, its data and its state."""

    def __init__(self, containers: Containers, happenings: Happenings) -> None:
        self.api = ApiClient(layout.CLUSTER_SOCKET)
        self.pid = 0
        """Of the cluster's process; 0 while none runs."""
        self._containers = containers
        self._happenings = happenings
        self._wanted = False
        self._starting = asyncio.Event()
        self._down = asyncio.Event()
        """Set while no process runs and `supervise` knows it."""
        self._state: State = "stopped" if layout.CLUSTER_STORE.exists() else "absent"
        self._changing = asyncio.Lock()

    @property
    def state(self) -> State:
        """How it is now."""
        return self._state

    async def status(self) -> Status:
        """What there is now; never waits for the cluster."""
        if self._state == "absent":
            return Status("absent")
        settings = _read_settings()
        return Status(self._state, settings, _nodes(settings, running=self._state == "running"), _kubeconfig())

    async def start(self, settings: Settings) -> None:
        """Start the cluster's process, or let a paused one go on."""
        async with self._changing:
            if self._state == "paused":
                await self._containers.kill(cluster_process.NAME, signal.SIGCONT)
                self._set("running")
                return
            layout.CLUSTER.mkdir(exist_ok=True)
            _write_settings(settings)
            if self.pid:
                if self._state == "running":
                    await self._apply(settings)
                return
            self._wanted = True
            await self._fork(settings)

    async def stop(self, *, pause: bool = False) -> None:
        """End the process and every pod, keeping what is stored; with `pause` only hold the process."""
        async with self._changing:
            if not self.pid:
                return
            if pause:
                await self._containers.kill(cluster_process.NAME, signal.SIGSTOP)
                self._set("paused")
                return
            await self._end()

    async def delete(self) -> None:
        """End everything and forget what was stored."""
        async with self._changing:
            if self.pid:
                await self._end()
            for path in layout.CLUSTER.iterdir() if layout.CLUSTER.exists() else ():
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
            self._set("absent")

    async def request(self, method: str, path: str, body: Object | None = None) -> tuple[int, Object]:
        """One request to the API server as admin. Raises OSError while nothing answers."""
        if self._state == "paused":
            raise OSError("the cluster is paused")
        return await self.api.request(method, path, body)

    async def supervise(self) -> None:
        """Follow the process from each start to its end, and start it again when nobody wanted it to end."""
        restarts = 0
        while True:
            await self._starting.wait()
            self._starting.clear()
            ready = asyncio.create_task(self._until_ready())
            ended = await self._containers.wait(cluster_process.NAME)
            was_ready = ready.done()
            ready.cancel()
            layout.CLUSTER_SOCKET.unlink(missing_ok=True)
            self.pid = 0
            self._down.set()
            if ended.code != 0:
                _report(ended.code)
            restarts = 0 if was_ready else restarts + 1
            if not self._wanted or restarts > _RESTARTS:
                self._wanted = False
                if self._state != "absent":
                    self._set("stopped")
                continue
            self._set("starting")
            await asyncio.sleep(_RESTART_SECONDS * restarts)
            async with self._changing:
                if self._wanted:
                    await self._fork(_read_settings())

    async def keep_log_short(self) -> None:
        """Empty the process' log when it has grown too long; it lies in our own memory. For ever."""
        while True:
            await asyncio.sleep(_LOG_SECONDS)
            with contextlib.suppress(OSError):
                if cluster_process.LOG.stat().st_size > _LOG_BYTES:
                    os.truncate(cluster_process.LOG, 0)  # it is written by appending: it goes on at the beginning

    async def _apply(self, settings: Settings) -> None:
        """Tell the running cluster which nodes and addons there shall be."""
        try:
            status, _ = await self.api.request("PUT", machine.PATH, _wanted(settings))
        except OSError as error:
            raise MachineError("The cluster does not answer.") from error
        if status != 200:
            raise MachineError("The cluster could not do that.")

    async def _fork(self, settings: Settings) -> None:
        try:
            self.pid = await self._containers.fork(
                cluster_process.NAME, _wanted(settings), log=str(cluster_process.LOG)
            )
        except ContainerError as error:
            raise MachineError("The cluster cannot be started.") from error
        self._down.clear()
        self._set("starting")
        self._starting.set()

    async def _end(self) -> None:
        self._wanted = False
        if self._state == "paused":
            await self._containers.kill(cluster_process.NAME, signal.SIGCONT)
        await self._containers.kill(cluster_process.NAME, signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._down.wait()  # not for the process: `supervise` has to be done with it first
        except TimeoutError:
            await self._containers.kill(cluster_process.NAME, signal.SIGKILL)
            await self._down.wait()
        pods = [known.id for known in await self._containers.list() if OUR_LABEL not in known.labels]
        await asyncio.gather(*(self._containers.remove(name) for name in pods))
        self._set("stopped")

    async def _until_ready(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                status, _ = await self.api.request("GET", "/readyz")
                if status == 200 and layout.CLUSTER_KUBECONFIG.exists():
                    await self.api.request("PUT", machine.PATH, _wanted(_read_settings()))  # it may have changed
                    self._set("running")
                    return
            await asyncio.sleep(_READY_POLL_SECONDS)

    def _set(self, state: State) -> None:
        changed, self._state = state != self._state, state
        if changed:
            self._happenings.tell({"type": "cluster", "state": state})


def _report(code: int) -> None:
    """Tell the operator, in the sandbox's log, what the cluster said last."""
    try:
        said = cluster_process.LOG.read_bytes()[-_REPORTED_BYTES:].decode(errors="replace")
    except OSError:
        said = ""
    sys.stderr.write(f"the cluster's process ended with {code}; it said last:\n{said}\n")
    sys.stderr.flush()


def _nodes(settings: Settings, *, running: bool) -> tuple[Node, ...]:
    first, _, last = layout.NODE_ADDRESS.rpartition(".")
    return tuple(
        Node(
            layout.HOSTNAME if number == 1 else f"{layout.HOSTNAME}-m{number:02d}",
            f"{first}.{int(last) + number - 1}",
            running and number in settings.wanted,
            control_plane=number == 1,
            number=number,
        )
        for number in settings.numbers
    )


def _wanted(settings: Settings) -> Object:
    return {"nodes": list(settings.wanted), "addons": list(settings.addons)}


def _kubeconfig() -> Object | None:
    try:
        loaded = yaml.safe_load(layout.CLUSTER_KUBECONFIG.read_bytes())
    except (OSError, yaml.YAMLError):
        return None
    return loaded if isinstance(loaded, dict) else None


def _read_settings() -> Settings:
    try:
        stored = json.loads(_SETTINGS.read_text())
        lists = {name: tuple(stored[name]) for name in ("addons", "deleted", "stopped")}
        return Settings(stored["nodes"], options=stored["options"], **lists)
    except (OSError, ValueError, KeyError, TypeError):
        return Settings()


def _write_settings(settings: Settings) -> None:
    stored = asdict(settings)
    fresh = _SETTINGS.with_suffix(".new")
    fresh.write_text(json.dumps(stored))
    fresh.rename(_SETTINGS)
