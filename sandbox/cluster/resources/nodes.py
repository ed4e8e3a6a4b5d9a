"""Nodes."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.names import qualified_faults
from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import invalid
from sandbox.cluster.resources.container_validation import one_of_many
from sandbox.cluster.resources.printing import AGE, NAME, NONE, UNKNOWN, age, wide
from sandbox.cluster.resources.resource import Column, Resource

_ROLE = "node-role.kubernetes.io/"


def _default(node: Object) -> None:
    node["spec"] = node.get("spec") or {}


def _validate(node: Object, _old: Object | None) -> list[Object]:
    causes: list[Object] = []
    for index, taint in enumerate(node["spec"].get("taints") or ()):
        at = f"spec.taints[{index}]"
        causes += [
            invalid(f"{at}.key", taint.get("key", ""), fault) for fault in qualified_faults(taint.get("key", ""))
        ]
        causes += one_of_many(taint.get("effect"), f"{at}.effect", _EFFECTS)
    return causes


_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def _status(node: Object) -> str:
    words = [
        "Ready" if c.get("status") == "True" else "NotReady"
        for c in node.get("status", {}).get("conditions") or ()
        if c.get("type") == "Ready"
    ] or ["Unknown"]
    if node.get("spec", {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _roles(node: Object) -> str:
    roles = set()
    for label, value in (node["metadata"].get("labels") or {}).items():
        if label.startswith(_ROLE) and len(label) > len(_ROLE):
            roles.add(label.removeprefix(_ROLE))
        elif label == "kubernetes.io/role" and value:
            roles.add(value)
    return ",".join(sorted(roles)) or NONE


def _address(node: Object, kind: str) -> str:
    for address in node.get("status", {}).get("addresses") or ():
        if address.get("type") == kind:
            return str(address.get("address", NONE))
    return NONE


def _cells(node: Object, now: datetime) -> list[object]:
    info = node.get("status", {}).get("nodeInfo", {})
    return [
        node["metadata"]["name"],
        _status(node),
        _roles(node),
        age(node, now),
        info.get("kubeletVersion", ""),
        _address(node, "InternalIP"),
        _address(node, "ExternalIP"),
        info.get("osImage") or UNKNOWN,
        info.get("kernelVersion") or UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]


NODES = Resource(
    kind="Node",
    plural="nodes",
    namespaced=False,
    short_names=("no",),
    subresources=("proxy", "status"),
    columns=(
        NAME,
        Column("Status"),
        Column("Roles"),
        AGE,
        Column("Version"),
        wide("Internal-IP"),
        wide("External-IP"),
        wide("OS-Image"),
        wide("Kernel-Version"),
        wide("Container-Runtime"),
    ),
    cells=_cells,
    default=_default,
    validate=_validate,
    selectable_fields=("spec.unschedulable",),
)
