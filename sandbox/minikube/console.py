"""What minikube's lines look like: an emoji on a colour terminal, a plain sign everywhere else, tables between bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from unicodedata import east_asian_width

from sandbox.minikube.request import Request, Send


class Style(Enum):
    """A kind of line: its emoji and, for terminals without colour and for pipes, its plain prefix."""

    HAPPY = ("😄", "* ")
    SPARKLE = ("✨", "* ")
    THUMBS_UP = ("👍", "* ")
    FIRE = ("🔥", "* ")
    RESTARTING = ("🔄", "* ")
    RUNNING = ("🏃", "* ")
    RUNTIME = ("🎁", "* ")
    NETWORK = ("🔗", "* ")
    VERIFYING = ("🔎", "* ")
    ENABLED = ("🌟", "* ")
    DISABLED = ("🌑", "* ")
    READY = ("🏄", "* ")
    STOPPING = ("✋", "* ")
    STOPPED = ("🛑", "* ")
    DELETED = ("💀", "* ")
    PAUSING = ("⏸️ ", "* ")
    UNPAUSED = ("⏯️ ", "* ")
    OPENING = ("🎉", "* ")
    TIP = ("💡", "* ")
    CHECK = ("✅", "* ")
    NOTE = ("📌", "* ")
    OPTIONS = ("🌐", "* ")
    HEART = ("💗", "* ")
    SHRUG = ("🤷", "* ")
    SAD = ("😿", "* ")
    WORKAROUND = ("👉", "  ")
    WARNING = ("❗", "! ")
    MEH = ("🙄", "! ")
    FAILURE = ("❌", "X ")

    @property
    def emoji(self) -> str:
        """The sign for colour terminals."""
        return self.value[0]

    @property
    def plain(self) -> str:
        """The prefix for everything else."""
        return self.value[1]


class Exit:
    """Exit codes by class, as minikube has them."""

    PROGRAM = 10
    USAGE = 14
    LOCAL_NETWORK = 70
    GUEST = 80
    GUEST_NOT_RUNNING = 83
    GUEST_NOT_FOUND = 85
    CONTROL_PLANE_PAUSED = 103
    SERVICE_NOT_FOUND = 115
    SERVICE_UNAVAILABLE = 119


@dataclass(eq=False)
class Fatal(Exception):
    """Ends the command: the identifier that people search for, the message, and the exit code."""

    identifier: str
    message: str
    code: int
    suggestion: str = ""


class Console:
    """Writes to the learner's terminal by way of the client."""

    def __init__(self, request: Request, send: Send) -> None:
        self._send = send
        self._emoji = _wants_emoji(request)

    async def write(self, text: str) -> None:
        """Text as it is."""
        await self._send({"out": text})

    async def line(self, text: str = "") -> None:
        """A line without any sign."""
        await self.write(f"{text}\n")

    async def step(self, style: Style, text: str) -> None:
        """A line with its sign."""
        await self.write(self._styled(style, text))

    async def option(self, text: str) -> None:
        """An indented line below a step."""
        await self.write(f"    ▪ {text}\n" if self._emoji else f"  - {text}\n")

    async def warn(self, text: str, style: Style = Style.WARNING) -> None:
        """A line with its sign, on stderr."""
        await self._send({"err": self._styled(style, text)})

    async def error_line(self, text: str) -> None:
        """A line on stderr."""
        await self._send({"err": f"{text}\n"})

    async def fatal(self, error: Fatal) -> None:
        """The last words of a command that failed."""
        text = "\n" + self._styled(Style.FAILURE, f"Exiting due to {error.identifier}: {error.message}")
        if error.suggestion:
            text += self._styled(Style.TIP, f"Suggestion: {error.suggestion}")
        await self._send({"err": f"{text}\n"})

    async def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Columns between bars: headings centred, numbers to the right."""
        widths = [max(_width(cell) for cell in column) for column in zip(header, *rows, strict=True)]
        border = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
        lines = [border, _row([cell.center(width) for cell, width in zip(header, widths, strict=True)]), border]
        lines += [_row([_aligned(cell, width) for cell, width in zip(row, widths, strict=True)]) for row in rows]
        await self.write("\n".join([*lines, border]) + "\n")

    def _styled(self, style: Style, text: str) -> str:
        return f"{style.emoji}  {text}\n" if self._emoji else f"{style.plain}{text}\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _aligned(cell: str, width: int) -> str:
    return cell.rjust(width) if cell.isdigit() else cell + " " * (width - _width(cell))


def _width(text: str) -> int:
    """In terminal cells: emoji take two."""
    return sum(2 if east_asian_width(sign) in "WF" else 1 for sign in text)


def _wants_emoji(request: Request) -> bool:
    forced = request.environment.get("MINIKUBE_IN_STYLE", "").lower()
    if forced in ("true", "1", "t"):
        return True
    if forced in ("false", "0", "f"):
        return False
    term = request.environment.get("TERM", "")
    return request.terminal and ("color" in term or bool(request.environment.get("COLORTERM")))
