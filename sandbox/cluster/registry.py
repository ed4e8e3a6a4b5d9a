"""The verbs of the API: what the API server, controllers, scheduler and kubelet all go through.

Synchronous and atomic: one event loop owns the store, so a verb that returns has happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.resources.resource import Resource


class Change(Protocol):
    """One watch event."""

    type: str
    """ADDED, MODIFIED or DELETED."""
    resource: Resource
    key: Key
    revision: int
    object: Object
    """A copy of the object after the change (for DELETED: its last state)."""


class Registry(Protocol):
    """What K1 builds: this Protocol is the contract until the class stands in its place."""

    def get(self, resource: Resource, key: Key) -> Object:
        """A copy. Raises NotFound."""

    def find(self, resource: Resource, key: Key) -> Object | None:
        """A copy, or None."""

    def list(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        labels: str | dict[str, Any] = "",
        fields: str = "",
        owner: str = "",
    ) -> Sequence[Object]:
        """Copies, sorted by key. `labels`: a selector string or a LabelSelector object. `owner`: an owner's uid (indexed).

        `fields="spec.nodeName=…"` on pods is indexed.
        """

    def create(self, resource: Resource, obj: Object, *, namespace: str = "") -> Object:
        """Default, admit, validate, store. Raises AlreadyExists, Invalid, Forbidden, NotFound (namespace)."""

    def update(self, resource: Resource, obj: Object) -> Object:
        """Replace spec and metadata; a resourceVersion in it must match. Raises NotFound, Conflict, Invalid."""

    def update_status(self, resource: Resource, obj: Object) -> Object:
        """Replace status (and finalizer-free metadata) only. Raises NotFound, Conflict, Invalid."""

    def patch_status(self, resource: Resource, key: Key, change: Callable[[Object], None]) -> Object:
        """Read, let `change` edit the copy, write its status: no conflict is possible. Nothing is written when equal."""

    def patch(self, resource: Resource, key: Key, change: Callable[[Object], None]) -> Object:
        """The same for everything but status."""

    def delete(
        self, resource: Resource, key: Key, *, grace: int | None = None, propagation: str = "", uid: str = ""
    ) -> Object:
        """Delete as the API does: finalizers, graceful deletion of pods, propagation policy. Raises NotFound, Conflict."""

    def watch(self, resource: Resource | None, callback: Callable[[Change], None]) -> Callable[[], None]:
        """Call `callback` synchronously after each change (of one resource, or of all); returns the way to stop."""
