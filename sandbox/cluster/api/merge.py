"""Patches: JSON patch, merge patch and strategic merge patch, on copies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

import jsonpatch
import jsonpointer

from sandbox.cluster.api.errors import ApiError, BadRequest, TooLarge
from sandbox.cluster.api.objects import Object, copied

_OPERATIONS = 10_000
_SIZE = 3 * 1024 * 1024


class MergeSchema(Protocol):
    """What a strategic merge must know of one place in an object."""

    def field(self, name: str) -> MergeSchema | None:
        """The place below, or None when nothing is known of it."""

    @property
    def patch_strategy(self) -> str:
        """`merge`, `replace`, `retainKeys`, `merge,retainKeys` or empty."""

    @property
    def merge_key(self) -> str:
        """The key that tells a list's objects apart; empty for lists of plain values."""

    def items(self) -> MergeSchema | None:
        """What a list's objects are."""

    @property
    def list_type(self) -> str:
        """`atomic`, `set`, `map` or empty."""

    @property
    def map_keys(self) -> Sequence[str]:
        """The keys that tell the objects of a `map` list apart, for managed fields and apply."""

    @property
    def map_type(self) -> str:
        """`atomic` for an object that has one owner as a whole."""

    @property
    def structured(self) -> bool:
        """Whether it is an object whose fields are known, not a map."""


class PatchRefused(ApiError):
    """The patch does not fit the object."""

    code = 422
    reason = "Invalid"


def json_patch(obj: Object, operations: Any) -> Object:
    """RFC 6902. Raises BadRequest, PatchRefused, TooLarge."""
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise BadRequest("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    if len(operations) > _OPERATIONS:
        raise TooLarge(_OPERATIONS)
    result: Any = copied(obj)
    for operation in operations:
        try:
            result = jsonpatch.JsonPatch([operation]).apply(result, in_place=True)
        except jsonpatch.InvalidJsonPatch as error:
            raise BadRequest(str(error)) from error
        except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError) as error:
            raise PatchRefused("the server rejected our request due to an error in our request") from error
        # Thirty copies of a copy would be a billion times the object.
        if operation.get("op") == "copy" and len(json.dumps(result)) > _SIZE:
            raise TooLarge(_SIZE)
    if not isinstance(result, dict):
        raise BadRequest("the patched object is no object")
    return result


def merge_patch(obj: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copied(patch)
    result = dict(obj) if isinstance(obj, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


_DELETE_PRIMITIVE = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def strategic_merge(obj: Object, patch: Any, schema: MergeSchema | None) -> Object:
    """Kubernetes' own: lists of objects are merged by key. Raises BadRequest."""
    if not isinstance(patch, dict):
        raise BadRequest("cannot unmarshal the patch: it is no object")
    return _merge_map(copied(obj), patch, schema)


def _merge_map(result: Object, patch: Object, schema: MergeSchema | None) -> Object:
    directive = patch.get("$patch", "merge")
    if directive != "merge":
        return _replaced(patch, directive)
    retained = patch.get("$retainKeys")
    if isinstance(retained, list):
        result = {key: value for key, value in result.items() if key in retained}
    for key, value in patch.items():
        if key.startswith(_DELETE_PRIMITIVE):
            name = key.removeprefix(_DELETE_PRIMITIVE)
            if isinstance(result.get(name), list) and isinstance(value, list):
                result[name] = [one for one in result[name] if one not in value]
        elif not key.startswith("$"):
            _merge_field(result, key, value, schema.field(key) if schema else None)
    _reorder(result, patch, schema)
    return result


def _replaced(patch: Object, directive: object) -> Object:
    if directive == "replace":
        return {key: _plain(value) for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    raise BadRequest(f"Unknown patch type found: {directive}")


def _reorder(result: Object, patch: Object, schema: MergeSchema | None) -> None:
    for key, order in patch.items():
        name = key.removeprefix(_ORDER)
        if key.startswith(_ORDER) and isinstance(order, list) and isinstance(result.get(name), list):
            child = schema.field(name) if schema else None
            result[name] = _reordered(result[name], order, child.merge_key if child else "")


def _merge_field(result: Object, key: str, value: Any, schema: MergeSchema | None) -> None:
    old = result.get(key)
    if value is None:
        result.pop(key, None)
    elif isinstance(value, dict):
        result[key] = _merge_map(old if isinstance(old, dict) else {}, value, schema)
    elif isinstance(value, list):
        result[key] = _merge_list(old if isinstance(old, list) else [], value, schema)
    else:
        result[key] = value


def _merge_list(old: list[Any], patch: list[Any], schema: MergeSchema | None) -> list[Any]:
    if schema is None or "merge" not in schema.patch_strategy.split(","):
        return [_plain(value) for value in patch]
    if not schema.merge_key:
        return old + [value for value in patch if value not in old]
    if any(isinstance(one, dict) and one.get("$patch") == "replace" for one in patch):
        return [_plain(one) for one in patch if not (isinstance(one, dict) and one.get("$patch") == "replace")]
    result = list(old)
    for one in patch:
        if not isinstance(one, dict) or schema.merge_key not in one:
            raise BadRequest(f"map: {go_map(one)} does not contain declared merge key: {schema.merge_key}")
        _merge_element(result, one, schema)
    return result


def _merge_element(result: list[Any], patch: Object, schema: MergeSchema) -> None:
    key = schema.merge_key
    matching = [index for index, one in enumerate(result) if isinstance(one, dict) and one.get(key) == patch[key]]
    if patch.get("$patch") == "delete":
        for index in reversed(matching):
            del result[index]
    elif matching:
        result[matching[0]] = _merge_map(result[matching[0]], patch, schema.items())
    else:
        result.append(_merge_map({}, patch, schema.items()))


def _reordered(values: list[Any], order: Sequence[Any], merge_key: str) -> list[Any]:
    """Values in the client's order; those it does not know stay behind the one they stood behind."""
    wanted = [one.get(merge_key) if isinstance(one, dict) and merge_key else one for one in order]

    def name(value: Any) -> Any:
        return value.get(merge_key) if isinstance(value, dict) and merge_key else value

    result = sorted((one for one in values if name(one) in wanted), key=lambda one: wanted.index(name(one)))
    before: Any = None
    for one in values:
        if name(one) not in wanted:
            position = next((index + 1 for index, other in enumerate(result) if other is before), 0)
            result.insert(position, one)
        before = one
    return result


def _plain(value: Any) -> Any:
    """A value of a patch without directives and nulls in its objects."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items() if one is not None and not key.startswith("$")}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value


def go_map(value: Any) -> str:
    """A value as Go prints a map: `map[data:map[x:y]]`."""
    if not isinstance(value, dict):
        return str(value)
    return "map[" + " ".join(f"{key}:{go_map(one)}" for key, one in sorted(value.items())) + "]"
