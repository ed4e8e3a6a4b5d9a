"""`minikube node`: the machines of the cluster, switched on and off, added and taken away."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from sandbox.minikube.command import DRIVER, KUBERNETES, PROFILE, Call, Command, existing, get, running
from sandbox.minikube.console import Exit, Fatal, Style
from sandbox.minikube.flags import Flag
from sandbox.minikube.machine import Node, Status

MOST = 9
_SECONDS = 30.0
_LOOK_AGAIN = 0.02


async def node(call: Call) -> int:
    """List, add, start, stop or delete nodes."""
    match call.parsed.words:
        case ("list",):
            return await _list(call)
        case ("add",):
            return await _add(call)
        case ("start", name):
            return await _start(call, name)
        case ("stop", name):
            return await _stop(call, name)
        case ("delete", name):
            return await _delete(call, name)
        case ("start" | "stop" | "delete" as verb, *_):
            raise Fatal("MK_USAGE", f"Usage: minikube node {verb} [name]", Exit.USAGE)
        case _:
            raise Fatal("MK_USAGE", "Usage: minikube node [add|start|stop|delete|list]", Exit.USAGE)


async def _list(call: Call) -> int:
    status = await existing(call)
    for found in status.nodes:
        await call.console.line(f"{found.name}\t{found.address}")
    return 0


def named(status: Status, name: str) -> Node:
    """The node that is meant by `minikube-m02` or `m02`. Ends the command when there is none."""
    for found in status.nodes:
        if found.name in (name, f"{PROFILE}-{name}"):
            return found
    message = f"retrieving node: Could not find node {name}"
    raise Fatal("GUEST_NODE_RETRIEVE", message, Exit.GUEST_NOT_FOUND)


async def _add(call: Call) -> int:
    status = await running(call)
    number = status.settings.nodes + 1
    if call.parsed.on("control-plane"):
        raise Fatal("MK_USAGE", "--control-plane cannot be had in this sandbox.", Exit.USAGE)
    if len(status.nodes) >= MOST:
        raise Fatal("MK_USAGE", f"This sandbox has room for {MOST} nodes.", Exit.USAGE)
    short = f"m{number:02d}"
    await call.console.step(Style.HAPPY, f"Adding node {short} to cluster {PROFILE} as [worker]")
    await call.machine.start(replace(status.settings, nodes=number))
    await _follow(call, f"{PROFILE}-{short}", status.nodes[0].address)
    await call.console.step(Style.READY, f"Successfully added {short} to {PROFILE}!")
    return 0


async def _start(call: Call, name: str) -> int:
    status = await existing(call)
    wanted = named(status, name)
    if wanted.running:
        await call.console.step(Style.CHECK, f"{name} is already running")
        return 0
    status = await running(call)
    left = tuple(number for number in status.settings.stopped if number != wanted.number)
    await call.machine.start(replace(status.settings, stopped=left))
    await _follow(call, wanted.name, status.nodes[0].address)
    await call.console.step(Style.HAPPY, f"Successfully started node {wanted.name}!")
    return 0


async def _stop(call: Call, name: str) -> int:
    status = await existing(call)
    wanted = named(status, name)
    await call.console.step(Style.STOPPING, f'Stopping node "{wanted.name}"  ...')
    if wanted.running:
        await call.console.step(Style.STOPPED, f'Powering off "{wanted.name}" ...')
        if wanted.control_plane:
            await call.machine.stop()
            await call.send({"kubeconfig": None})
        else:
            stopped = tuple(sorted({*status.settings.stopped, wanted.number}))
            await call.machine.start(replace(status.settings, stopped=stopped))
    await call.console.step(Style.STOPPED, f"Successfully stopped node {wanted.name}")
    return 0


async def _delete(call: Call, name: str) -> int:
    status = await running(call)
    wanted = named(status, name)
    if wanted.control_plane:
        raise Fatal("GUEST_NODE_DELETE", "deleting node: the control plane goes with minikube delete", Exit.GUEST)
    await call.console.step(Style.FIRE, f"Deleting node {name} from cluster {PROFILE}")
    if wanted.running:
        await call.console.step(Style.STOPPING, f'Stopping node "{wanted.name}"  ...')
    settings = status.settings
    deleted = tuple(sorted({*settings.deleted, wanted.number}))
    stopped = tuple(number for number in settings.stopped if number != wanted.number)
    await call.machine.start(replace(settings, deleted=deleted, stopped=stopped))
    try:
        await call.machine.request("DELETE", f"/api/v1/nodes/{wanted.name}")
    except OSError as error:
        raise Fatal("GUEST_NODE_DELETE", "deleting node: the API server does not answer", Exit.GUEST) from error
    await call.console.step(Style.FIRE, f'Deleting "{wanted.name}" in {DRIVER} ...')
    await call.console.step(Style.DELETED, f"Node {name} was successfully deleted.")
    return 0


async def _follow(call: Call, name: str, first: str) -> None:
    """Say what a starting worker goes through, and return when it is Ready."""
    await call.console.line()
    await call.console.step(Style.THUMBS_UP, f'Starting "{name}" worker node in "{PROFILE}" cluster')
    await call.console.step(Style.OPTIONS, "Found network options:")
    await call.console.option(f"NO_PROXY={first}")
    await call.console.step(Style.RUNTIME, f"Preparing Kubernetes {KUBERNETES} on crun ...")
    await call.console.option(f"env NO_PROXY={first}")
    await call.console.step(Style.VERIFYING, "Verifying Kubernetes components...")
    try:
        async with asyncio.timeout(_SECONDS):
            while not await _ready(call, name):  # noqa: ASYNC110 - the API is asked, it does not call
                await asyncio.sleep(_LOOK_AGAIN)
    except TimeoutError as error:
        message = f"node {name} did not become Ready within {_SECONDS:.0f} seconds"
        raise Fatal("GUEST_NODE_START", message, Exit.GUEST) from error


async def _ready(call: Call, name: str) -> bool:
    found = await get(call, f"/api/v1/nodes/{name}") or {}
    conditions = found.get("status", {}).get("conditions", [])
    return any(entry.get("type") == "Ready" and entry.get("status") == "True" for entry in conditions)


NODE = Command(
    "node",
    "Advanced Commands",
    "Add, remove, or list additional nodes",
    node,
    (
        Flag("control-plane", "bool"),
        Flag("worker", "bool"),
        Flag("delete-on-failure", "bool"),
        Flag("output", short="o"),
    ),
    "add|start|stop|delete|list [NAME]",
)
