"""The `{{execute}}` family: what may follow a command in a lesson's text (Katacoda's and Killercoda's words).

A macro stands right after an inline code span or after the closing fence of a block; native lessons may also put
its words into the fence's info string (```` ```bash execute T2 ````).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

MACRO = re.compile(r"[ \t]?\{\{[ \t]*([A-Za-z0-9_ \t-]*?)[ \t]*\}\}")
_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})(?P<rest>.*)$")
_RUN = {"execute", "exec"}
_MISSPELT = {
    "exeute": "execute",
    "exex": "exec",
    "excute": "execute",
    "cope": "copy",
    "ecopy": "copy",
    "interupt": "interrupt",
}
_CONTROL = re.compile(r"^\^(ESC|[A-Za-z\[\\\]^_?])$")


@dataclass(frozen=True)
class Macro:
    """What clicking does."""

    action: Literal["run", "copy", "open", "none"]
    terminal: int = 1
    interrupt: bool = False
    newline: bool = True
    control: bool = False
    unknown: tuple[str, ...] = ()
    """Words that mean nothing to us, for lint."""


def parse_macro(words: str) -> Macro:
    """The meaning of what stands between the braces; an empty text means "not clickable"."""
    action: Literal["run", "copy", "open", "none"] = "none"
    terminal, interrupt, newline, control = 1, False, True, False
    unknown: list[str] = []
    for written in words.split():
        word = _MISSPELT.get(written.lower(), written.lower())
        if word != written.lower():
            unknown.append(written)
        if word in _RUN:
            action = "run"
        elif word in ("copy", "open"):
            action = word  # type: ignore[assignment] # narrowed by the line above
        elif word == "interrupt":
            action, interrupt = "run", True
        elif word == "no-newline":
            newline = False
        elif word == "ctrl-seq":
            control = True
        elif match := re.fullmatch(r"(?:t|host)0?([1-9])", word):
            terminal = int(match[1])
        elif action == "none":
            unknown.append(written)
    return Macro(action, terminal, interrupt, newline, control, tuple(unknown))


def is_macro(words: str) -> bool:
    """Whether these words can be a macro at all: `{{ .Values.x }}` of a Helm chart stays text."""
    first = words.split()[0].lower() if words.split() else ""
    known = _RUN | set(_MISSPELT) | {"copy", "open", "interrupt"}
    return not words.strip() or first in known or "execute" in words.lower().split()


def control_bytes(written: str) -> str | None:
    """What `^C` written in a lesson stands for, or None."""
    match = _CONTROL.match(written.strip())
    if match is None:
        return None
    return "\x1b" if match[1] == "ESC" else chr(ord(match[1].upper()) ^ 0x40)


def lift_fence_macros(text: str) -> str:
    """Move macros from closing fences to their opening lines, and so make the text CommonMark; lines stay."""
    lines = text.splitlines()
    opened: tuple[int, str] | None = None
    for number, line in enumerate(lines):
        match = _FENCE.match(line)
        if match is None:
            continue
        if opened is None:
            opened = (number, match["fence"])
            continue
        start, fence = opened
        closes = match["fence"][0] == fence[0] and len(match["fence"]) >= len(fence)
        rest = match["rest"].strip()
        macro = MACRO.match(" " + rest) if rest else None
        if closes and (not rest or macro is not None):
            if macro is not None:
                lines[start] += " {{" + macro[1] + "}}"
                after = (" " + rest)[macro.end() :].strip()
                lines[number] = match["indent"] + match["fence"] + (f"\n{match['indent']}{after}" if after else "")
            opened = None
    return "\n".join(lines) + "\n"
