"""Secrets."""

from __future__ import annotations

import base64
from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import immutable, required
from sandbox.cluster.resources.configmaps import frozen_causes, key_causes, too_large
from sandbox.cluster.resources.field_order import reorder
from sandbox.cluster.resources.printing import AGE, NAME, age
from sandbox.cluster.resources.resource import Column, Resource

TOKEN_TYPE = "kubernetes.io/service-account-token"
ACCOUNT_NAME = "kubernetes.io/service-account.name"
"""The annotation that says whose token it is."""
_NEEDED = {
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/ssh-auth": "ssh-privatekey",
}


def _default(obj: Object) -> None:
    obj["type"] = obj.get("type") or "Opaque"
    text = obj.pop("stringData", None)
    if text:
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in text.items()}
        obj["data"] = (obj.get("data") or {}) | encoded
    reorder(obj, ("kind", "apiVersion", "metadata", "immutable", "data", "type"))


def _content_causes(obj: Object) -> list[Object]:
    data, kind = obj.get("data") or {}, obj["type"]
    if kind == "kubernetes.io/tls":
        return [required(f"data[{key}]") for key in ("tls.crt", "tls.key") if key not in data]
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & set(data):
        return [required("data[username]"), required("data[password]")]
    if kind == TOKEN_TYPE and not (obj["metadata"].get("annotations") or {}).get(ACCOUNT_NAME):
        return [required(f"metadata.annotations[{ACCOUNT_NAME}]")]
    needed = _NEEDED.get(kind)
    return [required(f"data[{needed}]")] if needed and needed not in data else []


def _validate(obj: Object, old: Object | None) -> list[Object]:
    data = obj.get("data") or {}
    causes = key_causes(data, "data") + too_large(sum(len(value) * 3 // 4 for value in data.values()), "data")
    causes += _content_causes(obj) + frozen_causes(obj, old, ("data",))
    if old is not None and obj["type"] != old.get("type"):
        causes.append(immutable("type", obj["type"]))
    return causes


def _cells(obj: Object, now: datetime) -> list[object]:
    return [obj["metadata"]["name"], obj.get("type", ""), len(obj.get("data") or ()), age(obj, now)]


SECRETS = Resource(
    kind="Secret",
    plural="secrets",
    columns=(NAME, Column("Type"), Column("Data"), AGE),
    cells=_cells,
    default=_default,
    validate=_validate,
    selectable_fields=("type",),
)
