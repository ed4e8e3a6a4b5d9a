"""Making and deleting the pods of a workload, with the events that say so."""

from __future__ import annotations

import copy

from sandbox.cluster.api.errors import ApiError, NotFound
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.controllers.ownership import owner_reference
from sandbox.cluster.events import EventRecorder
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.pods import PODS


def pod_from_template(template: Object, owner: Object) -> Object:
    """A pod of a controller, named by the server."""
    metadata = template.get("metadata") or {}
    kept = {
        name: copy.deepcopy(metadata[name]) for name in ("labels", "annotations", "finalizers") if metadata.get(name)
    }
    return {
        "metadata": kept
        | {"generateName": f"{owner['metadata']['name']}-", "ownerReferences": [owner_reference(owner)]},
        "spec": copy.deepcopy(template["spec"]),
    }


class OwnedPods:
    """Creates and deletes pods on behalf of one controller."""

    def __init__(self, registry: Registry, events: EventRecorder) -> None:
        self._registry = registry
        self._events = events

    def create(self, owner: Object, pod: Object) -> Object:
        """Make it and say so; also when it is refused, which raises ApiError."""
        try:
            created = self._registry.create(PODS, pod, namespace=owner["metadata"]["namespace"])
        except ApiError as error:
            self._events.warning(owner, "FailedCreate", f"Error creating: {error}")
            raise
        self._events.normal(owner, "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")
        return created

    def delete(self, owner: Object, key: Key, uid: str) -> None:
        """Delete it and say so; one that has gone already is no error."""
        try:
            self._registry.delete(PODS, key, uid=uid)
        except NotFound:
            return
        self._events.normal(owner, "SuccessfulDelete", f"Deleted pod: {key.name}")
