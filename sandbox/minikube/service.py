"""`minikube service`: where a service's node ports answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

from sandbox.minikube.command import Call, Command, get, items, running
from sandbox.minikube.console import Exit, Fatal, Style
from sandbox.minikube.flags import Flag
from sandbox.minikube.machine import Object

_HEADER = ("NAMESPACE", "NAME", "TARGET PORT", "URL")
_NO_PORT = "No node port"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


async def service(call: Call) -> int:
    """Print a service's URLs, or with `list` those of all."""
    status = await running(call)
    address = status.nodes[0].address
    namespace = call.parsed.text("namespace", "default")
    if call.parsed.words[:1] == ("list",):
        return await _list(call, address)
    if call.parsed.on("all"):
        names = [str(found["metadata"]["name"]) for found in await items(call, _path(namespace))]
    else:
        names = list(call.parsed.words)
    if not names:
        raise Fatal("MK_USAGE", "You must specify a service name", Exit.USAGE)
    for name in names:
        await _one(call, namespace, name, address)
    return 0


async def _one(call: Call, namespace: str, name: str, address: str) -> None:
    found = await get(call, f"{_path(namespace)}/{name}") if _NAME.fullmatch(name) else None
    if found is None:
        hint = (
            f"You may select another namespace by using 'minikube service {name} -n <namespace>'. "
            "Or list out all the services using 'minikube service list'"
        )
        message = f"Service '{name}' was not found in '{namespace}' namespace.\n{hint}"
        raise Fatal("SVC_NOT_FOUND", message, Exit.SERVICE_NOT_FOUND)
    rows = _rows(call, found, address)
    urls = [row[3] for row in rows if row[3]]
    if not urls:
        if not call.parsed.on("url"):
            await call.console.table(_HEADER, rows)
        await call.console.step(Style.SAD, f"service {namespace}/{name} has no node port")
        return
    await _wait_for_pods(call, namespace, name)
    if call.parsed.on("url"):
        for url in urls:
            await call.console.line(url)
        return
    await call.console.table(_HEADER, rows)
    await call.console.step(Style.OPENING, f"Opening service {namespace}/{name} in default browser...")
    for url in urls:
        await call.console.step(Style.WORKAROUND, url)


async def _list(call: Call, address: str) -> int:
    namespace = call.parsed.text("namespace")
    path = _path(namespace) if namespace else "/api/v1/services"
    found = sorted(
        await items(call, path), key=lambda entry: (entry["metadata"]["namespace"], entry["metadata"]["name"])
    )
    await call.console.table(_HEADER, [row for entry in found for row in _rows(call, entry, address)])
    return 0


def _path(namespace: str) -> str:
    if not _NAME.fullmatch(namespace):
        raise Fatal("MK_USAGE", f"{namespace!r} is not a namespace.", Exit.USAGE)
    return f"/api/v1/namespaces/{namespace}/services"


def _rows(call: Call, found: Object, address: str) -> Sequence[Sequence[str]]:
    """A row for each node port, or one that says that there is none."""
    meta = found["metadata"]
    rows: list[tuple[str, str, str, str]] = []
    for port in found.get("spec", {}).get("ports", []):
        if not port.get("nodePort"):
            continue
        target = str(port["port"])
        label = f"{port['name']}/{target}" if port.get("name") else target
        rows.append((meta["namespace"], meta["name"], label, _url(call, address, port)))
    return rows or [(meta["namespace"], meta["name"], _NO_PORT, "")]


def _url(call: Call, address: str, port: Any) -> str:
    template = call.parsed.text("format", "http://{{.IP}}:{{.Port}}")
    url = re.sub(r"\{\{\s*\.IP\s*\}\}", address, template)
    url = re.sub(r"\{\{\s*\.Port\s*\}\}", str(port["nodePort"]), url)
    url = re.sub(r"\{\{\s*\.Name\s*\}\}", str(port.get("name", "")), url)
    return url.replace("http://", "https://", 1) if call.parsed.on("https") else url


async def _wait_for_pods(call: Call, namespace: str, name: str) -> None:
    """Wait for a pod behind the service for `--wait` seconds, as minikube does before it says a URL."""
    deadline = asyncio.get_running_loop().time() + call.parsed.number("wait", 2)
    path = f"/api/v1/namespaces/{namespace}/endpoints/{name}"
    while True:
        found = await get(call, path) or {}
        if any(subset.get("addresses") for subset in found.get("subsets") or []):
            return
        if asyncio.get_running_loop().time() >= deadline:
            message = f"service not available: no running pod for service {name} found"
            raise Fatal("SVC_UNREACHABLE", message, Exit.SERVICE_UNAVAILABLE)
        await asyncio.sleep(0.1)


SERVICE = Command(
    "service",
    "Networking and Connectivity Commands",
    "Returns a URL to connect to a service",
    service,
    (
        Flag("url", "bool"),
        Flag("all", "bool"),
        Flag("https", "bool"),
        Flag("namespace", short="n"),
        Flag("format"),
        Flag("wait", "number"),
        Flag("interval", "number"),
    ),
    "[NAME…|list]",
)
