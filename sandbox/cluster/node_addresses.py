"""The nodes' own addresses, and which endpoints are on which node: what traffic policies are about."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterable, Mapping, Sequence

from sandbox.cluster.api.objects import Object


def node_addresses(nodes: Iterable[Object]) -> Mapping[str, str]:
    """Each node's address and, for that, its name."""
    found: dict[str, str] = {}
    for node in nodes:
        for entry in (node.get("status") or {}).get("addresses") or ():
            # A learner may write anything into a node's status: only what parses may become part of a ruleset.
            with contextlib.suppress(ValueError):
                if entry.get("type") == "InternalIP":
                    found[str(ipaddress.IPv4Address(entry.get("address") or ""))] = str(node["metadata"]["name"])
    return found


def on_node(slices: Iterable[Object], node: str) -> Sequence[Object]:
    """The slices with only those endpoints that are on one node."""
    return [
        one | {"endpoints": [endpoint for endpoint in one.get("endpoints") or () if endpoint.get("nodeName") == node]}
        for one in slices
    ]


def keeps_source(service: Object) -> bool:
    """Whether traffic from outside stays on the node where it arrives, and so keeps its sender."""
    return bool(service["spec"].get("externalTrafficPolicy") == "Local")
