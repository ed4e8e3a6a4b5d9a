"""A command in a sandbox on the caller's own input, output and terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from sandbox.client import Size
from sandbox.command_stream import CommandStream

_CHUNK = 65536


async def run(stream: CommandStream, command: Sequence[str]) -> int:
    """Run the command and return its exit code. It has a terminal if the caller has one."""
    loop = asyncio.get_running_loop()
    terminal = os.isatty(0) and os.isatty(1)
    with _raw_mode() if terminal else contextlib.nullcontext():
        await stream.start(command, tty=_size() if terminal else None)
        if terminal:
            loop.add_signal_handler(signal.SIGWINCH, _later(lambda: stream.resize(_size())))
        else:
            loop.add_signal_handler(signal.SIGINT, _later(lambda: stream.signal(signal.SIGINT)))
        threading.Thread(target=_forward_input, args=(stream, loop), daemon=True).start()
        outputs = {"stdout": 1, "stderr": 2}
        try:
            async for name, data in stream.output():
                await asyncio.to_thread(_write_all, outputs[name], data)
        except BrokenPipeError:  # nobody reads our output: end as any program in a pipeline does
            return 128 + signal.SIGPIPE
    return stream.status if stream.status is not None else 1


def _later(make: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """A signal handler that sends something."""

    def handler() -> None:
        task = asyncio.ensure_future(make())
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)

    return handler


_tasks: set[asyncio.Future[None]] = set()


def _forward_input(stream: CommandStream, loop: asyncio.AbstractEventLoop) -> None:
    """In a thread: standard input may be a file, which no event loop can wait for."""
    with contextlib.suppress(RuntimeError, OSError):  # the loop has closed: the command has ended
        while not stream.closed and (data := os.read(0, _CHUNK)):
            asyncio.run_coroutine_threadsafe(stream.write(data), loop).result()
        asyncio.run_coroutine_threadsafe(stream.end_input(), loop).result()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _size() -> Size:
    columns, rows = shutil.get_terminal_size()
    return Size(columns, rows)


@contextlib.contextmanager
def _raw_mode() -> Iterator[None]:
    """Every key goes to the sandbox's terminal, which echoes."""
    before = termios.tcgetattr(sys.stdin.fileno())
    tty.setraw(sys.stdin.fileno())
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)
