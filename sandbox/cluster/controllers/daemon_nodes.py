"""Which nodes a DaemonSet's pod belongs on, and how a pod is bound to one of them by affinity alone."""

from __future__ import annotations

from sandbox.cluster.api.objects import Object
from sandbox.cluster.controllers.node import tolerates
from sandbox.cluster.scheduler import matches_affinity

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_NODE = "node.kubernetes.io"
_TOLERATED = (
    (f"{_NODE}/not-ready", "NoExecute"),
    (f"{_NODE}/unreachable", "NoExecute"),
    (f"{_NODE}/disk-pressure", "NoSchedule"),
    (f"{_NODE}/memory-pressure", "NoSchedule"),
    (f"{_NODE}/pid-pressure", "NoSchedule"),
    (f"{_NODE}/unschedulable", "NoSchedule"),
)
"""Daemons run where nothing else may."""


def tolerations(spec: Object) -> list[Object]:
    """A pod's own tolerations, and those of every daemon."""
    found = [dict(one) for one in spec.get("tolerations") or ()]
    given = list(_TOLERATED)
    if spec.get("hostNetwork"):
        given.append((f"{_NODE}/network-unavailable", "NoSchedule"))
    for key, effect in given:
        wanted = {"key": key, "operator": "Exists", "effect": effect}
        if wanted not in found:
            found.append(wanted)
    return found


def verdict(spec: Object, node: Object) -> tuple[bool, bool]:
    """(whether a daemon pod should run on the node, whether one that is there may stay)."""
    if spec.get("nodeName") and spec["nodeName"] != node["metadata"]["name"]:
        return False, False
    if not matches_affinity(spec, node):
        return False, False
    pod = {"spec": {"tolerations": tolerations(spec)}}
    taints = list(node["spec"].get("taints") or ())
    refused = {taint["effect"] for taint in taints if tolerates(pod, taint) is None}
    return not refused & {"NoSchedule", "NoExecute"}, "NoExecute" not in refused


def assigned_to(spec: Object, node: str) -> None:
    """Let the scheduler put the pod on this node and no other, in place."""
    spec["tolerations"] = tolerations(spec)
    affinity = spec.setdefault("affinity", {}).setdefault("nodeAffinity", {})
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    terms = (affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms") or [{}]
    for term in terms:
        term["matchFields"] = [field]
    affinity[_REQUIRED] = {"nodeSelectorTerms": terms}


def node_of(pod: Object) -> str:
    """The node that a daemon pod runs on, or was made for; empty when it names none."""
    spec = pod["spec"]
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED) or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field.get("key") == "metadata.name" and len(field.get("values") or ()) == 1:
                return str(field["values"][0])
    return ""
