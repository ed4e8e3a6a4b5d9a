"""For tests: an API server with one pod whose containers are ordinary processes of this machine."""

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import struct
import termios
from datetime import UTC, datetime

from sandbox.cluster.api.errors import NotFound
from sandbox.cluster.apiserver import openapi
from sandbox.cluster.apiserver.connection import Connection
from sandbox.cluster.apiserver.documents import Documents
from sandbox.cluster.apiserver.formats import Accept, respond
from sandbox.cluster.apiserver.messages import ADMIN, Takeover
from sandbox.cluster.apiserver.room import Room
from sandbox.cluster.apiserver.streams import serve_portforward, serve_process
from sandbox.cluster.kubelet.runtime import StartError
from sandbox.cluster.resources.all import PODS
from sandbox.linux import streams

POD = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"name": "p", "namespace": "default", "uid": "u"},
    "spec": {"containers": [{"name": "c", "image": "x", "stdin": True}], "nodeName": "minikube"},
    "status": {"phase": "Running", "containerStatuses": [{"name": "c", "ready": True, "state": {"running": {}}}]},
}


class LocalProcess:
    """A process of this machine, with pipes or with a terminal."""

    def __init__(self, process, stdin, stdout, stderr, terminal=None):
        self._process, self._terminal = process, terminal
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr

    @classmethod
    async def start(cls, command, *, stdin, tty):
        try:
            if tty:
                return await cls._on_a_terminal(command)
            pipe = asyncio.subprocess.PIPE
            given = pipe if stdin else asyncio.subprocess.DEVNULL
            process = await asyncio.create_subprocess_exec(
                *command, stdin=given, stdout=pipe, stderr=pipe, start_new_session=True
            )
        except FileNotFoundError as error:
            raise StartError(f'exec: "{command[0]}": executable file not found in $PATH: unknown') from error
        return cls(process, process.stdin, process.stdout, process.stderr)

    @classmethod
    async def _on_a_terminal(cls, command):
        master, slave = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        reader = await streams.open_reader(os.dup(master))
        return cls(process, await streams.open_writer(os.dup(master)), reader, None, master)

    async def wait(self):
        return await self._process.wait()

    def resize(self, columns, rows):
        if self._terminal is not None:
            fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    async def close(self):
        if self.stdin is not None:
            self.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        self._process._transport.close()
        if self.stdin is not None:
            with contextlib.suppress(OSError):
                await self.stdin.wait_closed()
        if self._terminal is not None:
            self.stdout.close()
            os.close(self._terminal)
            self._terminal = None


class ExecServer:
    """Serves that pod on a loopback port; remembers the processes it started."""

    def __init__(self, dial=None):
        self.dial = dial
        self.processes = []
        self.clients = []
        self.protocols = []
        self._documents = Documents(lambda: [PODS], address="127.0.0.1:1", openapi=openapi.answer)

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for process in self.processes:
            await process.close()
        for client in self.clients:
            with contextlib.suppress(ProcessLookupError):
                client.kill()
            await client.wait()
            # What it wrote and nobody read would keep its pipes open beyond the loop's end.
            client._transport.close()
        await asyncio.sleep(0)

    async def _serve(self, reader, writer):
        await Connection(reader, writer, self._handle, user=ADMIN, room=Room()).serve()

    async def _handle(self, request):
        base = "/api/v1/namespaces/default/pods/p"
        if request.path == base:
            return respond(POD | {"metadata": POD["metadata"] | {"creationTimestamp": _now()}}, Accept())
        if not request.path.startswith("/api/v1/namespaces/"):
            return self._documents.answer(request)
        self.protocols.append(request.header("upgrade").lower())
        verb = request.path.removeprefix(base + "/")
        if verb == "portforward":
            return Takeover(lambda upgrade: serve_portforward(upgrade, self.dial))
        if verb in ("exec", "attach"):
            command = request.query.get("command") or ["sh", "-c", "echo hello; cat; exit 3"]
            stdin, tty = request.flag("stdin"), request.flag("tty")

            async def start():
                self.processes.append(await LocalProcess.start(command, stdin=stdin, tty=tty))
                return self.processes[-1]

            return Takeover(lambda upgrade: serve_process(upgrade, start, attached=verb == "attach"))
        raise NotFound(PODS, request.path.rpartition("/")[2])


def _now():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
