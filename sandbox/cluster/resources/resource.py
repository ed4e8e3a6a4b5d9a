"""What the cluster knows about a kind: its names, its columns, its rules. A kind is one file beside this one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.cluster.api.names import subdomain_faults
from sandbox.cluster.api.objects import Object


@dataclass(frozen=True)
class Column:
    """One column of a server-side table (meta.k8s.io/v1 TableColumnDefinition)."""

    name: str
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""


def _unchanged(_obj: Object) -> None:
    """Leave the object as it is."""


def _unchanged_update(_obj: Object, _old: Object) -> None:
    """Leave the update as it is."""


def _no_causes(_obj: Object, _old: Object | None) -> Sequence[Object]:
    return ()


@dataclass(frozen=True)
class Resource:
    """A kind that the API serves."""

    kind: str
    plural: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = (
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch",
    )
    subresources: tuple[str, ...] = ()
    """Names such as status, scale, log, exec; what they do is the API server's."""
    columns: tuple[Column, ...] = (Column("Name", format="name"), Column("Created At", type="date"))
    cells: Callable[[Object, datetime], Sequence[object]] | None = None
    """The cells of a table row, one a column; None: name and creation time."""
    name_faults: Callable[[str], Sequence[str]] = subdomain_faults
    """Why a name is none for this kind; empty when it is one."""
    default: Callable[[Object], None] = _unchanged
    """Fills in the API's defaults, in place."""
    prepare_create: Callable[[Object], None] = _unchanged
    """Drops or sets what a client may not choose at creation (status, generation), in place."""
    prepare_update: Callable[[Object, Object], None] = _unchanged_update
    """(new, old): keeps immutable parts and bumps metadata.generation when the spec changed, in place."""
    validate: Callable[[Object, Object | None], Sequence[Object]] = _no_causes
    """(new, old or None) → Status causes {reason, message, field}; empty when valid."""
    row_conditions: Callable[[Object], Sequence[Object]] = lambda _obj: ()
    """Conditions of a table row, such as Completed for a finished pod."""
    selectable_fields: tuple[str, ...] = ()
    """Dotted paths that a field selector may name besides metadata.name and metadata.namespace."""
    graceful: Callable[[Object], int | None] = field(default=lambda _obj: None)
    """Seconds of graceful deletion that a delete without options gives, or None for at once."""

    @property
    def api_version(self) -> str:
        """`v1` or `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`pods` or `deployments.apps`, as messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def __str__(self) -> str:
        return self.qualified
