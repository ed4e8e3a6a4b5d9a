"""The priority of a pod follows from its PriorityClass."""

from __future__ import annotations

from sandbox.cluster.api.errors import Forbidden
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.resource import Resource


class Priorities:
    """Fills in spec.priority and the preemption policy; keeps the default class one."""

    def admit(self, registry: Registry, resource: Resource, new: Object, old: Object | None) -> None:
        """Complete a pod that is created. Raises Forbidden."""
        classes = registry.resource("priorityclasses.scheduling.k8s.io")
        if classes is None:
            return
        if resource is classes:
            _one_default(registry, classes, new)
        elif resource.qualified == "pods" and old is None and isinstance(new.get("spec"), dict):
            _complete(registry, resource, new, classes)


def _complete(registry: Registry, resource: Resource, pod: Object, classes: Resource) -> None:
    spec, name = pod["spec"], pod["metadata"].get("name", "")
    wanted = spec.get("priorityClassName")
    if wanted:
        found = registry.find(classes, Key("", str(wanted)))
        if found is None:
            raise Forbidden(resource, name, f"no PriorityClass with name {wanted} was found")
    else:
        found = next((one for one in registry.list(classes) if one.get("globalDefault")), None)
        if found is not None:
            spec["priorityClassName"] = found["metadata"]["name"]
    value = 0 if found is None else found["value"]
    given = spec.get("priority")
    if given is not None and given != value:
        why = (
            f"the integer value of priority ({given}) must not be provided in pod spec; priority admission controller"
            f" computed {value} from the given PriorityClass name"
        )
        raise Forbidden(resource, name, why)
    spec["priority"] = value
    spec["preemptionPolicy"] = (found or {}).get("preemptionPolicy", "PreemptLowerPriority")


def _one_default(registry: Registry, classes: Resource, new: Object) -> None:
    if not new.get("globalDefault"):
        return
    for other in registry.list(classes):
        if other.get("globalDefault") and other["metadata"]["name"] != new["metadata"].get("name"):
            why = f"PriorityClass {other['metadata']['name']} is already marked as default. Only one default can exist"
            raise Forbidden(classes, new["metadata"].get("name", ""), why)
