"""The other end of the learner's `minikube` command: a socket that speaks its verbs and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import traceback
from typing import Any

from sandbox.agent.cluster import Cluster
from sandbox.linux import layout
from sandbox.minikube import commands
from sandbox.minikube.request import MAX_LINE, Request, Send

Object = dict[str, Any]

_CALLS = 8
_LINE_SECONDS = 5.0


class Minikube:
    """Answers `minikube` calls."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._calls = 0

    async def listen(self, tasks: asyncio.TaskGroup) -> None:
        """Make the socket that is bound into the learner's container, and serve it as one of `tasks`."""
        layout.MINIKUBE_SOCKET.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(layout.MINIKUBE_SOCKET))
        layout.MINIKUBE_SOCKET.chmod(0o666)
        server = await asyncio.start_unix_server(self._connected, sock=listener, limit=MAX_LINE)
        tasks.create_task(server.serve_forever())

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one call of the learner's; a call that goes away is cancelled."""
        self._calls += 1
        try:
            if self._calls > _CALLS:
                writer.write(b'{"err": "too many minikube commands at once\\n"}\n{"exit": 1}\n')
                return
            async with asyncio.timeout(_LINE_SECONDS):
                line = await reader.readline()
            await self._serve(Request.from_line(line), reader, writer)
        except (OSError, ValueError, TimeoutError):
            pass  # not our client: nothing to say to it
        finally:
            self._calls -= 1
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_LINE_SECONDS):
                    await writer.drain()
            writer.close()

    async def _serve(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send(message: Object) -> None:
            writer.write(json.dumps(message).encode() + b"\n")
            await writer.drain()

        running = asyncio.create_task(commands.run(request, self._cluster, send))
        gone = asyncio.create_task(_until_end(reader))
        try:
            await asyncio.wait({running, gone}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                await _say_end(running, send)
        finally:
            for task in (running, gone):
                task.cancel()
            await asyncio.gather(running, gone, return_exceptions=True)


async def _say_end(running: asyncio.Task[int], send: Send) -> None:
    problem = running.exception()
    if problem is None:
        await send({"exit": running.result()})
        return
    traceback.print_exception(problem)
    await send({"err": "minikube: something in the sandbox went wrong\n"})
    await send({"exit": 1})


async def _until_end(reader: asyncio.StreamReader) -> None:
    while await reader.read(4096):
        pass
