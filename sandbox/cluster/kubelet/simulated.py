"""A runtime that only pretends: containers run until they are told to stop. For benchmarks and tests of the API."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.kubelet.images import InvalidImageName, parse
from sandbox.cluster.kubelet.runtime import (
    Container,
    ContainerSpec,
    Exit,
    Image,
    ImageNotFound,
    PodSandbox,
    PodSpec,
    Process,
    StartError,
    Usage,
)

_REPOSITORIES = {
    "docker.io/library/busybox",
    "docker.io/library/nginx",
    "docker.io/library/redis",
    "docker.io/jocatalin/kubernetes-bootcamp",
    "gcr.io/google-samples/kubernetes-bootcamp",
    "registry.k8s.io/e2e-test-images/agnhost",
    "registry.k8s.io/echoserver",
    "registry.k8s.io/pause",
}
_BOOTCAMP = re.compile(r".*/kubernetes-bootcamp")


class SimulatedContainer:
    """Runs until killed; a command `exit N` (as `sh -c`) ends at once with N."""

    def __init__(self, spec: ContainerSpec, *, clock: Clock, log: str) -> None:
        self.id = secrets.token_hex(32)
        self.log = log
        self.spec = spec
        self._clock = clock
        self._started = clock.now().timestamp()
        self._exit: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self.signals: list[int] = []
        ending = re.fullmatch(r"(?:.*[;&] *)?exit (\d+)", spec.command[-1]) if spec.command else None
        if ending:
            self.end(int(ending[1]))

    def end(self, code: int, *, oom_killed: bool = False) -> None:
        """Let it end by itself."""
        if not self._exit.done():
            self._exit.set_result(Exit(code, oom_killed, self._started, self._clock.now().timestamp()))

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return not self._exit.done()

    async def wait(self) -> Exit:
        """How it ended."""
        return await asyncio.shield(self._exit)

    def kill(self, signal: int) -> None:
        """Any signal ends it, as it ends a program without handlers."""
        self.signals.append(signal)
        self.end(128 + signal)

    async def exec(self, command: Sequence[str], *, stdin: bool, tty: bool) -> Process:
        """There is nothing to run a command in."""
        raise StartError(f'exec: "{command[0] if command else ""}": a simulated container runs no commands')

    async def attach(self, *, stdin: bool) -> Process:
        """There are no streams to join."""
        raise StartError("a simulated container has no streams")

    def usage(self) -> Usage | None:
        """As little as a sleeping process needs."""
        return Usage(0, 1 << 20) if self.running else None


class SimulatedPod:
    """An address and the containers that were started in it."""

    def __init__(self, spec: PodSpec, ip: str, runtime: SimulatedRuntime) -> None:
        self.uid = spec.uid
        self.ip = ip
        self.spec = spec
        self.containers: dict[str, SimulatedContainer] = {}
        self.listening: dict[int, tuple[str, int]] = {}
        """Ports of the pod that are answered by a real address, for tests."""
        self._runtime = runtime

    async def start(self, container: ContainerSpec) -> Container:
        """Start a container; a command below `/no/` does not exist."""
        if container.command and container.command[0].startswith("/no/"):
            program = container.command[0]
            raise StartError(
                "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create"
                f' failed: unable to start container process: exec: "{program}": stat {program}: no such file or'
                " directory: unknown"
            )
        log = self._runtime.log_path(self.spec, container)
        started = SimulatedContainer(container, clock=self._runtime.clock, log=log)
        self.containers[f"{container.name}/{container.attempt}"] = started
        return started

    async def dial(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Refused, unless a test listens."""
        if port not in self.listening:
            raise ConnectionRefusedError(111, "Connection refused")
        return await asyncio.open_connection(*self.listening[port])

    async def remove(self) -> None:
        """Forget it."""
        for container in self.containers.values():
            if container.running:
                container.kill(9)
        self._runtime.forget(self.uid)


class SimulatedRuntime:
    """ContainerRuntime without containers."""

    name = "containerd"
    version = "simulated"

    def __init__(self, *, clock: Clock, pods: Path, network: str = "10.244.0.", pull_seconds: float = 0.0) -> None:
        self.clock = clock
        self.pods: dict[str, SimulatedPod] = {}
        self._pods = pods
        self._network = network
        self._pull_seconds = pull_seconds
        self._numbers = itertools.count()
        self._pulled: set[str] = set()

    async def pull(self, image: str) -> Image:
        """Known repositories have every tag, but the tutorial's app has only those that it has."""
        reference = parse(image)
        repository, tag, name = reference.repository, reference.tag, str(reference)
        known = repository in _REPOSITORIES and not (_BOOTCAMP.match(repository) and tag not in ("v1", "v2", "latest"))
        if not known:
            raise ImageNotFound(
                f'rpc error: code = NotFound desc = failed to pull and unpack image "{name}": failed to resolve'
                f' reference "{name}": {name}: not found'
            )
        if name not in self._pulled and self._pull_seconds:
            await self.clock.sleep(self._pull_seconds)
        self._pulled.add(name)
        digest = hashlib.sha256(name.encode()).hexdigest()
        return Image(
            name=name,
            id=f"sha256:{digest}",
            digest=f"{repository}@sha256:{digest}",
            size=len(name) * 100_000,
            command=("serve",),
            environment=("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",),
            seconds_to_pull=self._pull_seconds,
        )

    def cached(self, image: str) -> bool:
        """Whether it was pulled before."""
        try:
            return str(parse(image)) in self._pulled
        except InvalidImageName:
            return False

    async def run(self, pod: PodSpec) -> PodSandbox:
        """Give it an address."""
        if pod.uid not in self.pods:
            number = next(self._numbers)
            prefix = self._network.split(".")
            ip = f"{prefix[0]}.{prefix[1]}.{int(prefix[2] or 0) + number // 250}.{number % 250 + 2}"
            self.pods[pod.uid] = SimulatedPod(pod, ip, self)
        return self.pods[pod.uid]

    async def adopt(self) -> Mapping[str, Mapping[str, Container]]:
        """Those that still run; a simulation does not outlive its process, but a kubelet can be restarted in it."""
        return {
            uid: {name: container for name, container in pod.containers.items() if container.running}
            for uid, pod in self.pods.items()
        }

    def forget(self, uid: str) -> None:
        """A pod was removed."""
        self.pods.pop(uid, None)

    def log_path(self, pod: PodSpec, container: ContainerSpec) -> str:
        """Where the log would be."""
        return str(self._pods / pod.uid / "logs" / container.name / f"{container.attempt}.log")
