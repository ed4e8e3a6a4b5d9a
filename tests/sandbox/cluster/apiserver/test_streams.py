"""Exec, attach and port-forward with the real kubectl: 1.20 and 1.27 (SPDY), 1.33 (WebSocket)."""

import asyncio
import contextlib
import os
import socket

import pytest

from tests.kubectl.binaries import found
from tests.sandbox.cluster.apiserver.exec_server import ExecServer

NEW = "1.33"


@pytest.fixture(params=["1.20", "1.27", NEW])
def version(request):
    if request.param not in found():
        pytest.skip(f"kubectl {request.param} is not installed")
    return request.param


@pytest.fixture
async def server():
    async with ExecServer() as running:
        yield running


async def start(server, version, home, *arguments, **pipes):
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "xterm"}
    address = f"--server=http://127.0.0.1:{server.port}"
    every = {name: asyncio.subprocess.PIPE for name in ("stdin", "stdout", "stderr")} | pipes
    client = await asyncio.create_subprocess_exec(found()[version], address, *arguments, env=env, **every)
    server.clients.append(client)
    return client


async def kubectl(server, version, home, *arguments, stdin=b""):
    process = await start(server, version, home, *arguments)
    out, err = await asyncio.wait_for(process.communicate(stdin), 30)
    # kubectl may leave before it has read everything.
    with contextlib.suppress(OSError):
        await process.stdin.wait_closed()
    return process.returncode, out, err.decode()


async def test_output_errors_and_the_exit_code_arrive(server, version, tmp_path):
    script = "echo out; echo err >&2; exit 7"
    code, out, err = await kubectl(server, version, tmp_path, "exec", "p", "--", "sh", "-c", script)
    assert (code, out, err) == (7, b"out\n", "err\ncommand terminated with exit code 7\n")
    assert server.protocols == ["websocket" if version == NEW else "spdy/3.1"]


async def test_success_is_silent(server, version, tmp_path):
    assert await kubectl(server, version, tmp_path, "exec", "p", "--", "true") == (0, b"", "")


async def test_input_reaches_the_process_and_ends(server, version, tmp_path):
    data = os.urandom(3_000_000)
    code, out, err = await kubectl(server, version, tmp_path, "exec", "-i", "p", "--", "cat", stdin=data)
    assert (code, err) == (0, "")
    assert out == data


async def test_much_output_arrives_whole(server, version, tmp_path):
    command = ("exec", "p", "--", "head", "-c", "20000000", "/dev/zero")
    code, out, _ = await kubectl(server, version, tmp_path, *command)
    assert (code, len(out)) == (0, 20_000_000)


async def test_a_command_that_does_not_exist_says_so(server, version, tmp_path):
    code, _, err = await kubectl(server, version, tmp_path, "exec", "p", "--", "nosuch")
    assert code == 1
    assert "executable file not found in $PATH" in err
    assert err.startswith("error: Internal error occurred: error executing command in container: ")


async def test_a_process_dies_with_its_client(server, version, tmp_path):
    client = await start(server, version, tmp_path, "exec", "p", "--", "sh", "-c", "echo up; sleep 60")
    assert await asyncio.wait_for(client.stdout.readline(), 30) == b"up\n"
    client.kill()
    await client.wait()
    assert await asyncio.wait_for(server.processes[0].wait(), 10) != 0


async def test_a_reader_that_has_stopped_reading_does_not_stop_the_rest(server, version, tmp_path):
    command = ("exec", "-i", "p", "--", "sh", "-c", "exec <&-; echo done")
    code, out, _ = await kubectl(server, version, tmp_path, *command, stdin=bytes(2_000_000))
    assert (code, out) == (0, b"done\n")


async def test_attaching_joins_a_container_and_ends_well(server, version, tmp_path):
    code, out, _ = await kubectl(server, version, tmp_path, "attach", "-i", "p", stdin=b"typed\n")
    assert (code, out) == (0, b"hello\ntyped\n")


async def test_a_terminal_has_the_size_of_the_clients(server, version, tmp_path):
    master, slave = os.openpty()
    try:
        sizing = await asyncio.create_subprocess_exec("stty", "rows", "31", "cols", "97", stdin=slave)
        await sizing.wait()
        script = "until [ \"$(stty size)\" = '31 97' ]; do sleep 0.05; done; tty >/dev/null && echo right"
        command = ("exec", "-it", "p", "--", "sh", "-c", script)
        client = await start(server, version, tmp_path, *command, stdin=slave, stdout=slave, stderr=slave)
        assert await asyncio.wait_for(client.wait(), 30) == 0
        assert b"right" in os.read(master, 10_000)
    finally:
        os.close(master)
        os.close(slave)


async def echo_in_capitals(reader, writer):
    while data := await reader.read(65536):
        writer.write(data.upper())
        await writer.drain()
    writer.close()


async def forwarded_port(client):
    line = await asyncio.wait_for(client.stdout.readline(), 30)
    assert line.startswith(b"Forwarding from 127.0.0.1:"), line
    return int(line.split(b":")[1].split()[0])


async def test_connections_are_forwarded_both_ways(server, version, tmp_path):
    listening = await asyncio.start_server(echo_in_capitals, "127.0.0.1", 0)
    target = listening.sockets[0].getsockname()[1]
    asked = []

    async def dial(port):
        asked.append(port)
        return await asyncio.open_connection("127.0.0.1", target)

    server.dial = dial
    client = await start(server, version, tmp_path, "port-forward", "--address=127.0.0.1", "p", ":8080")
    port = await forwarded_port(client)
    payload = b"abc" * 200_000

    async def one():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def send():
            writer.write(payload)
            await writer.drain()
            writer.write_eof()

        sending = asyncio.create_task(send())
        received = await asyncio.wait_for(reader.read(-1), 30)
        await sending
        writer.close()
        return received

    assert await asyncio.gather(one(), one(), one()) == [payload.upper()] * 3
    assert asked == [8080] * 3
    client.terminate()
    await client.wait()
    listening.close()


async def test_a_port_that_nobody_listens_on_is_told_of(server, version, tmp_path):
    async def dial(port):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            closed = free.getsockname()[1]
        return await asyncio.open_connection("127.0.0.1", closed)

    server.dial = dial
    client = await start(server, version, tmp_path, "port-forward", "--address=127.0.0.1", "p", ":8080")
    reader, writer = await asyncio.open_connection("127.0.0.1", await forwarded_port(client))
    assert await asyncio.wait_for(reader.read(-1), 30) == b""
    writer.close()
    message = await asyncio.wait_for(client.stderr.readline(), 30)
    assert b"error forwarding port 8080 to pod" in message
    assert b"connect: connection refused" in message
    if client.returncode is None:
        client.terminate()
    await client.wait()


async def test_a_plain_request_is_told_to_upgrade(server):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    path = "/api/v1/namespaces/default/pods/p/exec?command=true&stdout=true"
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.readuntil(b"}"), 10)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Upgrade request required" in await reader.read(1000)
    writer.close()
