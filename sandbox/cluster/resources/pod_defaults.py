"""What the API fills in where a pod, or the template of one, says nothing."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from sandbox.cluster.api import quantity
from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.field_order import CONTAINER, POD_SPEC, reorder

_MODE = 0o644
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_TAG = re.compile(r":([^/:@]+)$")


def containers_of(spec: Object) -> Iterator[Object]:
    """Init, ordinary and ephemeral containers of a pod spec."""
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(field) or ():
            if isinstance(container, dict):
                yield container


def pull_policy(image: str) -> str:
    """Always for a floating tag, IfNotPresent for a named one or a digest."""
    if "@" in image:
        return "IfNotPresent"
    tag = _TAG.search(image)
    return "Always" if tag is None or tag[1] == "latest" else "IfNotPresent"


def _default_handler(handler: Object) -> None:
    if (get := handler.get("httpGet")) is not None:
        get.setdefault("path", "/")
        if not get["path"]:
            get["path"] = "/"
        get.setdefault("scheme", "HTTP")
    if (grpc := handler.get("grpc")) is not None:
        grpc.setdefault("service", "")


def _default_probe(probe: Object) -> None:
    _default_handler(probe)
    # Zero is no value here: it means the default too.
    for field, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        probe[field] = probe.get(field) or value


def _default_field_reference(source: Object) -> None:
    if (reference := source.get("fieldRef")) is not None:
        fields = dict(reference)
        reference.clear()
        reference.update({"apiVersion": fields.pop("apiVersion", None) or "v1"} | fields)


def canonical_quantities(amounts: Object) -> None:
    """Write quantities as Kubernetes does (`1000m` is `1`), in place; what is none stays for validation to refuse."""
    for name, value in amounts.items():
        with contextlib.suppress(quantity.QuantityError):
            amounts[name] = quantity.canonical(value)


def _default_container(container: Object) -> None:
    for port in container.get("ports") or ():
        port["protocol"] = port.get("protocol") or "TCP"
    for variable in container.get("env") or ():
        _default_field_reference(variable.get("valueFrom") or {})
    for name in _PROBES:
        if container.get(name) is not None:
            _default_probe(container[name])
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict):
            _default_handler(hook)
    container["resources"] = container.get("resources") or {}
    for part in ("limits", "requests"):
        canonical_quantities(container["resources"].get(part) or {})
    container["terminationMessagePath"] = container.get("terminationMessagePath") or "/dev/termination-log"
    container["terminationMessagePolicy"] = container.get("terminationMessagePolicy") or "File"
    container["imagePullPolicy"] = container.get("imagePullPolicy") or pull_policy(container.get("image") or "")
    reorder(container, CONTAINER)


def _default_projected(projected: Object) -> None:
    projected.setdefault("defaultMode", _MODE)
    for source in projected.get("sources") or ():
        if (token := source.get("serviceAccountToken")) is not None:
            token.setdefault("expirationSeconds", 3600)
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            _default_field_reference(item)


def _default_volume(volume: Object) -> None:
    if set(volume) <= {"name"}:
        volume["emptyDir"] = {}
    for kind in ("configMap", "secret", "downwardAPI"):
        if (source := volume.get(kind)) is not None:
            source.setdefault("defaultMode", _MODE)
    for item in (volume.get("downwardAPI") or {}).get("items") or ():
        _default_field_reference(item)
    if (projected := volume.get("projected")) is not None:
        _default_projected(projected)
    if (path := volume.get("hostPath")) is not None:
        path.setdefault("type", "")


def default_pod_spec(spec: Object, *, restart_policy: str = "Always") -> None:
    """Fill in the spec of a pod or of a template, in place."""
    for volume in spec.get("volumes") or ():
        _default_volume(volume)
    for container in containers_of(spec):
        _default_container(container)
    spec["restartPolicy"] = spec.get("restartPolicy") or restart_policy
    if spec.get("terminationGracePeriodSeconds") is None:
        spec["terminationGracePeriodSeconds"] = 30
    spec["dnsPolicy"] = spec.get("dnsPolicy") or "ClusterFirst"
    spec["securityContext"] = spec.get("securityContext") or {}
    spec["schedulerName"] = spec.get("schedulerName") or "default-scheduler"
    if spec.get("serviceAccountName") or spec.get("serviceAccount"):
        account = spec.get("serviceAccountName") or spec["serviceAccount"]
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    if spec.get("hostNetwork"):
        _default_host_ports(spec)
    reorder(spec, POD_SPEC)


def _default_host_ports(spec: Object) -> None:
    for container in containers_of(spec):
        for port in container.get("ports") or ():
            port["hostPort"] = port.get("hostPort") or port.get("containerPort")


def _default_requests(container: Object) -> None:
    resources = container["resources"]
    for name, limit in (resources.get("limits") or {}).items():
        resources.setdefault("requests", {}).setdefault(name, limit)


def _default_tolerations(spec: Object) -> None:
    """Five minutes of patience with a lost node, as the admission plugin DefaultTolerationSeconds gives."""
    tolerations = spec.setdefault("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        tolerated = any(
            (t.get("key") == key or not t.get("key")) and t.get("effect") in ("NoExecute", "", None)
            for t in tolerations
        )
        if not tolerated:
            tolerations.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})


def default_pod(pod: Object) -> None:
    """Fill in a pod, in place, with what defaulting and the ordinary admission plugins give."""
    spec = pod.setdefault("spec", {})
    default_pod_spec(spec)
    for container in containers_of(spec):
        _default_requests(container)
    spec["serviceAccountName"] = spec["serviceAccount"] = spec.get("serviceAccountName") or "default"
    spec.setdefault("enableServiceLinks", True)
    _default_tolerations(spec)
    if not spec.get("priorityClassName"):
        spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    reorder(spec, POD_SPEC)


def default_template(template: Object, *, restart_policy: str = "Always") -> None:
    """Fill in a pod template, in place."""
    metadata = template.get("metadata") or {}
    fields = {"creationTimestamp": None} | metadata
    spec = template.get("spec") or {}
    template.clear()
    template.update({"metadata": fields, "spec": spec})
    default_pod_spec(spec, restart_policy=restart_policy)


def quality_of_service(pod: Object) -> str:
    """Guaranteed, Burstable or BestEffort."""
    wanted, exact = False, True
    for container in containers_of(pod.get("spec", {})):
        resources = container.get("resources") or {}
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        mine = {"cpu", "memory"} & (set(limits) | set(requests))
        wanted = wanted or bool(mine)
        exact = (
            exact and {"cpu", "memory"} <= set(limits) and all(requests.get(n, limits[n]) == limits[n] for n in mine)
        )
    if not wanted:
        return "BestEffort"
    return "Guaranteed" if exact else "Burstable"
