"""A learner's browser, without the picture: pages over HTTP, the two WebSockets of docs/protocol.md, nothing beside."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import h11

from benchmarks.site import Site
from benchmarks.websocket import Socket

Object = dict[str, Any]

COURSE = "kubernetes-basics"
EMPTY, READY_MADE = "create-cluster", "deploy-app"
"""A lesson that begins with a bare sandbox, and one whose cluster is started for the learner."""
_ACK_EVERY = 32 * 1024
_SECONDS = 120.0
_PROMPT = re.compile(rb"[$#] (\x1b\[[0-9;?]*[a-z])*$")


class Learner:
    """One person, who becomes a guest at the first start."""

    def __init__(self, site: Site, lesson: str = EMPTY) -> None:
        self.site = site
        self.lesson = lesson
        self.attempt = ""
        self._cookies: dict[str, str] = {}

    async def open_page(self) -> None:
        """Look at the workbench, as everybody does before they start."""
        await self._request("GET", f"/{COURSE}/{self.lesson}/do/")

    async def press_start(self) -> Object:
        """Ask for a sandbox; the answer is the attempt's state."""
        state: Object = await self._post(f"/{COURSE}/{self.lesson}/start")
        self.attempt = state["attempt"]
        return state

    async def start(self) -> Terminal:
        """Press *Start* and do what the page does until there is a prompt."""
        await self.press_start()
        await self.wait_until_ready()
        terminal = await self.terminal()
        await terminal.wait_for_prompt()
        return terminal

    async def wait_until_ready(self) -> None:
        """Hear on the events' socket that the sandbox stands."""
        async with self.events() as events:
            async for event in events:
                sandbox = event["state"]["sandbox"] if event["type"] == "admitted" else event.get("sandbox")
                if sandbox and sandbox["state"] == "failed":
                    raise RuntimeError(sandbox["error"])
                if sandbox and sandbox["state"] == "ready":
                    return

    @asynccontextmanager
    async def events(self, step: str = "") -> AsyncIterator[AsyncIterator[Object]]:
        """What happens in the attempt while the page shows `step`, each acknowledged."""
        socket = await self._socket("events", {"language": "en", "step": step})
        try:
            yield _acknowledged(socket)
        finally:
            await socket.close()

    async def terminal(self, name: str = "1") -> Terminal:
        """Attach to a terminal, opening it when it is not there."""
        size = {"since": None, "columns": 100, "rows": 30, "viewer": "benchmark"}
        return Terminal(await self._socket(f"terminals/{name}", size))

    async def end(self) -> None:
        """End the sandbox."""
        await self._post(f"/attempts/{self.attempt}/end")

    async def _socket(self, name: str, more: Object) -> Socket:
        ticket = (await self._post(f"/attempts/{self.attempt}/ticket"))["ticket"]
        path = f"/ws/attempts/{self.attempt}/{name}"
        socket = await Socket.connect(self.site.port, path, origin=self.site.origin, cookies=self._cookie_header())
        await socket.send({"type": "ticket", "ticket": ticket, **more})
        return socket

    async def _post(self, path: str) -> Any:
        return json.loads(await self._request("POST", path, b"{}"))

    async def _request(self, method: str, path: str, body: bytes = b"") -> bytes:
        headers = [("Host", f"127.0.0.1:{self.site.port}"), ("Connection", "close"), ("Cookie", self._cookie_header())]
        if body:
            headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
            headers += [("Origin", self.site.origin), ("X-CSRFToken", self._cookies.get("quayside_csrf", ""))]
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.site.port)
            http = h11.Connection(h11.CLIENT)
            for event in (h11.Request(method=method, target=path, headers=headers), h11.Data(body), h11.EndOfMessage()):
                writer.write(http.send(event) or b"")
            try:
                return await self._response(http, reader)
            finally:
                writer.close()

    async def _response(self, http: h11.Connection, reader: asyncio.StreamReader) -> bytes:
        status, body = 0, bytearray()
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Response):
                status = event.status_code
                for name, value in event.headers:
                    if name == b"set-cookie":
                        key, _, rest = value.decode().partition("=")
                        self._cookies[key] = rest.partition(";")[0]
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                break
        if status != 200:
            raise RuntimeError(f"{status}: {body[:500].decode(errors='replace')}")
        return bytes(body)

    def _cookie_header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())


async def _acknowledged(socket: Socket) -> AsyncIterator[Object]:
    while True:
        event = await socket.receive()
        if isinstance(event, dict) and event["type"] == "closing":
            raise RuntimeError(f"closed: {event}")
        if isinstance(event, dict) and event["type"] != "hello":
            if "number" in event:
                await socket.send({"type": "ack", "number": event["number"]})
            yield event


class Terminal:
    """One terminal: types, and reads until something has come, acknowledging as it goes."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.received = 0
        self._acknowledged = 0

    async def next(self, *, acknowledge: bool = True) -> bytes | Object:
        """The next frame."""
        while True:
            frame = await self.socket.receive()
            if isinstance(frame, bytes):
                self.received += len(frame)
                if acknowledge and self.received - self._acknowledged >= _ACK_EVERY:
                    await self.acknowledge(self.received)
                return frame
            if frame["type"] == "closing":
                raise RuntimeError(f"closed: {frame}")
            if frame["type"] in ("attached", "reset"):
                self.received = self._acknowledged = frame["offset"]
            if frame["type"] != "hello":
                return frame

    async def acknowledge(self, offset: int) -> None:
        """Say that everything before `offset` has been drawn."""
        self._acknowledged = offset
        await self.socket.send({"type": "ack", "offset": offset})

    async def type(self, text: str) -> None:
        """Type it."""
        await self.socket.send(text.encode())

    async def wait_for_prompt(self) -> None:
        """Read until a prompt can be seen."""
        await self.read_until(lambda seen: _PROMPT.search(seen) is not None)

    async def run(self, command: str) -> int:
        """Type a command and wait for its end and the next prompt; its exit code."""
        await self.type(command + "\r")
        status: int | None = None
        while True:  # a prompt's mark may still be under way from before
            frame = await self.next()
            if isinstance(frame, dict) and frame.get("mark") == "finished":
                status = frame["status"]
            elif isinstance(frame, dict) and frame.get("mark") == "prompt" and status is not None:
                return status

    async def read_until(self, found: Callable[[bytes], bool]) -> float:
        """Read until the bytes that came satisfy `found`; when that was."""
        seen = b""
        while not found(seen):
            frame = await self.next()
            if isinstance(frame, bytes):
                seen = (seen + frame)[-65536:]
        return time.perf_counter()
