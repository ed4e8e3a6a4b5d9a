"""`minikube logs`: what the cluster's own parts wrote, which containers there are, and what happened."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from sandbox.minikube.command import Call, Command, get, items, running
from sandbox.minikube.flags import Flag

_SYSTEM = "/api/v1/namespaces/kube-system/pods"
_PARTS = ("coredns", "etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler")


async def logs(call: Call) -> int:
    """Print the last lines of each part of the cluster, then containers and events."""
    await running(call)
    most = call.parsed.number("length", 60)
    await call.console.line("==> container status <==")
    header = ("NAMESPACE", "POD", "CONTAINER", "READY", "RESTARTS", "IMAGE")
    await _columns(call, header, [row for pod in await items(call, "/api/v1/pods") for row in _containers(pod)])
    for pod in await items(call, _SYSTEM):
        for container in pod.get("spec", {}).get("containers", []):
            if container.get("name") in _PARTS:
                await _part(call, str(pod["metadata"]["name"]), str(container["name"]), most)
    await call.console.line("\n==> events <==")
    events = sorted(await items(call, "/api/v1/events"), key=_last_seen)
    rows = [
        (
            _last_seen(event),
            str(event.get("type", "")),
            str(event.get("reason", "")),
            f"{event.get('involvedObject', {}).get('kind', '')}/{event.get('involvedObject', {}).get('name', '')}",
            str(event.get("message", "")),
        )
        for event in (events[-most:] if most else [])
    ]
    await _columns(call, ("LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"), rows)
    return 0


async def _part(call: Call, pod: str, container: str, most: int) -> None:
    identifier = pod.removeprefix(f"{container}-")
    await call.console.line(f"\n==> {container} [{identifier}] <==")
    path = f"{_SYSTEM}/{quote(pod, safe='')}/log?container={quote(container, safe='')}&tailLines={most}"
    found = await get(call, path) or {}
    await call.console.write(str(found.get("text", "")))


def _containers(pod: dict[str, object]) -> Sequence[Sequence[str]]:
    meta, status = pod.get("metadata"), pod.get("status")
    if not isinstance(meta, dict) or not isinstance(status, dict):
        return []
    return [
        (
            str(meta.get("namespace")),
            str(meta.get("name")),
            str(found.get("name")),
            str(found.get("ready")).lower(),
            str(found.get("restartCount")),
            str(found.get("image")),
        )
        for found in status.get("containerStatuses", [])
    ]


def _last_seen(event: dict[str, object]) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


async def _columns(call: Call, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        await call.console.line("   ".join(cells).rstrip())


LOGS = Command(
    "logs",
    "Troubleshooting Commands",
    "Returns logs to debug a local Kubernetes cluster",
    logs,
    (Flag("length", "number", "n"), Flag("problems", "bool")),
)
