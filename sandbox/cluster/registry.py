"""The verbs of the API: what the API server, controllers, scheduler and kubelet all go through.

Synchronous and atomic: one event loop owns the store, so a verb that returns has happened and is on disk.
"""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sandbox.cluster.api import names
from sandbox.cluster.api.clock import Clock, SystemClock, stamp
from sandbox.cluster.api.deletion import DeleteOptions, mark, releasable
from sandbox.cluster.api.errors import (
    AlreadyExists,
    BadRequest,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
)
from sandbox.cluster.api.managedfields import APPLY, UPDATE, Manager, apply, record
from sandbox.cluster.api.merge import MergeSchema
from sandbox.cluster.api.metadata import metadata_causes, ordered
from sandbox.cluster.api.objects import Key, Object, copied, key_of
from sandbox.cluster.api.selectors import FieldSelector, LabelSelector, any_labels, parse_fields
from sandbox.cluster.change import Change, decode, encode
from sandbox.cluster.changing import (
    check_preconditions,
    check_version,
    keep_metadata,
    new_finalizer_causes,
    refusing,
)
from sandbox.cluster.resources.resource import Resource
from sandbox.cluster.store import Compacted, Event, Store, Stored

__all__ = ["Admission", "Change", "Registry"]

log = logging.getLogger(__name__)


class Admission(Protocol):
    """A rule that needs to see more than the object itself: quota, address allocation, service accounts."""

    def admit(self, registry: Registry, resource: Resource, new: Object, old: Object | None) -> None:
        """Change `new` in place, or raise an ApiError. `old` is None at creation."""


_PROTECTED_NAMESPACES = frozenset({"default", "kube-system", "kube-public"})
_ATTEMPTS_AT_A_NAME = 8


