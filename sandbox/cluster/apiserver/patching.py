"""The body of a PATCH request: which kind of patch, and what it makes of an object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.cluster.api.errors import ApiError, BadRequest, UnsupportedMediaType
from sandbox.cluster.api.merge import MergeSchema, PatchRefused, go_map, json_patch, merge_patch, strategic_merge
from sandbox.cluster.api.objects import Object
from sandbox.cluster.apiserver.formats import load_json, load_yaml, media_type
from sandbox.cluster.apiserver.messages import Request

_JSON = "application/json-patch+json"
_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"
_APPLY = "application/apply-patch+yaml"
_ACCEPTED = (_JSON, _MERGE, _STRATEGIC, _APPLY)


@dataclass(frozen=True)
class Patch:
    """A patch of one of the four kinds."""

    media_type: str
    value: Any

    @property
    def applies(self) -> bool:
        """Whether it is a server-side apply: the whole wish of one manager, not a change."""
        return self.media_type == _APPLY

    def on(self, obj: Object, schema: MergeSchema | None) -> Object:
        """The object after the patch; the given one is left alone. Raises BadRequest, PatchRefused."""
        if self.media_type == _JSON:
            return json_patch(obj, self.value)
        if not isinstance(self.value, dict):
            raise BadRequest("json: cannot unmarshal the patch into Go value of type map[string]interface {}")
        if self.media_type == _MERGE:
            result: Object = merge_patch(obj, self.value)
            return result
        if schema is None:
            # What Kubernetes says of custom resources, whose fields it knows no merge keys of.
            raise UnsupportedMediaType((_JSON, _MERGE, _APPLY))
        return strategic_merge(obj, self.value, schema)

    def fault(self, why: str) -> ApiError:
        """The answer when the patched object is not one of its kind."""
        _, handled, rest = why.partition(" cannot be handled as a ")
        if self.media_type != _STRATEGIC or not handled or "strict decoding error" in why:
            return BadRequest(why)
        message = f'Invalid value: "{go_map(self.value)}": error decoding from json: {rest.partition(": ")[2]}'
        cause = {"reason": "FieldValueInvalid", "message": message, "field": "patch"}
        return PatchRefused(f' "" is invalid: patch: {message}', details={"causes": [cause]})


def read_patch(request: Request) -> Patch:
    """The patch in a request. Raises BadRequest, UnsupportedMediaType."""
    kind = media_type(request)
    if kind not in _ACCEPTED:
        raise UnsupportedMediaType(_ACCEPTED)
    return Patch(kind, load_yaml(request.body) if kind == _APPLY else load_json(request.body))
