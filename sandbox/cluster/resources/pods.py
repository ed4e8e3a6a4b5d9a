"""Pods."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.pod_defaults import default_pod, quality_of_service
from sandbox.cluster.resources.pod_status import pod_cells, pod_row_conditions
from sandbox.cluster.resources.pod_validation import pod_causes
from sandbox.cluster.resources.printing import AGE, NAME, wide
from sandbox.cluster.resources.resource import Column, Resource
from sandbox.cluster.resources.workload import bump_generation


def _cells(pod: Object, now: datetime) -> list[object]:
    return pod_cells(pod, now)


def _prepare_create(pod: Object) -> None:
    pod["status"] = {"phase": "Pending", "qosClass": quality_of_service(pod)}
    pod["metadata"]["generation"] = 1


def _prepare_update(new: Object, old: Object) -> None:
    bump_generation(new, old)


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
    default=default_pod,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    validate=pod_causes,
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
