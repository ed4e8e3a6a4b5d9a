"""How cells of server-side tables are worded: ages, label lists, selectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.resource import Column

NONE = "<none>"
UNKNOWN = "<unknown>"
NAME = Column("Name", format="name")
AGE = Column("Age")
wide = partial(Column, priority=1)

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400


def _two(whole: int, unit: str, rest: int, rest_unit: str) -> str:
    return f"{whole}{unit}{rest}{rest_unit}" if rest else f"{whole}{unit}"


def duration_text(seconds: float) -> str:
    """A duration in the few characters kubectl gives it: 119s, 3m5s, 124m, 4h3m, 30h, 2d6h, 45d, 2y5d."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 2 * _MINUTE:
        return f"{max(whole, 0)}s"
    steps: tuple[tuple[int, Callable[[], str]], ...] = (
        (10 * _MINUTE, lambda: _two(whole // _MINUTE, "m", whole % _MINUTE, "s")),
        (3 * _HOUR, lambda: f"{whole // _MINUTE}m"),
        (8 * _HOUR, lambda: _two(whole // _HOUR, "h", whole // _MINUTE % 60, "m")),
        (48 * _HOUR, lambda: f"{whole // _HOUR}h"),
        (8 * _DAY, lambda: _two(whole // _DAY, "d", whole // _HOUR % 24, "h")),
        (2 * _YEAR, lambda: f"{whole // _DAY}d"),
        (8 * _YEAR, lambda: _two(whole // _YEAR, "y", whole // _DAY % 365, "d")),
    )
    for limit, text in steps:
        if whole < limit:
            return text()
    return f"{whole // _YEAR}y"


def parse_time(text: object) -> datetime | None:
    """An RFC 3339 time, or None for anything else."""
    if not isinstance(text, str) or not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def since(text: object, now: datetime) -> str:
    """How long ago an RFC 3339 time was, or `<unknown>`."""
    then = parse_time(text)
    return UNKNOWN if then is None else duration_text((now - then).total_seconds())


def age(obj: Object, now: datetime) -> str:
    """How long ago an object was created."""
    return since(obj["metadata"].get("creationTimestamp"), now)


def label_text(labels: Mapping[str, str] | None) -> str:
    """`a=b,c=d`, sorted, or `<none>`."""
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels)) if labels else NONE


def selector_text(selector: Object | None) -> str:
    """A LabelSelector as kubectl words it: `a=b,c in (d,e),!f`; `<none>` selects nothing or everything."""
    if not selector:
        return NONE
    terms = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        key, values = expression.get("key", ""), ",".join(sorted(expression.get("values") or ()))
        wording = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
        terms.append((key, wording.get(expression.get("operator"), f"!{key}")))
    return ",".join(text for _, text in sorted(terms)) or NONE


def containers_text(template: Object) -> tuple[str, str]:
    """Names and images of a template's containers, comma-separated."""
    containers = template.get("spec", {}).get("containers") or ()
    return ",".join(c.get("name", "") for c in containers), ",".join(c.get("image", "") for c in containers)


def listed(items: Sequence[str], empty: str, *, at_most: int = 3) -> str:
    """`a,b,c + 4 more...`, or `empty`."""
    if not items:
        return empty
    text = ",".join(items[:at_most])
    return f"{text} + {len(items) - at_most} more..." if len(items) > at_most else text
