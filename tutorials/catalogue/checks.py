"""Checks as authors write them in `index.json`, made into `Check` values."""

from __future__ import annotations

from typing import Any

from tutorials.catalogue.lesson import Check, HintCase
from tutorials.catalogue.source import Source, pattern

_OPERATORS = ("equals", "matches", "at-least", "exists")
_KINDS = ("resource", "command", "cluster", "port", "script")
_COMMON = {"title", "absent", "cases", "otherwise"}
_ALLOWED = {
    "resource": {"resource", "name", "namespace", "selector", "expression", *_OPERATORS},
    "command": {"command", "status"},
    "cluster": {"cluster"},
    "port": {"port"},
    "script": {"script", "where"},
}


def read_check(source: Source, written: object) -> Check:
    """One entry of a step's `checks`. Raises LessonError."""
    if not isinstance(written, dict):
        raise source.error("every entry of “checks” must be an object", near="checks")
    kinds = [kind for kind in _KINDS if kind in written]
    if len(kinds) != 1:
        raise source.error(f"a check needs exactly one of {', '.join(_KINDS)}", near='"checks"')
    kind = kinds[0]
    unknown = set(written) - _ALLOWED[kind] - _COMMON
    if unknown:
        raise source.error(f"a {kind} check has no “{sorted(unknown)[0]}”", near=f'"{sorted(unknown)[0]}"')
    fields: dict[str, Any] = {
        name: source.words(written.get(name), field=name) for name in ("title", "absent", "otherwise")
    }
    fields["cases"] = tuple(_case(source, case) for case in source.member(written, "cases", list, []))
    return Check(kind=kind, **_KIND_READERS[kind](source, written), **fields)  # type: ignore[arg-type]


def _case(source: Source, written: object) -> HintCase:
    if not isinstance(written, dict) or set(written) != {"matches", "hint"}:
        raise source.error("every hint case needs “matches” and “hint”", near='"cases"')
    return HintCase(pattern(source, str(written["matches"])), source.words(written["hint"], field="hint"))


def _resource(source: Source, written: dict[str, Any]) -> dict[str, Any]:
    operators = [name for name in _OPERATORS if name in written]
    if len(operators) > 1:
        raise source.error(f"a check compares once, not by {' and '.join(operators)}", near=f'"{operators[1]}"')
    operator = operators[0] if operators else "exists"
    value = str(written.get(operator, ""))
    if operator == "matches":
        pattern(source, value)
    if operator == "at-least" and not value.lstrip("-").isdigit():
        raise source.error("“at-least” needs a whole number", near='"at-least"')
    if operators and operator != "exists" and "expression" not in written:
        raise source.error(f"“{operator}” needs an “expression”", near=f'"{operator}"')
    if "name" in written and "selector" in written:
        raise source.error("a check names one object or selects some, not both", near='"selector"')
    return {
        "resource": str(written["resource"]),
        "name": source.member(written, "name", str, ""),
        "namespace": source.member(written, "namespace", str, "default"),
        "selector": source.member(written, "selector", str, ""),
        "expression": source.member(written, "expression", str, ""),
        "op": operator,
        "value": "" if operator == "exists" else value,
    }


def _command(source: Source, written: dict[str, Any]) -> dict[str, Any]:
    status = source.member(written, "status", int, 0) if written.get("status", 0) != "any" else None
    return {"pattern": pattern(source, str(written["command"])), "status": status}


def _cluster(source: Source, written: dict[str, Any]) -> dict[str, Any]:
    if written["cluster"] not in ("running", "stopped"):
        raise source.error("“cluster” is running or stopped", near='"cluster"')
    return {"state": written["cluster"]}


def _port(source: Source, written: dict[str, Any]) -> dict[str, Any]:
    port = source.member(written, "port", int)
    if not 0 < port < 65536:
        raise source.error("“port” is a number from 1 to 65535", near='"port"')
    return {"port": port}


def _script(source: Source, written: dict[str, Any]) -> dict[str, Any]:
    where = source.member(written, "where", str, "clean")
    if where not in ("clean", "learner"):
        raise source.error("“where” is clean or learner", near='"where"')
    return {"script": source.script(str(written["script"])), "where": where}


_KIND_READERS = {"resource": _resource, "command": _command, "cluster": _cluster, "port": _port, "script": _script}
