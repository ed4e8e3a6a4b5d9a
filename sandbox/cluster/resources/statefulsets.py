"""StatefulSets."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import forbidden
from sandbox.cluster.resources.container_validation import one_of_many
from sandbox.cluster.resources.field_order import CONTROLLER_SPEC, reorder
from sandbox.cluster.resources.pod_defaults import default_template
from sandbox.cluster.resources.printing import AGE, NAME, age, containers_text, wide
from sandbox.cluster.resources.resource import Column, Resource
from sandbox.cluster.resources.workload import bump_generation, start_generation, workload_causes

_MUTABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
_UPDATE = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy',"
    " 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


def _default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    default_template(spec.setdefault("template", {}))
    for claim in spec.get("volumeClaimTemplates") or ():
        claim.setdefault("kind", "PersistentVolumeClaim")
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
        claim.setdefault("status", {}).setdefault("phase", "Pending")
    spec.setdefault("serviceName", "")
    spec["podManagementPolicy"] = spec.get("podManagementPolicy") or "OrderedReady"
    strategy = spec["updateStrategy"] = {"type": "RollingUpdate"} | (spec.get("updateStrategy") or {})
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = {"partition": 0} | (strategy.get("rollingUpdate") or {})
    if spec.get("revisionHistoryLimit") is None:
        spec["revisionHistoryLimit"] = 10
    retention = {"whenDeleted": "Retain", "whenScaled": "Retain"}
    spec["persistentVolumeClaimRetentionPolicy"] = retention | (spec.get("persistentVolumeClaimRetentionPolicy") or {})
    reorder(spec, CONTROLLER_SPEC)


def _prepare_create(obj: Object) -> None:
    start_generation(obj)
    obj["status"] = {"replicas": 0, "availableReplicas": 0}


def _validate(obj: Object, old: Object | None) -> list[Object]:
    spec = obj["spec"]
    causes = workload_causes({**obj, "spec": _with_claims(spec)}, None, word="statefulset")
    causes += one_of_many(spec["podManagementPolicy"], "spec.podManagementPolicy", ("OrderedReady", "Parallel"))
    causes += one_of_many(spec["updateStrategy"]["type"], "spec.updateStrategy.type", ("RollingUpdate", "OnDelete"))
    if old is not None and _fixed(spec) != _fixed(old["spec"]):
        causes.append(forbidden("spec", _UPDATE))
    return causes


def _with_claims(spec: Object) -> Object:
    """The spec with the claims as volumes of its template, so that containers may mount them."""
    template = spec["template"]
    names = [(claim.get("metadata") or {}).get("name") or "" for claim in spec.get("volumeClaimTemplates") or ()]
    volumes = [one for one in template["spec"].get("volumes") or () if one.get("name") not in names]
    if not names:
        return spec
    volumes += [{"name": name, "emptyDir": {}} for name in names]
    return {**spec, "template": {**template, "spec": {**template["spec"], "volumes": volumes}}}


def _fixed(spec: Object) -> Object:
    return {name: value for name, value in spec.items() if name not in (*_MUTABLE, "revisionHistoryLimit")}


def _cells(obj: Object, now: datetime) -> list[object]:
    spec, status = obj["spec"], obj.get("status", {})
    names, images = containers_text(spec["template"])
    ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 1)}"
    return [obj["metadata"]["name"], ready, age(obj, now), names, images]


STATEFULSETS = Resource(
    kind="StatefulSet",
    plural="statefulsets",
    group="apps",
    short_names=("sts",),
    categories=("all",),
    subresources=("scale", "status"),
    columns=(NAME, Column("Ready"), AGE, wide("Containers"), wide("Images")),
    cells=_cells,
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=bump_generation,
    validate=_validate,
)
