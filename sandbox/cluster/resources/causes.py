"""Why an object is refused: Status causes in Kubernetes' own words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from sandbox.cluster.api.names import invalid_value, required
from sandbox.cluster.api.objects import Object

__all__ = [
    "duplicate",
    "forbidden",
    "go_labels",
    "go_selector",
    "immutable",
    "invalid",
    "not_found",
    "required",
    "unsupported",
]


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else _plain(value)


def _plain(value: object) -> str:
    if value is None:
        return '"null"'
    return str(value).lower() if isinstance(value, bool) else str(value)


def invalid(field: str, value: object, why: str) -> Object:
    """`Invalid value: …: why`."""
    if isinstance(value, str) or value is None:
        return {"reason": "FieldValueInvalid", "message": f"Invalid value: {_quoted(value)}: {why}", "field": field}
    return invalid_value(field, value, why)


def duplicate(field: str, value: object) -> Object:
    """`Duplicate value: …`."""
    return {"reason": "FieldValueDuplicate", "message": f"Duplicate value: {_quoted(value)}", "field": field}


def not_found(field: str, value: object) -> Object:
    """`Not found: …`."""
    return {"reason": "FieldValueNotFound", "message": f"Not found: {_quoted(value)}", "field": field}


def forbidden(field: str, why: str) -> Object:
    """`Forbidden: why`."""
    return {"reason": "FieldValueForbidden", "message": f"Forbidden: {why}", "field": field}


def unsupported(field: str, value: object, supported: Iterable[str]) -> Object:
    """`Unsupported value: …: supported values: …`."""
    listed = ", ".join(f'"{one}"' for one in supported)
    message = f"Unsupported value: {_quoted(value)}: supported values: {listed}"
    return {"reason": "FieldValueNotSupported", "message": message, "field": field}


def immutable(field: str, value: object) -> Object:
    """`Invalid value: …: field is immutable`."""
    return invalid(field, value, "field is immutable")


class _Shown:
    """A value that is shown as Go writes it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


def go_labels(labels: Mapping[str, str] | None) -> object:
    """A map of labels as Go prints it: map[string]string{"a":"b"}."""
    if labels is None:
        return _Shown("map[string]string(nil)")
    pairs = ", ".join(f"{json.dumps(key)}:{json.dumps(labels[key])}" for key in sorted(labels))
    return _Shown("map[string]string{" + pairs + "}")


def go_selector(selector: Object) -> object:
    """A LabelSelector as Go prints it."""
    expressions: Sequence[Object] = selector.get("matchExpressions") or ()
    shown = [
        f"v1.LabelSelectorRequirement{{Key:{_quoted(e.get('key', ''))}, Operator:{_quoted(e.get('operator', ''))},"
        f" Values:{_go_strings(e.get('values'))}}}"
        for e in expressions
    ]
    listed = "[]v1.LabelSelectorRequirement" + ("{" + ", ".join(shown) + "}" if shown else "(nil)")
    labels = go_labels(selector.get("matchLabels"))
    return _Shown(f"v1.LabelSelector{{MatchLabels:{labels}, MatchExpressions:{listed}}}")


def _go_strings(values: Sequence[str] | None) -> str:
    return "[]string(nil)" if values is None else "[]string{" + ", ".join(json.dumps(v) for v in values) + "}"