class Registry:
    """The verbs over one store."""

    def __init__(
        self,
        store: Store,
        resources: Sequence[Resource],
        *,
        clock: Clock | None = None,
        chance: random.Random | None = None,
        admission: Sequence[Admission] = (),
        merging: Callable[[Resource], MergeSchema | None] = lambda _resource: None,
    ) -> None:
        self.store = store
        self.clock: Clock = clock or SystemClock()
        self._chance = chance or random.SystemRandom()
        self._admission = tuple(admission)
        self._merging = merging
        self._resources: dict[str, Resource] = {}
        for resource in resources:
            self._resources.setdefault(resource.qualified, resource)

    # Resources

    def resources(self) -> Sequence[Resource]:
        """Every resource that is stored."""
        return list(self._resources.values())

    def resource(self, qualified: str) -> Resource | None:
        """The resource of a name such as `pods` or `deployments.apps`."""
        return self._resources.get(qualified)

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource that an ownerReference or targetRef means, in whatever version."""
        group = api_version.rpartition("/")[0]
        return next((one for one in self._resources.values() if (one.group, one.kind) == (group, kind)), None)

    def serve(self, resource: Resource) -> None:
        """Begin (or go on) storing a resource: a CustomResourceDefinition was established."""
        self._resources[resource.qualified] = resource

    def unserve(self, resource: Resource) -> None:
        """Stop storing a resource."""
        self._resources.pop(resource.qualified, None)

    # Reading

    @property
    def revision(self) -> int:
        """The revision of the last change."""
        revision: int = self.store.revision
        return revision

    def get(self, resource: Resource, key: Key) -> Object:
        """A copy. Raises NotFound."""
        return decode(resource, self.stored(resource, key))

    def find(self, resource: Resource, key: Key) -> Object | None:
        """A copy, or None."""
        stored = self.store.find(resource.qualified, key)
        return None if stored is None else decode(resource, stored)

    def exists(self, resource: Resource, key: Key) -> bool:
        """Whether there is such an object; cheap."""
        return self.store.find(resource.qualified, key) is not None

    def stored(self, resource: Resource, key: Key) -> Stored:
        """The encoded object. Raises NotFound."""
        stored = self.store.find(resource.qualified, key)
        if stored is None:
            raise NotFound(resource, key.name)
        return stored

    def list(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        labels: str | dict[str, Any] | LabelSelector = "",
        fields: str = "",
        owner: str = "",
    ) -> Sequence[Object]:
        """Copies, sorted by key. `labels`: a selector string or a LabelSelector object; `owner`: a uid (indexed).

        `fields="spec.nodeName=…"` on pods is indexed.
        """
        found = self.list_stored(resource, namespace=namespace, labels=labels, fields=fields, owner=owner)
        return [decode(resource, stored) for stored in found]

    def list_stored(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        labels: str | dict[str, Any] | LabelSelector = "",
        fields: str = "",
        owner: str = "",
    ) -> Sequence[Stored]:
        """The same, encoded."""
        selector = any_labels(labels)
        field_selector = parse_fields(fields, resource.selectable_fields, namespaced=resource.namespaced)
        found = self._candidates(resource, field_selector, namespace=namespace, owner=owner)
        if not selector.everything:
            found = [stored for stored in found if selector.matches(dict(stored.indexed.labels))]
        if not field_selector.everything:
            found = [stored for stored in found if field_selector.matches(decode(resource, stored))]
        return found

    def _candidates(self, resource: Resource, fields: FieldSelector, *, namespace: str, owner: str) -> Sequence[Stored]:
        name, node = fields.required("metadata.name"), fields.required("spec.nodeName")
        if name is not None and (namespace or not resource.namespaced):
            one = self.store.find(resource.qualified, Key(namespace, name))
            return [] if one is None or (owner and owner not in one.indexed.owners) else [one]
        # An empty nodeName (pods to be scheduled) is not in the index.
        return self.store.select(resource.qualified, namespace=namespace, owner=owner, node=node or "")

    def owned_by(self, uid: str) -> Sequence[tuple[Resource, Object]]:
        """Every object of any resource that has this owner."""
        return [
            (resource, decode(resource, stored))
            for name, stored in self.store.owned_by(uid)
            if (resource := self._resources.get(name)) is not None
        ]

    # Writing

    def create(
        self, resource: Resource, obj: Object, *, namespace: str = "", dry_run: bool = False, manager: str = ""
    ) -> Object:
        """Default, admit, validate, store. Raises AlreadyExists, Invalid, Forbidden, NotFound (namespace)."""
        new: Object = copied(obj)
        self._prepare_metadata(resource, new, namespace)
        generate = not new["metadata"].get("name") and bool(new["metadata"].get("generateName"))
        if generate:
            self._generate_name(resource, new)
        self._check_namespace(resource, new)
        for admission in self._admission:
            admission.admit(self, resource, new, None)
        # After admission, because defaulting also brings fields into Kubernetes' order.
        resource.default(new)
        resource.prepare_create(new)
        self._validate(resource, new, None)
        key = key_of(new)
        if self.store.find(resource.qualified, key) is not None:
            raise AlreadyExists(resource, key.name)
        self._record(resource, new, None, manager)
        if dry_run:
            return ordered(new)
        with refusing():
            stored = self.store.create(resource.qualified, key, lambda revision: encode(new, revision))
        return decode(resource, stored)

    def update(self, resource: Resource, obj: Object, *, dry_run: bool = False, manager: str = "") -> Object:
        """Replace spec and metadata; a resourceVersion in it must match. Raises NotFound, Conflict, Invalid."""
        key = key_of(obj)
        old = self.get(resource, key)
        check_version(resource, obj, old)
        new = copied(obj)
        new["kind"], new["apiVersion"] = resource.kind, resource.api_version
        keep_metadata(new, old)
        if "status" in resource.subresources:
            new.pop("status", None)
            if "status" in old:
                new["status"] = copied(old["status"])
        resource.default(new)
        resource.prepare_update(new, old)
        for admission in self._admission:
            admission.admit(self, resource, new, old)
        self._validate(resource, new, old)
        self._record(resource, new, old, manager)
        return self._replace(resource, new, old, dry_run=dry_run)

    def update_status(self, resource: Resource, obj: Object, *, dry_run: bool = False, manager: str = "") -> Object:
        """Replace status only (and, when given, managedFields). Raises NotFound, Conflict, Invalid."""
        old = self.get(resource, key_of(obj))
        check_version(resource, obj, old)
        new = dict(old)
        new["metadata"] = dict(old["metadata"])
        if "managedFields" in obj["metadata"]:
            new["metadata"]["managedFields"] = obj["metadata"]["managedFields"]
        new.pop("status", None)
        if "status" in obj:
            new["status"] = copied(obj["status"])
        self._record(resource, new, old, manager, subresource="status")
        return self._replace(resource, new, old, dry_run=dry_run)

    def apply(
        self, resource: Resource, obj: Object, *, manager: str, force: bool = False, dry_run: bool = False
    ) -> tuple[Object, bool]:
        """Server-side apply: (the object, whether it was created). Raises ApplyConflict too."""
        who = Manager(manager, APPLY, resource.api_version)
        schema, time = self._merging(resource), stamp(self.clock.now())
        live = self.find(resource, key_of(obj))
        if live is None:
            new = copied(obj)
            new["metadata"].pop("managedFields", None)
            record(new, None, who, schema=schema, time=time)
            return self.create(resource, new, dry_run=dry_run), True
        return self.update(
            resource, apply(live, obj, who, schema=schema, time=time, force=force), dry_run=dry_run
        ), False

    def patch_status(self, resource: Resource, key: Key, change: Callable[[Object], None]) -> Object:
        """Read, let `change` edit the copy, write its status: no conflict is possible; equal is not written."""
        obj = self.get(resource, key)
        change(obj)
        return self.update_status(resource, obj)

    def patch(self, resource: Resource, key: Key, change: Callable[[Object], None]) -> Object:
        """The same for everything but status."""
        obj = self.get(resource, key)
        change(obj)
        return self.update(resource, obj)

    def amend(self, resource: Resource, key: Key, change: Callable[[Object], None], *, dry_run: bool = False) -> Object:
        """Change what an update may not, for subresources such as binding and finalize: not admitted, not validated."""
        old = self.get(resource, key)
        new = copied(old)
        change(new)
        return self._replace(resource, new, old, dry_run=dry_run)

    def bind(self, resource: Resource, key: Key, node: str) -> Object:
        """Bind a pod to a node. Raises NotFound, Conflict (it is bound already, or being deleted)."""
        pod = self.get(resource, key)
        if "deletionTimestamp" in pod["metadata"]:
            raise Conflict(resource, key.name, f"pod {key.name} is being deleted, cannot be assigned to a host")
        bound = pod["spec"].get("nodeName")
        if bound:
            raise Conflict(resource, key.name, f'pod {key.name} is already assigned to node "{bound}"')
        now = stamp(self.clock.now())

        def change(pod: Object) -> None:
            pod["spec"]["nodeName"] = node
            status = pod.setdefault("status", {})
            others = [one for one in status.get("conditions") or () if one["type"] != "PodScheduled"]
            scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
            status["conditions"] = [*others, scheduled]
            resource.default(pod)  # brings nodeName to its place

        return self.amend(resource, key, change)

    def delete(
        self, resource: Resource, key: Key, *, grace: int | None = None, propagation: str = "", uid: str = ""
    ) -> Object:
        """Delete as the API does: finalizers, graceful deletion of pods, propagation policy. Raises NotFound, Conflict.

        Returns the last state: with a deletionTimestamp and still there, or as it was when it vanished.
        """
        return self.delete_with(resource, key, DeleteOptions(grace=grace, propagation=propagation, uid=uid))

    def delete_with(self, resource: Resource, key: Key, options: DeleteOptions) -> Object:
        """Delete with everything that DeleteOptions can say."""
        old = self.get(resource, key)
        check_preconditions(resource, old, options)
        if resource.qualified == "namespaces" and key.name in _PROTECTED_NAMESPACES:
            raise Forbidden(resource, key.name, "this namespace may not be deleted")
        new = copied(old)
        gone = mark(new, options, default_grace=resource.graceful(old), now=self.clock.now())
        if options.dry_run:
            return ordered(new)
        if gone:
            return self._remove(resource, old)
        if resource.qualified == "namespaces":
            new.setdefault("status", {})["phase"] = "Terminating"
        return self._replace(resource, new, old)

    # Watching

    def watch(self, resource: Resource | None, callback: Callable[[Change], None]) -> Callable[[], None]:
        """Call `callback` synchronously after each change (of one resource, or of all); returns the way to stop.

        It must only take note (enqueue a key): a write from within would reach other watchers out of order.
        """
        wanted = None if resource is None else resource.qualified

        def listener(event: Event) -> None:
            if wanted is not None and event.resource != wanted:
                return
            known = resource or self._resources.get(event.resource)
            if known is not None:
                _call(callback, Change(known, event))

        return self.store.listen(listener)

    def snapshot(self, resource: Resource, *, namespace: str = "") -> Sequence[Change]:
        """What exists, as ADDED changes: for a watcher that starts now."""
        return [
            Change(resource, Event("ADDED", resource.qualified, stored.revision, stored, None))
            for stored in self.store.select(resource.qualified, namespace=namespace)
        ]

    def since(self, resource: Resource, revision: int) -> Sequence[Change]:
        """The changes after a revision. Raises Gone."""
        try:
            events = self.store.since(revision, resource.qualified)
        except Compacted as error:
            raise Gone(f"too old resource version: {revision} ({error.oldest})") from error
        return [Change(resource, event) for event in events]

    # Within

    def _record(
        self, resource: Resource, new: Object, old: Object | None, manager: str, *, subresource: str = ""
    ) -> None:
        """Note in managedFields who made this change; our own controllers are not asked for a name."""
        if not manager or (old is not None and ordered(new) == old):
            return
        who = Manager(manager, UPDATE, resource.api_version, subresource)
        record(new, old, who, schema=self._merging(resource), time=stamp(self.clock.now()))

    def _prepare_metadata(self, resource: Resource, new: Object, namespace: str) -> None:
        new["kind"], new["apiVersion"] = resource.kind, resource.api_version
        metadata = new["metadata"] = dict(new.get("metadata") or {})
        if metadata.get("resourceVersion"):
            raise BadRequest("resourceVersion should not be set on objects to be created")
        given = metadata.get("namespace", "")
        if namespace and given and namespace != given:
            raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
        for field in ("selfLink", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "namespace"):
            metadata.pop(field, None)
        if resource.namespaced:
            metadata["namespace"] = given or namespace or "default"
        metadata["uid"] = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        metadata["creationTimestamp"] = stamp(self.clock.now())

    def _generate_name(self, resource: Resource, new: Object) -> None:
        metadata = new["metadata"]
        for _ in range(_ATTEMPTS_AT_A_NAME):
            metadata["name"] = names.generated(metadata["generateName"], self._chance)
            if self.store.find(resource.qualified, key_of(new)) is None:
                return
        raise AlreadyExists(resource, metadata["name"])

    def _check_namespace(self, resource: Resource, new: Object) -> None:
        namespaces = self._resources.get("namespaces")
        if not resource.namespaced or namespaces is None:
            return
        name = new["metadata"]["namespace"]
        found = self.find(namespaces, Key("", name))
        if found is None:
            raise NotFound(namespaces, name)
        if "deletionTimestamp" in found["metadata"]:
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {name} is being terminated",
                "field": "metadata.namespace",
            }
            why = f"unable to create new content in namespace {name} because it is being terminated"
            raise Forbidden(resource, new["metadata"].get("name", ""), why, causes=[cause])

    def _validate(self, resource: Resource, new: Object, old: Object | None) -> None:
        causes = [*metadata_causes(new, resource.name_faults), *resource.validate(new, old)]
        if old is not None and "deletionTimestamp" in old["metadata"]:
            causes += new_finalizer_causes(new, old)
        if causes:
            raise Invalid(resource, new["metadata"].get("name", ""), causes)

    def _replace(self, resource: Resource, new: Object, old: Object, *, dry_run: bool = False) -> Object:
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        if dry_run or ordered(new) == old:
            return ordered(new)
        if releasable(new):
            return self._remove(resource, new)
        expected = int(old["metadata"]["resourceVersion"])
        with refusing():
            stored = self.store.update(
                resource.qualified, key_of(new), lambda revision: encode(new, revision), expected=expected
            )
        return decode(resource, stored)

    def _remove(self, resource: Resource, obj: Object) -> Object:
        expected = int(obj["metadata"]["resourceVersion"])
        stored = self.store.delete(
            resource.qualified, key_of(obj), lambda revision: encode(obj, revision), expected=expected
        )
        return decode(resource, stored)


def _call(callback: Callable[[Change], None], change: Change) -> None:
    # The write has happened whatever a watcher makes of it.
    try:
        callback(change)
    except Exception:
        log.exception("a watcher failed on %s %s", change.resource, change.key)
