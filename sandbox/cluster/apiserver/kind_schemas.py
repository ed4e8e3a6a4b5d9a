"""The schemas of Kubernetes' own kinds, as the verbs ask for them."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.cluster.api import schema
from sandbox.cluster.api.merge import MergeSchema
from sandbox.cluster.api.objects import Object
from sandbox.cluster.apiserver import fieldvalidation
from sandbox.cluster.resources.resource import Resource


class KindSchemas:
    """Answers from the schema of Kubernetes v1.33; kinds that are not Kubernetes' own have none."""

    def check(self, resource: Resource, obj: Object, mode: str) -> Sequence[str]:
        """Warnings about unknown fields. Raises BadRequest."""
        return fieldvalidation.check(resource, obj, mode)

    def merging(self, resource: Resource) -> MergeSchema | None:
        """How the kind's objects merge."""
        return schema.kind(resource.group, resource.version, resource.kind)
