"""Server-side tables: what `kubectl get` prints is computed here, as meta.k8s.io/v1 Table."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.resource import Column, Resource

INCLUDE = ("Metadata", "Object", "None")
"""What `includeObject` may ask for; the first is the default."""


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def partial(resource: Resource, obj: Object, *, version: str = "v1") -> Object:
    """The PartialObjectMetadata of an object (of `resource`, whatever that is)."""
    return {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": obj["metadata"]}


def _shown(resource: Resource, obj: Object, include: str, version: str) -> Object | None:
    if include == "None":
        return None
    if include == "Object":
        return {"kind": resource.kind, "apiVersion": resource.api_version} | obj
    return partial(resource, obj, version=version)


def _row(resource: Resource, obj: Object, now: datetime, shown: Object | None) -> Object:
    if resource.cells is None:
        cells = [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp")]
    else:
        cells = list(resource.cells(obj, now))
    row: Object = {"cells": cells}
    if conditions := resource.row_conditions(obj):
        row["conditions"] = list(conditions)
    return row | {"object": shown}


def table(
    resource: Resource,
    objects: Iterable[Object],
    *,
    now: datetime,
    metadata: Object,
    include: str = "Metadata",
    version: str = "v1",
    columns: bool = True,
) -> Object:
    """A table of objects. `metadata` is the list's (resourceVersion, continue, …) or one object's resourceVersion.

    `include` is the request's `includeObject`, `version` the Table's (v1 or v1beta1). Of a watch's events, each
    a table of one row, only the first has `columns`.
    """
    rows = [_row(resource, obj, now, _shown(resource, obj, include, version)) for obj in objects]
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata,
        "columnDefinitions": [_definition(column) for column in resource.columns] if columns else None,
        "rows": rows,
    }
