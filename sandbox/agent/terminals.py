"""All terminals of the sandbox, and the verbs that reach them: attach, terminals, close-terminal."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from sandbox.agent.conversation import BadRequest, Conversation, Failed, number, text
from sandbox.agent.happenings import Happenings
from sandbox.agent.shell import Shell
from sandbox.agent.terminal import Terminal
from sandbox.agent.viewer import Size, Viewer

Object = dict[str, Any]

_NAME = re.compile(r"[a-z0-9-]{1,32}")
_TERMINALS = 8
_PATIENCE = 0.02
"""Seconds between two tries to type into a program that does not read."""


class Terminals:
    """The open terminals by name."""

    def __init__(self, shell: Shell, happenings: Happenings) -> None:
        self._shell = shell
        self._happenings = happenings
        self._terminals: dict[str, Terminal] = {}

    async def attach(self, conversation: Conversation, request: Object) -> None:
        """Serve one attachment until the client goes or the terminal is closed."""
        name, size, since = text(request, "viewer"), _size(request), _since(request)
        terminal = self._terminal(request)  # last: what is refused opens nothing
        viewer = Viewer(name, terminal.ring, size=size, interactive=bool(request.get("interactive", True)))
        terminal.attach(viewer, since)
        sending = asyncio.create_task(self._send(conversation, viewer))
        listening = asyncio.create_task(self._listen(conversation, terminal, viewer))
        try:
            done, _ = await asyncio.wait({sending, listening}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            terminal.detach(viewer)
            for task in (sending, listening):
                task.cancel()
            await asyncio.gather(sending, listening, return_exceptions=True)

    async def list(self, conversation: Conversation, _: Object) -> None:
        """Tell which terminals are open."""
        await conversation.send({"type": "terminals", "terminals": self.descriptions()})

    async def close(self, conversation: Conversation, request: Object) -> None:
        """Close one; closing what is not open is no error."""
        terminal = self._terminals.pop(text(request, "terminal"), None)
        if terminal is not None:
            await terminal.close()
        await conversation.send({"type": "done"})

    def descriptions(self) -> tuple[Object, ...]:
        """What is known about each."""
        return tuple(terminal.description() for terminal in self._terminals.values())

    def _terminal(self, request: Object) -> Terminal:
        name = text(request, "terminal")
        if not _NAME.fullmatch(name):
            raise BadRequest(f"{name!r} is no name for a terminal")
        if name not in self._terminals:
            if len(self._terminals) >= _TERMINALS:
                raise Failed(f"There are {_TERMINALS} terminals already.")
            self._terminals[name] = Terminal(name, self._shell, self._happenings)
        return self._terminals[name]

    @staticmethod
    async def _send(conversation: Conversation, viewer: Viewer) -> None:
        while (message := await viewer.next()) is not None:
            await conversation.send(message)

    @staticmethod
    async def _listen(conversation: Conversation, terminal: Terminal, viewer: Viewer) -> None:
        while (message := await conversation.receive()) is not None:
            if isinstance(message, bytes):
                while not terminal.type(viewer, message) and viewer.interactive:  # noqa: ASYNC110 - the pty tells nobody
                    await asyncio.sleep(_PATIENCE)
            elif message.get("type") == "ack":
                terminal.acknowledge(viewer, int(number(message, "offset", least=0, most=1 << 62)))
            elif message.get("type") == "resize":
                terminal.resize(viewer, _size(message))


def _size(message: Object) -> Size:
    columns = number(message, "columns", 80, least=1, most=1000)
    return Size(int(columns), int(number(message, "rows", 24, least=1, most=1000)))


def _since(request: Object) -> int | None:
    return None if request.get("since") is None else int(number(request, "since", least=0, most=1 << 62))
