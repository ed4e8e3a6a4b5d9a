"""The pods of a StatefulSet: their names and numbers, what they are made of, and whether they are well."""

from __future__ import annotations

import re

from sandbox.cluster.api.clock import parse_time
from sandbox.cluster.api.objects import Object, copied
from sandbox.cluster.controllers.owned_pods import pod_from_template
from sandbox.cluster.controllers.ownership import owner_reference
from sandbox.cluster.controllers.revisions import LABEL

_POD_NAME = "statefulset.kubernetes.io/pod-name"
_POD_INDEX = "apps.kubernetes.io/pod-index"
_ORDINAL = re.compile(r"(.*)-([0-9]+)")


def ordinal_of(pod: Object, sts: Object) -> int:
    """The number in a pod's name; -1 when it is not of this set."""
    found = _ORDINAL.fullmatch(pod["metadata"]["name"])
    return int(found[2]) if found is not None and found[1] == sts["metadata"]["name"] else -1


def revision_of(pod: Object) -> str:
    """The name of the revision that a pod was made from."""
    return str((pod["metadata"].get("labels") or {}).get(LABEL, ""))


def phase_of(pod: Object) -> str:
    """The phase of a pod."""
    return str((pod.get("status") or {}).get("phase", "Pending"))


def is_terminating(pod: Object) -> bool:
    """Whether it is being deleted."""
    return "deletionTimestamp" in pod["metadata"]


def is_ready(pod: Object) -> bool:
    """Whether it runs and its Ready condition is true."""
    return phase_of(pod) == "Running" and bool(_ready(pod))


def available_in(pod: Object, sts: Object, now: float) -> float:
    """Seconds until it is available; 0 when it is, infinite when it is not ready."""
    if not is_ready(pod):
        return float("inf")
    minimum = int(sts["spec"].get("minReadySeconds") or 0)
    since = parse_time(_ready(pod)["lastTransitionTime"]).timestamp()
    return max(0.0, since + minimum - now) if minimum else 0.0


def _ready(pod: Object) -> Object:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one["type"] == "Ready" and one["status"] == "True"), {})


def claim_name(claim: Object, pod_name: str) -> str:
    """The name of a pod's own claim."""
    return f"{claim['metadata']['name']}-{pod_name}"


def new_pod(sts: Object, template: Object, ordinal: int, *, revision: str) -> Object:
    """The pod of a number: it has that name, that host name and its own volumes."""
    name = f"{sts['metadata']['name']}-{ordinal}"
    pod = pod_from_template(template, sts)
    metadata, spec = pod["metadata"], pod["spec"]
    metadata.pop("generateName")
    metadata["name"] = name
    own = {_POD_INDEX: str(ordinal), _POD_NAME: name, LABEL: revision}
    metadata["labels"] = (metadata.get("labels") or {}) | own
    spec["hostname"] = name
    if sts["spec"].get("serviceName"):
        spec["subdomain"] = sts["spec"]["serviceName"]
    claims = sts["spec"].get("volumeClaimTemplates") or ()
    volumes = [
        {"name": one["metadata"]["name"], "persistentVolumeClaim": {"claimName": claim_name(one, name)}}
        for one in claims
    ]
    taken = {one["name"] for one in volumes}
    volumes += [one for one in spec.get("volumes") or () if one["name"] not in taken]
    if volumes:
        spec["volumes"] = volumes
    return pod


def new_claim(sts: Object, claim: Object, pod_name: str) -> Object:
    """A pod's own claim; it stays when the pod goes, and goes with the set if that is wanted."""
    made: Object = copied({"metadata": dict(claim["metadata"]), "spec": claim["spec"]})
    made["metadata"]["name"] = claim_name(claim, pod_name)
    labels = (sts["spec"].get("selector") or {}).get("matchLabels") or {}
    made["metadata"]["labels"] = (made["metadata"].get("labels") or {}) | labels
    retention = sts["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    if retention.get("whenDeleted") == "Delete":
        made["metadata"]["ownerReferences"] = [owner_reference(sts)]
    return made
