"""`minikube tunnel`: gives LoadBalancer services an address for as long as it runs.

As with minikube's own, the external address is the cluster address, which the learner's machine can reach while the
tunnel stands. It is taken away again when the command ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import quote

from sandbox.minikube.command import PROFILE, Call, Command, items, running
from sandbox.minikube.console import Exit, Fatal, Style
from sandbox.minikube.flags import Flag
from sandbox.minikube.machine import Object

_LOOK_AGAIN = 0.5
_ROUTE = "10.96.0.0/12"


async def tunnel(call: Call) -> int:
    """Serve until the client goes away (Ctrl-C); the addresses go with it."""
    status = await running(call)
    await call.console.step(Style.CHECK, "Tunnel successfully started")
    await call.console.line()
    await call.console.step(
        Style.NOTE,
        "NOTE: Please do not close this terminal as this process must stay alive for the tunnel to be accessible ...",
    )
    await call.console.line()
    given: dict[str, str] = {}
    said: Sequence[str] | None = None
    try:
        while True:
            names = await _give(call, given)
            if names != said:
                said = names
                await _say(call, names, status.nodes[0].address)
            await asyncio.sleep(_LOOK_AGAIN)
            if (await call.machine.status()).state != "running":
                raise Fatal("SVC_TUNNEL_STOP", "the cluster has stopped", Exit.GUEST_NOT_RUNNING)
    finally:
        await _take_back(call, given)


async def _give(call: Call, given: dict[str, str]) -> Sequence[str]:
    """Give each load balancer its address; the names of all that have one."""
    names = []
    for service in await items(call, "/api/v1/services"):
        spec = service.get("spec", {})
        address = spec.get("clusterIP", "")
        if spec.get("type") != "LoadBalancer" or not address or address == "None":
            continue
        path = _path(service)
        if _addresses(service) != [address]:
            if not await _write(call, path, [{"ip": address, "ipMode": "VIP"}]):
                continue
            given[path] = address
        names.append(str(service["metadata"]["name"]))
    return sorted(names)


async def _take_back(call: Call, given: dict[str, str]) -> None:
    for path, address in given.items():
        try:
            _, service = await call.machine.request("GET", path)
            if _addresses(service) == [address]:
                await _write(call, path, [])
        except OSError:
            return  # the cluster is gone, and with it who would read this


async def _write(call: Call, path: str, ingress: Sequence[Object]) -> bool:
    body: Object = {"status": {"loadBalancer": {"ingress": list(ingress) or None}}}
    try:
        code, _ = await call.machine.request("PATCH", f"{path}/status", body)
    except OSError:
        return False
    return code == 200


def _path(service: Object) -> str:
    metadata = service["metadata"]
    return f"/api/v1/namespaces/{quote(metadata['namespace'], safe='')}/services/{quote(metadata['name'], safe='')}"


def _addresses(service: Object) -> list[str]:
    balancer = service.get("status", {}).get("loadBalancer", {})
    return [str(entry.get("ip", "")) for entry in balancer.get("ingress") or []]


async def _say(call: Call, names: Sequence[str], address: str) -> None:
    await call.console.line(
        f"Status:\t\n\tmachine: {PROFILE}\n\troute: {_ROUTE} -> {address}\n\tminikube: Running\n"
        f"\tservices: [{', '.join(names)}]\n    errors: \n\t\tminikube: no errors\n\t\trouter: no errors\n"
        "\t\tloadbalancer emulator: no errors"
    )


TUNNEL = Command(
    "tunnel",
    "Networking and Connectivity Commands",
    "Connect to LoadBalancer services",
    tunnel,
    (Flag("cleanup", "bool", "c"), Flag("bind-address")),
)
