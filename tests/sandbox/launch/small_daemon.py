"""A launcher whose sandboxes run a very small agent: for tests of the launcher and of what a sandbox's root can do.

`python -m tests.sandbox.launch.small_daemon --data DIR --socket PATH` takes the real launcher's arguments.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import subprocess

from sandbox.launch import __main__ as launch
from sandbox.launch import daemon, host
from sandbox.linux.layout import SandboxFacts


def agent(listener: socket.socket, facts: SandboxFacts) -> int:
    """Answer {"verb": "sh", "script"} with what the script printed; everything else with the facts."""

    async def serve() -> None:
        async with await asyncio.start_unix_server(lambda r, w: answer(r, w, facts), sock=listener) as server:
            await server.serve_forever()

    asyncio.run(serve())
    return 0


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, facts: SandboxFacts) -> None:
    header = await reader.readexactly(5)
    request = json.loads(await reader.readexactly(int.from_bytes(header[1:], "big")))
    if request["verb"] == "die":
        os._exit(7)
    result: dict[str, object] = {"facts": repr(facts)}
    if request["verb"] == "sh":
        process = await asyncio.create_subprocess_exec(
            "/bin/bash", "-c", request["script"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output, _ = await process.communicate()
        result = {"status": process.returncode, "output": output.decode(errors="replace")}
    payload = json.dumps(result).encode()
    writer.write(b"J" + len(payload).to_bytes(4, "big") + payload)
    await writer.drain()
    writer.close()


def main() -> None:
    options = launch.arguments()
    logging.basicConfig(level=logging.WARNING)
    listener = daemon.listen(options.socket, owner=os.geteuid())
    found = host.find(options.data, socket=options.socket)
    daemon.Daemon(found, run=options.socket.parent, allowed=options.allow_uid, entry=agent).serve(listener)


if __name__ == "__main__":
    main()
