"""The history of DaemonSets and StatefulSets: a ControllerRevision for each template they had."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from sandbox.cluster.api.errors import AlreadyExists
from sandbox.cluster.api.objects import Object, copied, key_of
from sandbox.cluster.controllers.ownership import claim, owner_reference
from sandbox.cluster.controllers.template_hash import template_hash
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.controllerrevisions import CONTROLLERREVISIONS

LABEL = "controller-revision-hash"
"""On pods: which revision made them."""
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_CHANGE_CAUSE = "kubernetes.io/change-cause"


def hash_of(revision: Object) -> str:
    """The hash in a revision's name."""
    return str(revision["metadata"]["labels"][LABEL])


def template_of(revision: Object) -> Object:
    """The template that a revision remembers."""
    template: Object = copied(revision["data"]["spec"]["template"])
    template.pop("$patch", None)
    return template


class Revisions:
    """Keeps the history of owners of one kind, whose revisions carry their hash in a label of that name."""

    def __init__(self, registry: Registry, *, label: str = LABEL) -> None:
        self._registry = registry
        self._label = label

    def of(self, owner: Object) -> tuple[Object, list[Object]]:
        """The revision of the template now, made or brought to the front if need be, and all, oldest first."""
        found = sorted(claim(self._registry, CONTROLLERREVISIONS, owner), key=_age)
        data = _data(owner)
        current = next((one for one in reversed(found) if one["data"] == data), None)
        number = max((int(one["revision"]) for one in found), default=0)
        if current is None:
            current = self._create(owner, data, number + 1)
            return current, [*found, current]
        current = self._renewed(owner, current, number)
        others = [one for one in found if key_of(one) != key_of(current)]
        return current, [*others, current]

    def _renewed(self, owner: Object, current: Object, newest: int) -> Object:
        """After a rollback an old revision is the newest again, and it carries the cause that the owner names now."""
        cause = (owner["metadata"].get("annotations") or {}).get(_CHANGE_CAUSE)

        def change(revision: Object) -> None:
            if revision["revision"] < newest:
                revision["revision"] = newest + 1
            if cause is not None:
                revision["metadata"].setdefault("annotations", {})[_CHANGE_CAUSE] = cause

        return self._registry.patch(CONTROLLERREVISIONS, key_of(current), change)

    def _create(self, owner: Object, data: Object, number: int) -> Object:
        """Make it; another template with the same hash makes us count on until there is a free name."""
        for collisions in range(100):
            wanted = self._revision(owner, data, number, collisions or None)
            try:
                return self._registry.create(CONTROLLERREVISIONS, wanted, namespace=owner["metadata"]["namespace"])
            except AlreadyExists:
                continue
        raise AlreadyExists(CONTROLLERREVISIONS, owner["metadata"]["name"])

    def _revision(self, owner: Object, data: Object, number: int, collisions: int | None) -> Object:
        template = owner["spec"]["template"]
        hash_ = template_hash(template, collisions)
        annotations = {k: v for k, v in (owner["metadata"].get("annotations") or {}).items() if k != _APPLIED}
        metadata: Object = {
            "name": f"{owner['metadata']['name']}-{hash_}",
            "labels": dict(template["metadata"].get("labels") or {}) | {self._label: hash_},
            "ownerReferences": [owner_reference(owner)],
        }
        if annotations:
            metadata["annotations"] = annotations
        return {"metadata": metadata, "data": json.loads(json.dumps(data)), "revision": number}

    def clean_up(self, owner: Object, revisions: Sequence[Object], live: Collection[str]) -> None:
        """Forget the oldest that no pod and no status needs, beyond the limit. `live` are names."""
        idle = [one for one in revisions if one["metadata"]["name"] not in live]
        limit = int(owner["spec"].get("revisionHistoryLimit", 10))
        for revision in idle[: max(0, len(idle) - limit)]:
            self._registry.delete(CONTROLLERREVISIONS, key_of(revision), uid=revision["metadata"]["uid"])


def _age(revision: Object) -> tuple[int, str, str]:
    metadata = revision["metadata"]
    return int(revision.get("revision", 0)), metadata["creationTimestamp"], metadata["name"]


def _data(owner: Object) -> Object:
    """A strategic merge patch that brings the template back: what `kubectl rollout undo` sends."""
    return {"spec": {"template": copied(owner["spec"]["template"]) | {"$patch": "replace"}}}
