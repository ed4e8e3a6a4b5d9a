"""Label and field selectors: parsed once, asked often; faults have Kubernetes' own sentences."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandbox.cluster.api.errors import BadRequest
from sandbox.cluster.api.names import qualified_faults, value_faults
from sandbox.cluster.api.objects import Object

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: str
    """in, notin, exists, !, gt or lt (`=` and `==` are `in`, `!=` is `notin`)."""
    values: tuple[str, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """Whether these labels satisfy it."""
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value in self.values
            case "notin":
                return value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
        return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        try:
            number, bound = int(value or ""), int(self.values[0])
        except ValueError:
            return False
        return number > bound if self.operator == "gt" else number < bound


@dataclass(frozen=True)
class LabelSelector:
    """All of its requirements must hold; without any it matches everything."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False
    """Matches no object at all (an absent LabelSelector object)."""

    def matches(self, labels: Labels | None) -> bool:
        """Whether an object with these labels is selected."""
        if self.nothing:
            return False
        return all(requirement.matches(labels or {}) for requirement in self.requirements)

    @property
    def everything(self) -> bool:
        """Whether it selects every object."""
        return not self.requirements and not self.nothing


EVERYTHING = LabelSelector()
NOTHING = LabelSelector(nothing=True)

_TOKEN = re.compile(r"\s*(!=|==|[=!(),<>]|[^\s=!(),<>]+)")
_SYMBOLS = frozenset({"!=", "==", "=", "!", "(", ")", ",", "<", ">"})
_OPERATORS = {"=": "in", "==": "in", "!=": "notin", "in": "in", "notin": "notin", ">": "gt", "<": "lt"}


class _Parser:
    """Recursive descent over the grammar of `kubectl -l`."""

    def __init__(self, text: str) -> None:
        self._tokens = [*map(str, _TOKEN.findall(text.strip())), ""]
        self._at = 0

    @property
    def _token(self) -> str:
        return self._tokens[self._at]

    def _take(self) -> str:
        token = self._token
        self._at += 1
        return token

    def parse(self) -> LabelSelector:
        requirements = []
        while self._token:
            requirements.append(self._requirement())
            if not self._token:
                break
            if self._token != ",":
                raise BadRequest(f"found '{self._token}', expected: ',' or 'end of string'")
            self._take()
            if not self._token:
                raise BadRequest("found '', expected: identifier after ','")
        return LabelSelector(tuple(requirements))

    def _requirement(self) -> Requirement:
        if self._token == "!":
            self._take()
            return Requirement(self._key(), "!")
        key = self._key()
        if self._token in ("", ","):
            return Requirement(key, "exists")
        sign = self._take()
        operator = _OPERATORS.get(sign)
        if operator is None:
            raise BadRequest(f"found '{sign}', expected: in, notin, =, ==, !=, gt, lt")
        values = self._set() if sign in ("in", "notin") else (self._value(),)
        _check_values(key, operator, values)
        return Requirement(key, operator, values)

    def _key(self) -> str:
        key = self._take()
        if not key or key in _SYMBOLS:
            raise BadRequest(f"found '{key}', expected: !, identifier, or 'end of string'")
        faults = qualified_faults(key)
        if faults:
            raise BadRequest(f'unable to parse requirement: <nil>: Invalid value: "{key}": {"; ".join(faults)}')
        return key

    def _value(self) -> str:
        if self._token in ("", ","):
            return ""
        if self._token in _SYMBOLS:
            raise BadRequest(f"found '{self._token}', expected: identifier")
        return self._take()

    def _set(self) -> tuple[str, ...]:
        if self._take() != "(":
            raise BadRequest(f"found '{self._tokens[self._at - 1]}' expected: '('")
        values: list[str] = []
        while True:
            values.append("" if self._token in (",", ")") else self._take())
            sign = self._take()
            if sign == ")":
                return tuple(values)
            if sign != ",":
                raise BadRequest(f"found '{sign}', expected: ',' or ')'")


