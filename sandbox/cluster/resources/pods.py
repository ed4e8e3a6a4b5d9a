"""Pods."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.pod_status import pod_cells, pod_row_conditions
from sandbox.cluster.resources.printing import AGE, NAME, wide
from sandbox.cluster.resources.resource import Column, Resource


def _cells(pod: Object, now: datetime) -> list[object]:
    return pod_cells(pod, now)


def _grace(pod: Object) -> int | None:
    grace = pod.get("spec", {}).get("terminationGracePeriodSeconds")
    return 30 if grace is None else int(grace)


PODS = Resource(
    kind="Pod",
    plural="pods",
    short_names=("po",),
    categories=("all",),
    subresources=(
        "attach",
        "binding",
        "ephemeralcontainers",
        "eviction",
        "exec",
        "log",
        "portforward",
        "proxy",
        "resize",
        "status",
    ),
    columns=(
        NAME,
        Column("Ready"),
        Column("Status"),
        Column("Restarts"),
        AGE,
        wide("IP"),
        wide("Node"),
        wide("Nominated Node"),
        wide("Readiness Gates"),
    ),
    cells=_cells,
    selectable_fields=(
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    ),
    graceful=_grace,
    row_conditions=pod_row_conditions,
)
