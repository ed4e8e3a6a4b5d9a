"""Probes: asking a container whether it has started, is ready, is alive."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.api.objects import Object
from sandbox.cluster.kubelet.runtime import Container, StartError

ProbeKind = Literal["startup", "readiness", "liveness"]
FIRST_AFTER = 0.3
"""Seconds before the first probing: a kubelet's own ticks leave a program time to begin listening, too."""
_OUTPUT = 10 * 1024
"""Bytes of an exec probe's output that are looked at."""
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


@dataclass(frozen=True)
class Verdict:
    """What one probing said."""

    ok: bool
    output: str = ""


class Dialler(Protocol):
    """Opens connections into a pod (`PodSandbox`)."""

    ip: str

    async def dial(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to a port of the pod. Raises OSError."""


async def probe_once(probe: Object, *, spec: Object, container: Container, pod: Dialler) -> Verdict:
    """Ask once; a deadline is the caller's."""
    if "exec" in probe:
        return await _exec(probe["exec"].get("command") or (), container)
    if "httpGet" in probe:
        return await _http(probe["httpGet"], spec, pod)
    if "tcpSocket" in probe:
        return await _tcp(port_number(probe["tcpSocket"]["port"], spec), pod)
    if "grpc" in probe:
        return await _tcp(int(probe["grpc"]["port"]), pod)
    return Verdict(ok=True)


def port_number(port: int | str, spec: Object) -> int:
    """A port given by number or by a name of the container's ports. Raises ValueError."""
    if isinstance(port, int):
        return port
    for one in spec.get("ports") or ():
        if one.get("name") == port:
            return int(one["containerPort"])
    return int(port)


async def _exec(command: Sequence[str], container: Container) -> Verdict:
    try:
        process = await container.exec(command, stdin=False, tty=False)
    except StartError as error:
        return Verdict(ok=False, output=str(error))
    try:
        output = b""
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                output += await stream.read(_OUTPUT)
        code = await process.wait()
    finally:
        await process.close()
    return Verdict(ok=code == 0, output=output.decode(errors="replace"))


async def _tcp(port: int, pod: Dialler) -> Verdict:
    try:
        _, writer = await pod.dial(port)
    except OSError as error:
        return Verdict(ok=False, output=f"dial tcp {pod.ip}:{port}: {dial_error(error)}")
    writer.close()
    return Verdict(ok=True)


async def _http(get: Object, spec: Object, pod: Dialler) -> Verdict:
    port = port_number(get["port"], spec)
    path = get.get("path") or "/"
    scheme = str(get.get("scheme") or "HTTP").lower()
    url = f"{scheme}://{get.get('host') or pod.ip}:{port}{path}"
    headers = {str(h["name"]).lower(): str(h["value"]) for h in get.get("httpHeaders") or ()}
    headers = {
        "host": f"{pod.ip}:{port}",
        "user-agent": "kube-probe/1.33",
        "accept": "*/*",
        "connection": "close",
    } | headers
    lines = "".join(f"{name.title()}: {value}\r\n" for name, value in headers.items())
    try:
        status = await _status(pod, port, f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode(), tls=scheme == "https")
    except OSError as error:
        return Verdict(ok=False, output=f'Get "{url}": dial tcp {pod.ip}:{port}: {dial_error(error)}')
    if status is None:
        return Verdict(ok=False, output=f'Get "{url}": EOF')
    if 200 <= status < 400:
        return Verdict(ok=True)
    return Verdict(ok=False, output=f"HTTP probe failed with statuscode: {status}")


async def _status(pod: Dialler, port: int, request: bytes, *, tls: bool) -> int | None:
    reader, writer = await pod.dial(port)
    try:
        if tls:
            await writer.start_tls(_unverified())
        writer.write(request)
        await writer.drain()
        match = _STATUS.match(await reader.readline())
    except ConnectionError:
        return None
    finally:
        writer.close()
    return int(match[1]) if match else None


def _unverified() -> ssl.SSLContext:
    """Kubernetes does not verify what it probes."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def dial_error(error: OSError) -> str:
    """The error as Go names it."""
    if isinstance(error, ConnectionRefusedError):
        return "connect: connection refused"
    if isinstance(error, TimeoutError):
        return "i/o timeout"
    return f"connect: {(error.strerror or str(error)).lower()}"


def timeout_message(probe: Object, *, spec: Object, ip: str) -> str:
    """What a probing that took too long says."""
    if "exec" in probe:
        return f'command "{" ".join(probe["exec"].get("command") or ())}" timed out'
    if "httpGet" in probe:
        get = probe["httpGet"]
        url = f"http://{ip}:{port_number(get['port'], spec)}{get.get('path') or '/'}"
        return f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    return "dial tcp: i/o timeout"


@dataclass
class Prober:
    """Asks one container one kind of question until cancelled, and tells when the answer changes."""

    kind: ProbeKind
    probe: Object
    ask: Callable[[], Awaitable[Verdict]]
    tell: Callable[[ProbeKind, bool], None]
    """Called with the new answer once a threshold is reached."""
    failed: Callable[[ProbeKind, str], None]
    """Called with the output of each failed probing."""
    clock: Clock
    timed_out: str
    """What to say when an answer took too long."""

    async def run(self) -> None:
        """Ask every `periodSeconds` after `initialDelaySeconds`; a startup probe ends with its first success."""
        await self.clock.sleep(max(FIRST_AFTER, float(self.probe.get("initialDelaySeconds") or 0)))
        period = float(self.probe.get("periodSeconds") or 10)
        same, answer = 0, None
        while True:
            verdict = await self._bounded()
            same = same + 1 if verdict.ok is answer else 1
            answer = verdict.ok
            if not verdict.ok:
                self.failed(self.kind, verdict.output)
            if same >= self._threshold(ok=verdict.ok):
                self.tell(self.kind, verdict.ok)
                if self.kind == "startup":
                    return
            await self.clock.sleep(period)

    def _threshold(self, *, ok: bool) -> int:
        return int(self.probe.get("successThreshold") or 1) if ok else int(self.probe.get("failureThreshold") or 3)

    async def _bounded(self) -> Verdict:
        limit = float(self.probe.get("timeoutSeconds") or 1)
        asking = asyncio.ensure_future(self.ask())
        watchdog = asyncio.ensure_future(self.clock.sleep(limit))
        try:
            await asyncio.wait({asking, watchdog}, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                return asking.result()
            return Verdict(ok=False, output=self.timed_out)
        except (OSError, ValueError) as error:
            return Verdict(ok=False, output=str(error))
        finally:
            asking.cancel()
            watchdog.cancel()