def _check_values(key: str, operator: str, values: Sequence[str]) -> None:
    if operator in ("gt", "lt"):
        if not re.fullmatch(r"-?\d+", values[0]):
            raise BadRequest(
                f'values[0][{key}]: Invalid value: "{values[0]}":'
                " for 'Gt', 'Lt' operators, the value must be an integer"
            )
        return
    for index, value in enumerate(values):
        faults = value_faults(value)
        if faults:
            raise BadRequest(
                f'unable to parse requirement: values[{index}][{key}]: Invalid value: "{value}": {"; ".join(faults)}'
            )


def parse_labels(text: str) -> LabelSelector:
    """A selector as `kubectl -l` takes it. Raises BadRequest."""
    return _Parser(text).parse() if text.strip() else EVERYTHING


def from_object(selector: Object | None) -> LabelSelector:
    """A metav1.LabelSelector; None selects nothing, an empty one everything. Raises BadRequest."""
    if selector is None:
        return NOTHING
    requirements = [Requirement(key, "in", (value,)) for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        operator = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!", "Gt": "gt", "Lt": "lt"}.get(
            expression.get("operator", "")
        )
        if operator is None:
            raise BadRequest(f'"{expression.get("operator")}" is not a valid label selector operator')
        requirements.append(Requirement(expression["key"], operator, tuple(expression.get("values") or ())))
    return LabelSelector(tuple(requirements))


def from_map(selector: Mapping[str, str] | None) -> LabelSelector:
    """A plain map of labels, as Services and ReplicationControllers have it; empty selects nothing."""
    if not selector:
        return NOTHING
    return LabelSelector(tuple(Requirement(key, "in", (value,)) for key, value in selector.items()))


def any_labels(labels: str | Object | LabelSelector) -> LabelSelector:
    """A label selector in any of its forms. Raises BadRequest."""
    if isinstance(labels, LabelSelector):
        return labels
    return parse_labels(labels) if isinstance(labels, str) else from_object(labels)


def as_string(selector: Object | None) -> str:
    """The selector in `kubectl -l` notation, as the scale subresource and messages show it."""
    terms = [f"{key}={value}" for key, value in sorted(((selector or {}).get("matchLabels") or {}).items())]
    for expression in sorted((selector or {}).get("matchExpressions") or (), key=lambda term: str(term["key"])):
        key, values = expression["key"], ",".join(sorted(expression.get("values") or ()))
        match expression["operator"]:
            case "In":
                terms.append(f"{key} in ({values})")
            case "NotIn":
                terms.append(f"{key} notin ({values})")
            case "Exists":
                terms.append(key)
            case "DoesNotExist":
                terms.append(f"!{key}")
    return ",".join(terms)


@dataclass(frozen=True)
class FieldSelector:
    """Terms `path = value` or `path != value`, all of which must hold."""

    terms: tuple[tuple[str, bool, str], ...] = ()
    """(path, wanted equal, value)"""

    def matches(self, obj: Object) -> bool:
        """Whether the object is selected."""
        return all((_field(obj, path) == value) is equal for path, equal, value in self.terms)

    @property
    def everything(self) -> bool:
        """Whether it selects every object."""
        return not self.terms

    def required(self, path: str) -> str | None:
        """The value that the field must have, if the selector demands one."""
        return next((value for name, equal, value in self.terms if name == path and equal), None)


def _field(obj: Object, path: str) -> str:
    value: object = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def parse_fields(text: str, selectable: Sequence[str] = (), *, namespaced: bool = True) -> FieldSelector:
    """A selector as `kubectl --field-selector` takes it. Raises BadRequest (unknown fields too)."""
    terms = []
    for term in filter(None, (part.strip() for part in text.split(","))):
        found = re.match(r"([^=!]+)(==|!=|=)(.*)$", term)
        if found is None:
            raise BadRequest(f"invalid selector: '{text}'; can't understand '{term}'")
        path, sign, value = found.groups()
        known = ("metadata.name", "metadata.namespace") if namespaced else ("metadata.name",)
        if path not in known and path not in selectable:
            raise BadRequest(f"field label not supported: {path}")
        terms.append((path, sign != "!=", value))
    return FieldSelector(tuple(terms))
