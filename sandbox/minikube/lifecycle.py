"""`minikube status`, `stop`, `delete`, `pause` and `unpause`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.minikube.command import DRIVER, PROFILE, Call, Command, existing, items
from sandbox.minikube.console import Exit, Fatal, Style
from sandbox.minikube.flags import Flag
from sandbox.minikube.machine import Node, State, Status

_HOST: Mapping[State, str] = {
    "starting": "Running",
    "running": "Running",
    "paused": "Running",
    "stopped": "Stopped",
    "absent": "Nonexistent",
}
_KUBELET: Mapping[State, str] = {"starting": "Running", "running": "Running", "paused": "Stopped", "stopped": "Stopped"}
_API: Mapping[State, str] = {"starting": "Stopped", "running": "Running", "paused": "Paused", "stopped": "Stopped"}

_HOST_DOWN, _COMPONENT_DOWN, _KUBECONFIG_WRONG = 1, 2, 4

_PAUSED_NAMESPACES = ("kube-system", "kubernetes-dashboard", "istio-operator")

_FIELDS = ("Name", "Host", "Kubelet", "APIServer", "Kubeconfig", "Worker")


async def status(call: Call) -> int:
    """Print each node's state; the exit code is a mask of what is not as it should be."""
    found = await existing(call)
    rows = [_row(call, found, node) for node in found.nodes or (Node(PROFILE, "", running=False),)]
    chosen = call.parsed.text("node")
    if chosen:
        rows = [row for row in rows if row["Name"] in (chosen, f"{PROFILE}-{chosen}")]
        if not rows:
            raise Fatal("GUEST_NODE_RETRIEVE", f"retrieving node: Could not find node {chosen}", Exit.GUEST_NOT_FOUND)
    if call.parsed.text("output", "text") == "json":
        await call.console.line(json.dumps(rows[0] if len(rows) == 1 else rows, separators=(",", ":")))
    elif "format" in call.parsed.values:
        for row in rows:
            await call.console.write(_fill_in(call.parsed.text("format"), row))
    else:
        for row in rows:
            await call.console.write(_block(row))
    return _mask(rows)


def _row(call: Call, found: Status, node: Node) -> Mapping[str, Any]:
    # One node of several may be stopped; otherwise they are what the cluster is.
    host = "Stopped" if found.state == "running" and not node.running else _HOST[found.state]
    if host != "Running":
        parts = dict.fromkeys(("Kubelet", "APIServer", "Kubeconfig"), host)
    else:
        parts = {
            "Kubelet": _KUBELET[found.state],
            "APIServer": _API[found.state],
            "Kubeconfig": "Configured" if call.request.server == _server(found) else "Misconfigured",
        }
    if not node.control_plane and host == "Running":
        parts |= {"APIServer": "Irrelevant", "Kubeconfig": "Irrelevant"}
    return {"Name": node.name, "Host": host, **parts, "Worker": not node.control_plane}


def _server(found: Status) -> str:
    clusters = (found.kubeconfig or {}).get("clusters") or [{}]
    return str(clusters[0].get("cluster", {}).get("server", ""))


def _block(row: Mapping[str, Any]) -> str:
    lines = [row["Name"], f"type: {'Worker' if row['Worker'] else 'Control Plane'}"]
    lines += [f"host: {row['Host']}", f"kubelet: {row['Kubelet']}"]
    if not row["Worker"]:
        lines += [f"apiserver: {row['APIServer']}", f"kubeconfig: {row['Kubeconfig']}"]
    if row["Kubeconfig"] == "Misconfigured":
        lines += ["", "", "WARNING: Your kubectl is pointing to stale minikube-vm."]
        lines += ["To fix the kubectl context, run `minikube update-context`"]
    return "\n".join(lines) + "\n\n"


