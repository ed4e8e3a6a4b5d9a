"""How the cluster bears many pods: create, list, delete, watch, memory.

The containers are simulated; everything else is what a learner's cluster runs, with as many nodes as the pods need.
"""

from __future__ import annotations

import asyncio
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, run
from benchmarks.site import CHECKOUT

PODS = 5000
_PODS = "/api/v1/namespaces/default/pods"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_PER_NODE = 100
_CLIENTS = 4


class Client:
    """One connection to the API server's unix socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, data: Path) -> Client:
        return cls(*await asyncio.open_unix_connection(data / "apiserver.sock", limit=1 << 28))

    async def send(self, method: str, path: str, body: Any = None, *, accept: str = "application/json") -> None:
        payload = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nContent-Length: {len(payload)}\r\n\r\n"
        self.writer.write(head.encode() + payload)
        await self.writer.drain()

    async def head(self) -> str:
        return (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()

    async def __call__(self, method: str, path: str, body: Any = None, *, accept: str = "application/json") -> bytes:
        await self.send(method, path, body, accept=accept)
        head = await self.head()
        assert head.split()[1] in ("200", "201"), head
        if "transfer-encoding: chunked" in head:  # large lists are streamed
            return await self._chunks()
        length = next(line for line in head.split("\r\n") if line.startswith("content-length"))
        return await self.reader.readexactly(int(length.split(":")[1]))

    async def _chunks(self) -> bytes:
        body = bytearray()
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readexactly(2)
        return bytes(body)


async def until(done: Callable[[], Awaitable[bool]], *, seconds: float) -> None:
    """Ask every now and then until the answer is true."""
    deadline = time.monotonic() + seconds
    while not await done():
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(0.25)


async def create(data: Path, count: int) -> None:
    """Create pods over a few connections, as a kubectl with several workers would."""

    async def some(first: int) -> None:
        client = await Client.connect(data)
        for number in range(first, count, _CLIENTS):
            spec = {"containers": [{"name": "c", "image": "nginx"}]}
            await client("POST", _PODS, {"metadata": {"name": f"p{number}", "labels": {"app": "x"}}, "spec": spec})

    await asyncio.gather(*(some(first) for first in range(_CLIENTS)))


async def watch_latency(data: Path, client: Client) -> list[float]:
    """Milliseconds from sending a create to reading it from a watch."""
    watcher = await Client.connect(data)
    await watcher.send("GET", "/api/v1/namespaces/default/configmaps?watch=1")
    await watcher.head()
    found = []
    for number in range(21):
        began = time.perf_counter()
        name = f"latency-{number}"
        await asyncio.gather(
            client("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": name}}),
            watcher.reader.readuntil(f'"name":"{name}"'.encode()),
        )
        found.append((time.perf_counter() - began) * 1000)
    return sorted(found)


def memory(process: subprocess.Popen[bytes]) -> float:
    """Resident MiB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def _once(data: Path, process: subprocess.Popen[bytes]) -> dict[str, float]:
    """Every figure of one cluster."""
    client = await Client.connect(data)
    found = {"empty": memory(process)}

    async def all_run() -> bool:
        pods = json.loads(await client("GET", _PODS))["items"]
        return bool(sum(pod["status"].get("phase") == "Running" for pod in pods) == PODS)

    async def none_left() -> bool:
        return not json.loads(await client("GET", f"{_PODS}?limit=1"))["items"]

    began = time.monotonic()
    await create(data, PODS)
    await until(all_run, seconds=300)
    found["create"] = time.monotonic() - began
    found["full"] = memory(process)
    for name, accept in (("list", "application/json"), ("table", _TABLE)):
        started = time.perf_counter()
        await client("GET", _PODS, accept=accept)
        found[name] = time.perf_counter() - started
    found["watch"] = statistics.median(await watch_latency(data, client))
    began = time.monotonic()
    await client("DELETE", _PODS)
    await until(none_left, seconds=300)
    found["delete"] = time.monotonic() - began
    return found


async def measure(rounds: int) -> Sequence[Figure]:
    """A fresh cluster each time."""
    found = [await asyncio.to_thread(_cluster) for _ in range(rounds)]

    def of(name: str) -> list[float]:
        return [one[name] for one in found]

    pods = f"{PODS:,} simulated pods"
    return [
        Figure(f"{pods}: created and all running", of("create"), "s", "60 s", "kwok: 10,000 in 60 s"),
        Figure(f"{pods}: listed", of("list"), "s", "1 s"),
        Figure(f"{pods}: listed as a table", of("table"), "s"),
        Figure(f"{pods}: deleted, all gone", of("delete"), "s", "60 s"),
        Figure(f"memory of the cluster's process with {pods}", of("full"), "MiB"),
        Figure("the same with none", of("empty"), "MiB"),
        Figure(f"a change → a watch, with {pods}", of("watch"), "ms"),
    ]


def _cluster() -> dict[str, float]:
    """Start a cluster, measure, stop it."""
    with tempfile.TemporaryDirectory() as place:
        data = Path(place)
        command = [sys.executable, "-m", "sandbox.cluster", "--data", place, "--listen", "127.0.0.1:0"]
        command += ["--runtime", "simulated", "--nodes", str(-(-PODS // _PER_NODE))]
        process = subprocess.Popen(command, cwd=CHECKOUT)
        try:
            while not (data / "kubeconfig").exists() and process.poll() is None:
                time.sleep(0.05)
            return asyncio.run(_once(data, process))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


if __name__ == "__main__":
    run(measure, rounds=1)
