"""`minikube addons`: what the cluster has besides its core, as far as this sandbox's cluster really has it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sandbox.minikube.command import PROFILE, Call, Command, existing, get, running
from sandbox.minikube.console import Exit, Fatal, Style
from sandbox.minikube.flags import Flag

_SECONDS = 2.0
_KUBERNETES = "Kubernetes"
_HEADER = ("ADDON NAME", "PROFILE", "STATUS", "MAINTAINER")


@dataclass(frozen=True)
class Addon:
    """One addon that the cluster can have."""

    name: str
    proof: str
    """A path of the API that answers when the cluster has it."""
    always: bool = False
    """It cannot be switched off."""


ADDONS_KNOWN = (
    Addon("default-storageclass", "/apis/storage.k8s.io/v1/storageclasses/standard", always=True),
    Addon("ingress", "/apis/networking.k8s.io/v1/ingressclasses/nginx"),
    Addon("metrics-server", "/apis/metrics.k8s.io/v1beta1"),
    Addon("storage-provisioner", "/apis/storage.k8s.io/v1/storageclasses/standard", always=True),
)


async def addons(call: Call) -> int:
    """List, enable or disable."""
    match call.parsed.words:
        case ("list",):
            return await _list(call)
        case ("enable", name):
            return await _enable(call, _known(name))
        case ("disable", name):
            return await _disable(call, _known(name))
        case ("enable" | "disable" as verb, *_):
            raise Fatal("MK_USAGE", f"usage: minikube addons {verb} ADDON_NAME", Exit.USAGE)
        case _:
            raise Fatal("MK_USAGE", "usage: minikube addons list|enable|disable", Exit.USAGE)


def _known(name: str) -> Addon:
    for addon in ADDONS_KNOWN:
        if addon.name == name:
            return addon
    known = ", ".join(addon.name for addon in ADDONS_KNOWN)
    message = f"addon {name!r} is not part of this sandbox, which has {known}."
    raise Fatal("MK_ADDON_ENABLE", message, Exit.PROGRAM)


async def _list(call: Call) -> int:
    enabled = set(await in_cluster(call))
    if call.parsed.text("output") == "json":
        states = {
            addon.name: {"Profile": PROFILE, "Status": "enabled" if addon.name in enabled else "disabled"}
            for addon in ADDONS_KNOWN
        }
        await call.console.line(json.dumps(states, separators=(",", ":")))
        return 0
    rows = [
        (addon.name, PROFILE, "enabled ✅" if addon.name in enabled else "disabled", _KUBERNETES)
        for addon in ADDONS_KNOWN
    ]
    await call.console.table(_HEADER, rows)
    return 0


async def in_cluster(call: Call) -> Sequence[str]:
    """The addons that the cluster has: of a running one those that answer, of a stopped one what was asked for."""
    status = await call.machine.status()
    if status.state != "running":
        return [addon.name for addon in ADDONS_KNOWN if addon.name in status.settings.addons]
    return [addon.name for addon in ADDONS_KNOWN if await get(call, addon.proof) is not None]


async def _enable(call: Call, addon: Addon) -> int:
    status = await running(call)
    await call.console.step(
        Style.TIP, f"{addon.name} is an addon maintained by {_KUBERNETES}. For any concerns contact your instructor."
    )
    if not addon.always and addon.name not in status.settings.addons:
        added = (*status.settings.addons, addon.name)
        await call.machine.start(replace(status.settings, addons=added))
    if not await _appears(call, addon):
        await call.machine.start(status.settings)
        message = f"this sandbox's cluster does not have {addon.name}."
        raise Fatal("MK_ADDON_ENABLE", message, Exit.PROGRAM)
    await call.console.step(Style.ENABLED, f"The '{addon.name}' addon is enabled")
    return 0


async def _appears(call: Call, addon: Addon) -> bool:
    """Whether the API answers for the addon within the time that it takes to come up."""
    deadline = asyncio.get_running_loop().time() + _SECONDS
    while await get(call, addon.proof) is None:
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


async def _disable(call: Call, addon: Addon) -> int:
    status = await existing(call)
    if addon.always:
        raise Fatal("MK_ADDON_DISABLE", f"{addon.name} is part of every cluster here.", Exit.PROGRAM)
    left = tuple(name for name in status.settings.addons if name != addon.name)
    if left != status.settings.addons and status.state == "running":
        await call.machine.start(replace(status.settings, addons=left))
    # The stray quotation mark is minikube's own, since v1.18 at least: people search for it.
    await call.console.step(Style.DISABLED, f"\"The '{addon.name}' addon is disabled")
    return 0


ADDONS = Command(
    "addons",
    "Configuration and Management Commands",
    "Enable or disable a minikube addon",
    addons,
    (Flag("output", short="o"), Flag("docs", "bool", "d"), Flag("images"), Flag("registries"), Flag("refresh", "bool")),
    "list|enable|disable",
)
