"""ControllerRevisions: the history of DaemonSets and StatefulSets."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object, controller_of
from sandbox.cluster.resources.printing import AGE, NAME, NONE, age
from sandbox.cluster.resources.resource import Column, Resource


def _controller(obj: Object) -> str:
    owner = controller_of(obj)
    if owner is None:
        return NONE
    group = owner["apiVersion"].rpartition("/")[0]
    kind = owner["kind"].lower()
    return f"{kind}.{group}/{owner['name']}" if group else f"{kind}/{owner['name']}"


def _cells(obj: Object, now: datetime) -> list[object]:
    return [obj["metadata"]["name"], _controller(obj), obj.get("revision", 0), age(obj, now)]


CONTROLLERREVISIONS = Resource(
    kind="ControllerRevision",
    plural="controllerrevisions",
    group="apps",
    columns=(NAME, Column("Controller"), Column("Revision"), AGE),
    cells=_cells,
)
