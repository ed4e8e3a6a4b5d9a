"""minikube's small commands: version, ip, profiles, settings, images, and handing over to kubectl."""

from __future__ import annotations

import json

from sandbox.minikube.command import (
    DRIVER,
    KUBERNETES,
    PROFILE,
    VERSION,
    Call,
    Command,
    existing,
    get,
    running,
)
from sandbox.minikube.console import Exit, Fatal, Style
from sandbox.minikube.flags import Flag
from sandbox.minikube.node import named

_BASIC = "Configuration and Management Commands"
_TROUBLE = "Troubleshooting Commands"
_ADVANCED = "Advanced Commands"

_PROFILE_HEADER = (
    "Profile", "Driver", "Runtime", "IP", "Version", "Status", "Nodes", "Active Profile", "Active Kubecontext",
)  # fmt: skip


async def version(call: Call) -> int:
    """Which minikube this is: honestly, ours."""
    if call.parsed.on("short"):
        await call.console.line(VERSION)
    elif call.parsed.text("output") == "json":
        said = {"commit": "quayside", "minikubeVersion": VERSION}
        await call.console.line(json.dumps(said, separators=(",", ":")))
    else:
        await call.console.line(f"minikube version: {VERSION}\ncommit: quayside")
    return 0


async def ip(call: Call) -> int:
    """The node's address."""
    status = await running(call)
    await call.console.line(named(status, call.parsed.text("node") or PROFILE).address)
    return 0


async def profile(call: Call) -> int:
    """Show, list or choose profiles; there is one."""
    match call.parsed.words:
        case ():
            await call.console.line(PROFILE)
        case ("list",):
            await _list_profiles(call)
        case (name,) if name == PROFILE:
            await call.console.step(Style.CHECK, f"minikube profile was successfully set to {name}")
        case _:
            message = f'This sandbox has room for one cluster, whose profile is "{PROFILE}".'
            raise Fatal("MK_USAGE", message, Exit.USAGE)
    return 0


async def _list_profiles(call: Call) -> None:
    status = await call.machine.status()
    if status.state == "absent":
        message = "No minikube profile was found."
        raise Fatal("MK_USAGE_NO_PROFILE", message, Exit.USAGE, "You can create one using 'minikube start'.")
    state = {"running": "OK", "stopped": "Stopped", "paused": "Paused"}.get(status.state, "Starting")
    address = status.nodes[0].address if status.nodes else ""
    active = "*" if call.request.context == PROFILE else ""
    if call.parsed.text("output") == "json":
        valid = [{"Name": PROFILE, "Status": state, "Active": True, "Nodes": len(status.nodes)}]
        await call.console.line(json.dumps({"invalid": [], "valid": valid}, separators=(",", ":")))
        return
    row = (PROFILE, DRIVER, "crun", address, KUBERNETES, state, str(len(status.nodes)), "*", active)
    await call.console.table(_PROFILE_HEADER, [row])


async def update_context(call: Call) -> int:
    """Write the kubeconfig again."""
    status = await existing(call)
    if status.kubeconfig is None:
        raise Fatal("GUEST_STATUS", "the cluster has not made its certificates yet", Exit.GUEST_NOT_RUNNING)
    await call.send({"kubeconfig": status.kubeconfig})
    address = status.nodes[0].address if status.nodes else ""
    await call.console.step(Style.OPENING, f'"{PROFILE}" context has been updated to point to {address}:8443')
    await call.console.step(Style.HEART, f'Current context is "{PROFILE}"')
    return 0


async def kubectl(call: Call) -> int:
    """Hand over to kubectl, whose exit code becomes ours."""
    await call.send({"exec": ["kubectl", *call.parsed.words, *call.parsed.rest]})
    return 0


async def config(call: Call) -> int:
    """View or change settings; none of them changes anything in a sandbox, and it says so."""
    match call.parsed.words:
        case ("view",):
            return 0
        case ("get", _):
            raise Fatal("MK_CONFIG_GET", "specified key could not be found in config", Exit.PROGRAM)
        case ("set", name, _):
            await call.console.warn(f"{name} has no effect: this cluster runs with the sandbox's resources.")
        case ("unset", _):
            return 0
        case _:
            raise Fatal("MK_USAGE", "usage: minikube config view|get|set|unset", Exit.USAGE)
    return 0


async def image(call: Call) -> int:
    """List the images that the node has."""
    if call.parsed.words not in (("ls",), ("list",)):
        message = "Images come from the sandbox's catalogue; see them with minikube image ls."
        raise Fatal("MK_USAGE", message, Exit.USAGE)
    await running(call)
    found = await get(call, f"/api/v1/nodes/{PROFILE}") or {}
    for entry in found.get("status", {}).get("images", []):
        names = [name for name in entry.get("names", []) if "@" not in name]
        for name in names:
            await call.console.line(name)
    return 0


_OUTPUT = Flag("output", short="o")
VERSION_COMMAND = Command(
    "version",
    _TROUBLE,
    "Print the version of minikube",
    version,
    (Flag("short", "bool"), _OUTPUT, Flag("components", "bool")),
)
IP = Command("ip", _TROUBLE, "Retrieves the IP address of the specified node", ip, (Flag("node", short="n"),))
PROFILE_COMMAND = Command(
    "profile", _BASIC, "Get or list the current profiles (clusters)", profile, (_OUTPUT, Flag("light", "bool", "l"))
)
UPDATE_CONTEXT = Command("update-context", _BASIC, "Update kubeconfig in case of a changed address", update_context)
KUBECTL = Command("kubectl", _ADVANCED, "Run kubectl against this cluster", kubectl, usage="--")
CONFIG = Command("config", _BASIC, "Modify persistent configuration values", config, usage="view|get|set|unset")
IMAGE = Command("image", "Images Commands", "List images", image, (Flag("format"),), "ls")
