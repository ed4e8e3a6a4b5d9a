"""How the cluster bears many pods: create, list, delete, watch, memory. `python -m benchmarks.cluster_pods [5000]`.

The containers are simulated; everything else is what a learner's cluster runs, with as many nodes as the pods need.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent
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
        length = next(line for line in head.split("\r\n") if line.startswith("content-length"))
        return await self.reader.readexactly(int(length.split(":")[1]))


async def until(done: Callable[[], Any], *, seconds: float) -> None:
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


async def measure(data: Path, process: subprocess.Popen[bytes], count: int) -> None:
    """Print every figure."""
    client = await Client.connect(data)

    async def all_run() -> bool:
        found = json.loads(await client("GET", _PODS))["items"]
        return bool(sum(pod["status"].get("phase") == "Running" for pod in found) == count)

    async def none_left() -> bool:
        return not json.loads(await client("GET", f"{_PODS}?limit=1"))["items"]

    print(f"memory, empty: {memory(process):.0f} MiB")
    began = time.monotonic()
    await create(data, count)
    print(f"{count} pods created: {time.monotonic() - began:.1f} s")
    await until(all_run, seconds=300)
    print(f"{count} pods running: {time.monotonic() - began:.1f} s, memory {memory(process):.0f} MiB")
    for name, accept in (("JSON", "application/json"), ("table", _TABLE)):
        started = time.perf_counter()
        await client("GET", _PODS, accept=accept)
        print(f"list as {name}: {time.perf_counter() - started:.3f} s")
    latency = await watch_latency(data, client)
    print(f"watch latency: median {latency[len(latency) // 2]:.1f} ms, worst {latency[-1]:.1f} ms")
    began = time.monotonic()
    await client("DELETE", _PODS)
    await until(none_left, seconds=300)
    print(f"{count} pods deleted: {time.monotonic() - began:.1f} s")


def main() -> None:
    """Start a cluster, measure, stop it."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    nodes = max(1, -(-count // _PER_NODE))
    with tempfile.TemporaryDirectory() as place:
        data = Path(place)
        command = [sys.executable, "-m", "sandbox.cluster", "--data", place, "--listen", "127.0.0.1:0"]
        with subprocess.Popen([*command, "--runtime", "simulated", "--nodes", str(nodes)], cwd=_ROOT) as process:
            while not (data / "kubeconfig").exists():
                time.sleep(0.05)
            asyncio.run(measure(data, process, count))
            process.send_signal(signal.SIGTERM)


if __name__ == "__main__":
    main()
