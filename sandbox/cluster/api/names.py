"""What may be a name: the rules for names, labels and annotations, with Kubernetes' own sentences."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from sandbox.cluster.api.objects import Object

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Without vowels and look-alikes, so that no generated name is a word."""
_GENERATED_BASE = 58
"""63 minus the suffix: what remains of a `generateName`."""

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_HINT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with"
    " an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is"
    " '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_HINT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and"
    " end with an alphanumeric character (e.g. 'example.com', regex used for validation is"
    r" '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_1035_HINT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character,"
    " and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is"
    " '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_QUALIFIED_HINT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric"
    " character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is"
    " '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_HINT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and"
    " end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is"
    " '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")


def suffix(chance: random.Random, length: int = 5) -> str:
    """Random letters as Kubernetes appends them to a generateName."""
    return "".join(chance.choice(ALPHABET) for _ in range(length))


def generated(base: str, chance: random.Random) -> str:
    """A name made from `generateName`."""
    return base[:_GENERATED_BASE] + suffix(chance)


def _too_long(limit: int) -> str:
    return f"must be no more than {limit} characters"


def label_faults(value: str) -> list[str]:
    """Why it is no RFC 1123 label (namespace, container name); empty when it is one."""
    faults = [_too_long(63)] if len(value) > 63 else []
    return faults if re.fullmatch(_LABEL, value) else [*faults, _LABEL_HINT]


def subdomain_faults(value: str) -> list[str]:
    """Why it is no RFC 1123 subdomain (most names); empty when it is one."""
    faults = [_too_long(253)] if len(value) > 253 else []
    return faults if re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", value) else [*faults, _SUBDOMAIN_HINT]


def label_1035_faults(value: str) -> list[str]:
    """Why it is no RFC 1035 label (services); empty when it is one."""
    faults = [_too_long(63)] if len(value) > 63 else []
    return faults if re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", value) else [*faults, _LABEL_1035_HINT]


def path_segment_faults(value: str) -> list[str]:
    """Why it cannot be one segment of a path (RBAC names, which may hold colons)."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{char}'" for char in "/%" if char in value]


def qualified_faults(value: str) -> list[str]:
    """Why it is no key of a label or annotation; empty when it is one."""
    prefix, slash, name = value.rpartition("/")
    faults: list[str] = []
    if slash and not prefix:
        faults.append("prefix part must be non-empty")
    elif slash and "/" in prefix:
        return [
            "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
            " alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is"
            " '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g."
            " 'example.com/MyName')"
        ]
    elif slash:
        faults += [f"prefix part {fault}" for fault in subdomain_faults(prefix)]
    if not name:
        faults.append("name part must be non-empty")
    elif len(name) > 63:
        faults.append(f"name part {_too_long(63)}")
    if not _QUALIFIED.fullmatch(name):
        faults.append(_QUALIFIED_HINT)
    return faults


def value_faults(value: str) -> list[str]:
    """Why it is no label value; empty when it is one."""
    faults = [_too_long(63)] if len(value) > 63 else []
    return faults if not value or _QUALIFIED.fullmatch(value) else [*faults, _VALUE_HINT]


def invalid_value(field: str, value: object, why: str) -> Object:
    """A cause `Invalid value: "…": why`."""
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    if isinstance(value, list):
        shown = "[]string{" + ", ".join(f'"{one}"' for one in value) + "}"
    return {"reason": "FieldValueInvalid", "message": f"Invalid value: {shown}: {why}", "field": field}


def required(field: str, why: str = "") -> Object:
    """A cause `Required value`."""
    return {"reason": "FieldValueRequired", "message": "Required value" + (f": {why}" if why else ""), "field": field}


def label_map_causes(labels: Mapping[str, object], field: str) -> Sequence[Object]:
    """Causes for each bad key or value of a map of labels."""
    causes = []
    for key, value in labels.items():
        causes += [invalid_value(field, key, fault) for fault in qualified_faults(key)]
        causes += [invalid_value(field, str(value), fault) for fault in value_faults(str(value))]
    return causes