def _fill_in(template: str, row: Mapping[str, Any]) -> str:
    """The small part of Go's templates that people use here: fields by name."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in _FIELDS:
            raise Fatal("MK_USAGE", f"--format knows {', '.join(_FIELDS)}, not {name}.", Exit.USAGE)
        said = row[name]
        return ("true" if said else "false") if isinstance(said, bool) else str(said)

    return re.sub(r"\{\{\s*\.(\w+)\s*\}\}", value, template)


def _mask(rows: Sequence[Mapping[str, Any]]) -> int:
    mask = 0
    for row in rows:
        if row["Host"] != "Running":
            mask |= _HOST_DOWN
        if row["Kubelet"] != "Running" or row["APIServer"] not in ("Running", "Irrelevant"):
            mask |= _COMPONENT_DOWN
        if row["Kubeconfig"] not in ("Configured", "Irrelevant"):
            mask |= _KUBECONFIG_WRONG
    return mask


async def stop(call: Call) -> int:
    """Stop the cluster; what it stores survives."""
    found = await existing(call)
    nodes = found.nodes or (Node(PROFILE, "", running=False),)
    for node in reversed(nodes):
        await call.console.step(Style.STOPPING, f'Stopping node "{node.name}"  ...')
        if found.state != "stopped" and node.running:
            await call.console.step(Style.STOPPED, f'Powering off "{node.name}" ...')
    await call.machine.stop()
    if not call.parsed.on("keep-context-active"):
        await call.send({"kubeconfig": None})
    plural = "node" if len(nodes) == 1 else "nodes"
    await call.console.step(Style.STOPPED, f"{len(nodes)} {plural} stopped.")
    return 0


async def delete(call: Call) -> int:
    """Delete the cluster and all it stored."""
    found = await call.machine.status()
    everything = call.parsed.on("all")
    if not everything and (call.profile != PROFILE or found.state == "absent"):
        await call.console.warn(f'"{call.profile}" profile does not exist, trying anyways.', Style.MEH)
    elif found.state != "absent":
        await call.console.step(Style.FIRE, f'Deleting "{PROFILE}" in {DRIVER} ...')
    if everything or call.profile == PROFILE:
        await call.machine.delete()
        await call.send({"kubeconfig": None})
    await call.console.step(Style.DELETED, f'Removed all traces of the "{call.profile}" cluster.')
    if everything:
        await call.console.step(Style.FIRE, "Successfully deleted all profiles")
    return 0


async def pause(call: Call) -> int:
    """Make the API server stop answering; pods run on."""
    found = await existing(call)
    counted = await _containers(call) if found.state == "running" else 0
    await call.console.step(Style.PAUSING, f"Pausing node {PROFILE} ... ")
    await call.machine.stop(pause=True)
    await call.console.step(Style.UNPAUSED, f"Paused {counted} containers in: {', '.join(_PAUSED_NAMESPACES)}")
    return 0


async def unpause(call: Call) -> int:
    """Let the API server answer again."""
    found = await existing(call)
    await call.console.step(Style.PAUSING, f"Unpausing node {PROFILE} ... ")
    await call.machine.start(found.settings)
    counted = await _containers(call)
    await call.console.step(Style.PAUSING, f"Unpaused {counted} containers in: {', '.join(_PAUSED_NAMESPACES)}")
    return 0


async def _containers(call: Call) -> int:
    count = 0
    for namespace in _PAUSED_NAMESPACES:
        try:
            found = await items(call, f"/api/v1/namespaces/{namespace}/pods")
        except Fatal:
            return 0
        count += sum(len(pod.get("status", {}).get("containerStatuses", [])) for pod in found)
    return count


STATUS = Command(
    "status",
    "Basic Commands",
    "Gets the status of a local Kubernetes cluster",
    status,
    (Flag("format", short="f"), Flag("output", short="o"), Flag("node", short="n"), Flag("layout", short="l")),
)
STOP = Command(
    "stop",
    "Basic Commands",
    "Stops a running local Kubernetes cluster",
    stop,
    (Flag("all", "bool"), Flag("keep-context-active", "bool"), Flag("output", short="o")),
)
DELETE = Command(
    "delete",
    "Basic Commands",
    "Deletes a local Kubernetes cluster",
    delete,
    (Flag("all", "bool"), Flag("purge", "bool"), Flag("output", short="o")),
)
_NAMESPACES = (Flag("namespaces", "list", "n"), Flag("all-namespaces", "bool", "A"))
PAUSE = Command("pause", "Basic Commands", "pause Kubernetes", pause, _NAMESPACES)
UNPAUSE = Command("unpause", "Basic Commands", "unpause Kubernetes", unpause, _NAMESPACES)
