"""Flags the way minikube's own parser (Go's pflag) reads them: anywhere, `--name=value`, `-n3`, `--` ends them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "number", "bool", "list"]


@dataclass(frozen=True)
class Flag:
    """One flag of a command."""

    name: str
    kind: Kind = "text"
    short: str = ""
    note: str = ""
    """Said when it is used, because it changes nothing here; `{value}` stands for what was given."""


class UsageError(Exception):
    """The command line is not right; the message is pflag's."""


@dataclass(frozen=True)
class Parsed:
    """A command line taken apart."""

    words: tuple[str, ...]
    """What is no flag, without what follows `--`."""
    values: Mapping[str, str]
    """As given, the last one wins; lists joined by commas; a bool that is on is "true"."""
    rest: tuple[str, ...] = ()
    """What follows `--`."""

    def text(self, name: str, default: str = "") -> str:
        """The flag's value."""
        return self.values.get(name, default)

    def on(self, name: str, *, default: bool = False) -> bool:
        """Whether a bool is on."""
        return self.values.get(name, "true" if default else "false") == "true"

    def number(self, name: str, default: int) -> int:
        """The value of a number."""
        return int(self.values.get(name, default))


GLOBAL = (
    Flag("profile", short="p"),
    Flag("help", "bool", "h"),
    Flag("alsologtostderr", "bool"),
    Flag("logtostderr", "bool"),
    Flag("v", "number", "v"),
    Flag("interactive", "bool"),
    Flag("skip-audit", "bool"),
    Flag("rootless", "bool"),
    Flag("bootstrapper", short="b"),
)


def parse(arguments: Sequence[str], flags: Sequence[Flag]) -> Parsed:
    """Take a command's arguments apart. Raises UsageError."""
    known = {flag.name: flag for flag in (*GLOBAL, *flags)}
    shorts = {flag.short: flag for flag in (*GLOBAL, *flags) if flag.short}
    words: list[str] = []
    values: dict[str, str] = {}
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--":
            return Parsed(tuple(words), values, tuple(waiting))
        if argument.startswith("--"):
            _take_long(argument, known, values, waiting)
        elif argument.startswith("-") and argument != "-":
            _take_shorts(argument, shorts, values, waiting)
        else:
            words.append(argument)
    return Parsed(tuple(words), values)


def _take_long(argument: str, known: Mapping[str, Flag], values: dict[str, str], waiting: Iterator[str]) -> None:
    name, equals, value = argument[2:].partition("=")
    flag = known.get(name)
    if flag is None:
        raise UsageError(f"unknown flag: --{name}")
    if not equals:
        value = "true" if flag.kind == "bool" else _next(waiting, f"flag needs an argument: --{name}")
    _set(flag, value, values, f"--{name}")


def _take_shorts(argument: str, shorts: Mapping[str, Flag], values: dict[str, str], waiting: Iterator[str]) -> None:
    letters = argument[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        flag = shorts.get(letter)
        if flag is None:
            raise UsageError(f"unknown shorthand flag: '{letter}' in {argument}")
        said = f"-{letter}, --{flag.name}"
        if flag.kind == "bool" and not letters.startswith("="):
            _set(flag, "true", values, said)
            continue
        value = letters.removeprefix("=") or _next(waiting, f"flag needs an argument: '{letter}' in {argument}")
        _set(flag, value, values, said)
        return


def _next(waiting: Iterator[str], problem: str) -> str:
    value = next(waiting, None)
    if value is None:
        raise UsageError(problem)
    return value


def _set(flag: Flag, value: str, values: dict[str, str], said: str) -> None:
    if flag.kind == "bool":
        lowered = value.lower()
        if lowered not in ("true", "false", "1", "0", "t", "f"):
            raise UsageError(
                f'invalid argument "{value}" for "{said}" flag: strconv.ParseBool: parsing "{value}": invalid syntax'
            )
        value = "true" if lowered in ("true", "1", "t") else "false"
    elif flag.kind == "number" and not value.isdigit():
        raise UsageError(
            f'invalid argument "{value}" for "{said}" flag: strconv.ParseInt: parsing "{value}": invalid syntax'
        )
    elif flag.kind == "list" and flag.name in values:
        value = f"{values[flag.name]},{value}"
    values[flag.name] = value
