"""kubectl's dialect of JSONPath, as far as checks use it: the same expression gives the same text as `kubectl get -o`.

Text outside braces is kept; inside: `.a.b`, `['a','b']`, `[0]`, `[-1]`, `[1:3]`, `[*]`, `.*`, `..a`, `[?(@.a=="b")]`
(also == != < <= > >= and bare existence), `range`/`end`, quoted text, `\\.` for a dot in a name, `@` and `$`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Value = Any
Step = Callable[[Value], Iterator[Value]]

_EXPRESSION_LENGTH = 1000
_RESULTS = 10_000
_BLOCK = re.compile(r"\{((?:[^{}'\"]|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")*)\}")
_NAME = re.compile(r"(?:\\.|[^\\.\[\]{}()\s'\"=!<>@])+")
_COMPARISON = re.compile(r"^(.+?)\s*(==|!=|<=|>=|<|>)\s*(.+)$", re.DOTALL)


class PathError(ValueError):
    """The expression is not one; the message says where."""


@dataclass(frozen=True)
class _Piece:
    """A part of a template: literal text, a path, or a loop over a path."""

    text: str = ""
    path: Sequence[Step] | None = None
    body: Sequence[_Piece] | None = None


def evaluate(expression: str, value: Value) -> str:
    """What `kubectl get -o jsonpath=EXPRESSION` prints for `value`; nothing for what is not there. Raises PathError."""
    pieces = _parse(expression)
    return "".join(_render(pieces, value))


def _parse(expression: str) -> Sequence[_Piece]:
    if len(expression) > _EXPRESSION_LENGTH:
        raise PathError("the expression is too long")
    if "{" not in expression:  # kubectl is relaxed about braces and about the first dot
        expression = "{" + (expression if expression.startswith((".", "[", "$", "@")) else f".{expression}") + "}"
    pieces, rest = _pieces(_tokens(expression), nested=False)
    if rest:
        raise PathError("{end} without {range}")
    return pieces


def _tokens(expression: str) -> list[tuple[str, str]]:
    """Pairs ("text", …) and ("block", …)."""
    tokens: list[tuple[str, str]] = []
    at = 0
    for match in _BLOCK.finditer(expression):
        if match.start() > at:
            tokens.append(("text", expression[at : match.start()]))
        tokens.append(("block", match.group(1).strip()))
        at = match.end()
    if at < len(expression):
        tokens.append(("text", expression[at:]))
    if any("{" in text or "}" in text for kind, text in tokens if kind == "text"):
        raise PathError("unclosed { in the expression")
    return tokens


def _pieces(tokens: list[tuple[str, str]], *, nested: bool) -> tuple[list[_Piece], list[tuple[str, str]]]:
    pieces: list[_Piece] = []
    while tokens:
        (kind, text), tokens = tokens[0], tokens[1:]
        if kind == "text":
            pieces.append(_Piece(text=text))
        elif text == "end":
            if not nested:
                return pieces, [("block", "end")]
            return pieces, tokens
        elif text.startswith("range"):
            body, tokens = _pieces(tokens, nested=True)
            pieces.append(_Piece(path=_path(text.removeprefix("range").strip()), body=body))
        elif text[:1] in ("'", '"'):
            pieces.append(_Piece(text=_unquote(text)))
        else:
            pieces.append(_Piece(path=_path(text)))
    if nested:
        raise PathError("{range} without {end}")
    return pieces, []


def _render(pieces: Sequence[_Piece], value: Value) -> Iterator[str]:
    for piece in pieces:
        if piece.path is None:
            yield piece.text
        elif piece.body is None:
            yield " ".join(_text(found) for found in _find(piece.path, value))
        else:
            for found in _find(piece.path, value):
                yield from _render(piece.body, found)


def _find(path: Sequence[Step], value: Value) -> list[Value]:
    found = [value]
    for step in path:
        found = [result for one in found for result in step(one)]
        if len(found) > _RESULTS:
            raise PathError("the expression finds too much")
    return found


def _path(text: str) -> list[Step]:
    steps: list[Step] = []
    text = text.strip()
    at = 1 if text[:1] in ("$", "@") else 0
    if text and not at and text[0] not in ".[":
        raise PathError(f"{text!r} must begin with . or [")
    while at < len(text):
        if text[at] == "[":
            end = _closing(text, at)
            steps.append(_bracket(text[at + 1 : end].strip()))
            at = end + 1
            continue
        if text[at] != ".":
            raise PathError(f"unexpected {text[at]!r} in {text!r}")
        deep = text.startswith("..", at)
        at += 2 if deep else 1
        if deep:
            steps.append(_descend)
        if at < len(text) and text[at] == "*":
            steps.append(_every)
            at += 1
        elif name := _NAME.match(text, at):
            steps.append(_child(re.sub(r"\\(.)", r"\1", name.group())))
            at = name.end()
        elif at < len(text) and text[at] != "[":
            raise PathError(f"a name is missing in {text!r}")
    return steps


def _closing(text: str, opening: int) -> int:
    """Where the bracket at `opening` is closed, quotes and inner brackets skipped."""
    depth, quote, at = 0, "", opening
    while at < len(text):
        character = text[at]
        if quote:
            at += character == "\\"
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "[]":
            depth += 1 if character == "[" else -1
            if depth == 0:
                return at
        at += 1
    raise PathError(f"unclosed [ in {text!r}")


def _bracket(inner: str) -> Step:
    if inner == "*":
        return _every
    if inner.startswith("?(") and inner.endswith(")"):
        return _filter(inner[2:-1].strip())
    if inner[:1] in ("'", '"'):
        names = [_unquote(name) for name in re.findall(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", inner)]
        return _union([_child(name) for name in names])
    if re.fullmatch(r"-?\d+(\s*,\s*-?\d+)+", inner):
        return _union([_item(int(number)) for number in inner.split(",")])
    if re.fullmatch(r"-?\d+", inner):
        return _item(int(inner))
    if re.fullmatch(r"-?\d*:-?\d*(:\d*)?", inner):
        bounds = [int(number) if number else None for number in inner.split(":")]
        return _slice(slice(*bounds))
    raise PathError(f"[{inner}] is not understood")


def _child(name: str) -> Step:
    def step(value: Value) -> Iterator[Value]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _item(number: int) -> Step:
    def step(value: Value) -> Iterator[Value]:
        if isinstance(value, list) and -len(value) <= number < len(value):
            yield value[number]

    return step


def _slice(bounds: slice) -> Step:
    def step(value: Value) -> Iterator[Value]:
        if isinstance(value, list):
            yield from value[bounds]

    return step


def _union(steps: Sequence[Step]) -> Step:
    def step(value: Value) -> Iterator[Value]:
        for one in steps:
            yield from one(value)

    return step


def _every(value: Value) -> Iterator[Value]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _descend(value: Value) -> Iterator[Value]:
    yield value
    for inner in _every(value):
        yield from _descend(inner)


def _filter(condition: str) -> Step:
    compared = _COMPARISON.match(condition)
    if compared is None:
        path = _path(condition)
        return lambda value: (one for one in _every(value) if _find(path, one))
    left, operator, right = compared.groups()
    holds = _OPERATORS[operator]

    def step(value: Value) -> Iterator[Value]:
        for one in _every(value):
            if any(holds(a, b) for a in _operand(left, one) for b in _operand(right, one)):
                yield one

    _operand(left, None)
    _operand(right, None)
    return step


def _operand(text: str, value: Value) -> list[Value]:
    text = text.strip()
    if text[:1] in ("@", "$", ".", "["):
        return _find(_path(text), value)
    if text[:1] in ("'", '"'):
        return [_unquote(text)]
    try:
        return [json.loads(text)]
    except ValueError as error:
        raise PathError(f"{text!r} is neither a path nor a value") from error


def _ordered(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Compare numbers with numbers and texts with texts; nothing else has an order."""

    def compare(left: Value, right: Value) -> bool:
        numbers = all(isinstance(side, int | float) and not isinstance(side, bool) for side in (left, right))
        return (numbers or (isinstance(left, str) and isinstance(right, str))) and holds(left, right)

    return compare


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda left, right: type(left) is type(right) and bool(left == right),
    "!=": lambda left, right: type(left) is not type(right) or bool(left != right),
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
}


def _unquote(text: str) -> str:
    if len(text) < 2 or text[-1] != text[0]:
        raise PathError(f"unclosed quote in {text!r}")
    inner = text[1:-1]
    escapes = {"n": "\n", "t": "\t", "r": "\r"}
    return re.sub(r"\\(.)", lambda match: escapes.get(match.group(1), match.group(1)), inner)


def _text(value: Value) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
