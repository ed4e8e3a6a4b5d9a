from __future__ import annotations

import os
import pty

from sandbox.linux import streams


async def test_a_pipe_is_read_to_its_end() -> None:
    read, write = os.pipe()
    reader = await streams.open_reader(read)
    writer = await streams.open_writer(write)
    writer.write(b"x" * 300_000)
    writer.close()
    assert len(await reader.read()) == 300_000


async def test_the_end_of_a_console_is_an_end_and_no_error() -> None:
    master, slave = pty.openpty()
    reader = await streams.open_reader(master)
    os.write(slave, b"last words\n")
    os.close(slave)
    assert await reader.read() == b"last words\r\n"


async def test_a_closed_reader_is_at_its_end() -> None:
    read, write = os.pipe()
    reader = await streams.open_reader(read)
    reader.close()
    reader.close()
    assert await reader.read() == b""
    os.close(write)
