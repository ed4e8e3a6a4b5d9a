"""The verbs that run something or move files: run, exec, put, dial."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import io
import ipaddress
import signal
import struct
import tarfile
import termios
import time
from typing import Any

from sandbox.agent.conversation import BadRequest, Conversation, Failed, mapping, number, text, texts
from sandbox.agent.scripts import SCRIPT_BYTES, Scripts
from sandbox.agent.shell import Shell
from sandbox.linux import streams
from sandbox.linux.containers import ContainerError, Session

Object = dict[str, Any]

_PUT_FILES = 256
_PUT_BYTES = 32 * 1024 * 1024
_FAREWELL_SECONDS = 5.0
_PUT_SECONDS = 60.0
_DIAL_SECONDS = 5.0
_CHUNK = 32 * 1024
_NETWORKS = tuple(map(ipaddress.IPv4Network, ("127.0.0.0/8", "10.244.0.0/16", "10.96.0.0/12", "192.168.49.0/24")))


class Running:
    """Runs scripts and commands, writes files and dials ports for the platform."""

    def __init__(self, shell: Shell, scripts: Scripts) -> None:
        self._shell = shell
        self._scripts = scripts

    async def run(self, conversation: Conversation, request: Object) -> None:
        """Run a script and pass on its output."""
        where = text(request, "where", "learner")
        if where not in ("learner", "clean"):
            raise BadRequest("where must be learner or clean")
        ended = await self._scripts.run(
            text(request, "script", most=SCRIPT_BYTES),
            conversation.send_bytes,
            where="clean" if where == "clean" else "learner",
            environment=mapping(request, "environment"),
            timeout=number(request, "timeout", 60, least=0.1, most=3600),
        )
        completed = {"type": "completed", "status": ended.status, "timed_out": ended.timed_out}
        await conversation.send({**completed, "truncated": ended.truncated})

    async def exec(self, conversation: Conversation, request: Object) -> None:
        """Run a command in the learner's container with the client's own streams."""
        argv = texts(request, "argv", most=4096)
        if not argv:
            raise BadRequest("argv is empty")
        tty = bool(request.get("tty"))
        size = (
            int(number(request, "columns", 80, least=1, most=1000)),
            int(number(request, "rows", 24, least=1, most=1000)),
        )
        cwd = None if request.get("cwd") is None else text(request, "cwd", most=4096)
        process = self._shell.process(
            argv, environment=mapping(request, "environment"), cwd=cwd, size=size if tty else None
        )
        session = await self._shell.exec(process)
        console = session.console
        try:
            await conversation.send({"type": "started"})
            await _join(conversation, session, console)
            await _hear_out(conversation)
        finally:
            session.close()
            with contextlib.suppress(ContainerError):
                await session.kill()

    async def put(self, conversation: Conversation, request: Object) -> None:
        """Write files into the learner's root, as the learner."""
        files = _announced(request)
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for path, mode, size in files:
                content = await _content(conversation, size)
                member = tarfile.TarInfo(path.lstrip("/"))
                member.size, member.mode, member.mtime = size, mode, time.time()
                member.uid = member.gid = self._shell.uid
                tar.addfile(member, io.BytesIO(content))
        # Unpacked inside, by the learner: whatever links they have set, it can only lead into their own root.
        process = self._shell.process(("/usr/bin/tar", "-xpf", "-", "--no-same-owner"), cwd="/")
        session = await self._shell.exec(process)
        try:
            async with asyncio.timeout(_PUT_SECONDS):
                status, problem = await _feed(session, archive.getvalue())
        except TimeoutError as error:
            raise Failed("Writing the files took too long.") from error
        finally:
            session.close()
            await session.kill()
        if status != 0:
            raise Failed(f"The files could not be written: {problem.decode(errors='replace')[-500:]}")
        await conversation.send({"type": "done"})

    async def dial(self, conversation: Conversation, request: Object) -> None:
        """Connect to a port inside and copy bytes both ways."""
        host, port = text(request, "host", "127.0.0.1"), int(number(request, "port", least=1, most=65535))
        try:
            address = ipaddress.IPv4Address(host)
        except ValueError as error:
            raise BadRequest("host must be an IPv4 address") from error
        if not any(address in network for network in _NETWORKS):
            raise BadRequest("host is not in the sandbox's network")
        try:
            async with asyncio.timeout(_DIAL_SECONDS):
                reader, writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError) as error:
            raise Failed(f"Nothing answers on port {port}.") from error
        await conversation.send({"type": "dialled"})
        await _splice(conversation, reader, writer)


async def _join(conversation: Conversation, session: Session, console: int | None) -> None:
    """Copy all streams until the command has ended, then say how."""
    if console is not None:
        outputs = {"stdout": await streams.open_reader(session.take("console"))}
        stdin = await streams.open_writer(_duplicate(console))
    else:
        outputs = {name: await streams.open_reader(session.take(name)) for name in ("stdout", "stderr")}
        stdin = await streams.open_writer(session.take("stdin"))
    said = _Speaker(conversation)
    listening: asyncio.Future[Any] = asyncio.create_task(_obey(conversation, session, stdin, console))
    copying: asyncio.Future[Any] = asyncio.gather(*(said.copy(name, reader) for name, reader in outputs.items()))
    try:
        await asyncio.wait({listening, copying}, return_when=asyncio.FIRST_COMPLETED)
        if not copying.done():
            return  # the client has gone
        copying.result()
        ended = await session.wait()
        await conversation.send({"type": "completed", "status": ended.code})
    finally:
        listening.cancel()
        copying.cancel()
        await asyncio.gather(listening, copying, return_exceptions=True)
        stdin.transport.abort()
        for reader in outputs.values():
            reader.close()


async def _hear_out(conversation: Conversation) -> None:
    """Let a client that still types finish: closing under its words would cost it the last message."""
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(_FAREWELL_SECONDS):
            while await conversation.reader.read(65536):
                pass


class _Speaker:
    """Sends two streams over one connection, saying which one speaks when that changes."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._last = "stdout"
        self._lock = asyncio.Lock()

    async def copy(self, name: str, reader: streams.Reader) -> None:
        while data := await reader.read(_CHUNK):
            async with self._lock:
                if name != self._last:
                    await self._conversation.send({"type": "stream", "stream": name})
                    self._last = name
                await self._conversation.send(data)


async def _obey(conversation: Conversation, session: Session, stdin: asyncio.StreamWriter, console: int | None) -> None:
    """Pass on what the client says until it goes."""
    while (message := await conversation.receive()) is not None:
        if isinstance(message, bytes):
            with contextlib.suppress(ConnectionError):
                stdin.write(message)
                await stdin.drain()
        elif message.get("type") == "eof":
            stdin.close()
        elif message.get("type") == "signal":
            await session.kill(int(number(message, "signal", signal.SIGINT, least=1, most=31)))
        elif message.get("type") == "resize" and console is not None:
            columns, rows = (int(number(message, name, least=1, most=1000)) for name in ("columns", "rows"))
            fcntl.ioctl(
                stdin.get_extra_info("pipe").fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0)
            )


def _announced(request: Object) -> list[tuple[str, int, int]]:
    """Path, mode and size of each file to come. Raises BadRequest."""
    files = request.get("files")
    if not isinstance(files, list) or len(files) > _PUT_FILES or not all(isinstance(file, dict) for file in files):
        raise BadRequest(f"files must be a list of at most {_PUT_FILES} objects")
    announced = []
    for file in files:
        path = text(file, "path", most=4000)
        if not path.startswith("/") or "\0" in path or ".." in path.split("/") or path.endswith("/"):
            raise BadRequest(f"{path!r} is not an absolute path of a file")
        mode = int(number(file, "mode", 0o644, least=0, most=0o7777))
        announced.append((path, mode & 0o777, int(number(file, "size", least=0, most=_PUT_BYTES))))
    if sum(size for _, _, size in announced) > _PUT_BYTES:
        raise BadRequest("the files are too big together")
    return announced


async def _content(conversation: Conversation, size: int) -> bytes:
    content = b""
    while len(content) < size:
        async with asyncio.timeout(_PUT_SECONDS):
            frame = await conversation.receive()
        if not isinstance(frame, bytes) or not frame or len(content) + len(frame) > size:
            raise BadRequest("the contents do not match what was announced")
        content += frame
    return content


async def _feed(session: Session, data: bytes) -> tuple[int, bytes]:
    """Give a command its input: exit code and what it said on stderr."""
    stdin = await streams.open_writer(session.take("stdin"))
    problem = await streams.open_reader(session.take("stderr"))
    with contextlib.suppress(ConnectionError):
        stdin.write(data)
        await stdin.drain()
    stdin.close()
    said = await problem.read(4096)
    problem.close()
    return (await session.wait()).code, said


async def _splice(conversation: Conversation, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy raw bytes both ways until both directions have ended."""

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()

    try:
        await asyncio.gather(copy(conversation.reader, writer), copy(reader, conversation.writer))
    except OSError:
        pass
    finally:
        writer.close()


def _duplicate(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
