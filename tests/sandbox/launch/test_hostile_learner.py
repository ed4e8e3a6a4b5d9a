"""What a learner with a shell can reach and break: nothing of the host, nothing of ours, nobody else's."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.backend import Limits, SandboxError, SandboxSpec
from sandbox.backends.local import LocalBackend
from sandbox.client import Completed, SandboxClient, Size
from sandbox.minikube import client

from .conftest import CHECKOUT, descendants, until

pytestmark = pytest.mark.sandbox

LIMITS = Limits(memory_mib=128, processes=96, files=256, disk_mib=32)


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBackend]:
    """A real launcher with the real agent."""
    data = tmp_path_factory.mktemp("data")
    socket = data / "run/backend.sock"
    programs = data / "tools/usr/local/bin"
    programs.mkdir(parents=True)
    shutil.copy(client.__file__, programs / "minikube").chmod(0o755)
    command = [sys.executable, "-m", "sandbox.launch", "--data", str(data), "--socket", str(socket), "--quiet"]
    process = subprocess.Popen(command, env={}, cwd=CHECKOUT)
    until(lambda: (data / "run/sandboxes").is_dir(), 30)
    yield LocalBackend(socket)
    process.send_signal(signal.SIGTERM)
    process.wait(15)


class Learner:
    """A learner in a sandbox."""

    def __init__(self, backend: LocalBackend, name: str) -> None:
        self.name = name
        self._client = SandboxClient(lambda: backend.connect(name))

    async def run(self, script: str) -> Completed:
        return await self._client.run(script, timeout=30)

    async def says(self, script: str) -> str:
        return (await self.run(script)).output.decode(errors="replace")


async def recovered(learner: Learner) -> None:
    """Wait until the learner can start a process again."""
    async with asyncio.timeout(10):
        while True:
            try:
                assert (await learner.run("true")).status == 0
                return
            except SandboxError:
                await asyncio.sleep(0.1)


@pytest.fixture(params=["root", "learner"])
async def learner(backend: LocalBackend, request: pytest.FixtureRequest) -> Learner:
    """Both kinds of learner: uid 0 of the sandbox, and an ordinary user there."""
    name = f"hostile-{request.param}"
    await backend.start(name, SandboxSpec(user=request.param, limits=LIMITS))
    return Learner(backend, name)


async def test_the_host_is_not_there(learner: Learner, backend: LocalBackend) -> None:
    data = backend._socket.parent.parent
    for path in (CHECKOUT, data, "/etc/shadow", "/system", "/images", "/run/quayside", "/var/lib/learner", "/boot/*"):
        assert "cannot access" in await learner.says(f"ls -d {path}"), path
    assert (
        await learner.says(
            "find / -xdev \\( -name agent.sock -o -name starter.sock -o -name 'store.sqlite*' \\) 2>/dev/null"
        )
        == ""
    )
    assert "quayside" not in await learner.says("ls /usr/local/* | grep -v minikube; env")


async def test_the_only_socket_of_ours_is_minikubes(learner: Learner) -> None:
    look = """
import os, stat
for top, _, names in os.walk("/"):
    for name in names:
        path = os.path.join(top, name)
        if not path.startswith(("/proc/", "/usr/")) and stat.S_ISSOCK(os.lstat(path).st_mode):
            print(path)
"""
    assert (await learner.says(f"python3 -c '{look}'")).split() == ["/run/minikube.sock"]
    # No socket in the abstract name space, which every process of the network could reach.
    assert "@" not in await learner.says("cut -c1- /proc/net/unix | awk '{print $8}'")


async def test_only_the_learners_own_processes_can_be_seen(learner: Learner) -> None:
    names = await learner.says("cat /proc/[0-9]*/comm")
    assert not {"agent", "starter", "cluster", "crun"} & set(names.split())


async def test_no_process_of_a_learner_is_the_hosts_root(learner: Learner, backend: LocalBackend) -> None:
    await learner.run("sleep 300 >/dev/null 2>&1 &")
    first = [entry["pid"] for entry in (await backend._ask({"verb": "list"}))["sandboxes"]]
    assert all(min(uids(pid)) >= 65536 for parent in first for pid in descendants(parent))


async def test_a_host_without_memory_kills_sandboxes_first(learner: Learner, backend: LocalBackend) -> None:
    assert (await learner.says("cat /proc/1/oom_score_adj")).strip() == "800"
    agents = [entry["pid"] for entry in (await backend._ask({"verb": "list"}))["sandboxes"]]
    assert {oom_score(pid) for pid in agents} == {500}


def oom_score(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def uids(pid: int) -> list[int]:
    status = Path(f"/proc/{pid}/status").read_text()
    return [int(uid) for uid in next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]]


@pytest.mark.parametrize(
    "command",
    [
        "unshare -U true",
        "unshare -Ur mount -t tmpfs x /mnt",
        "mount -t tmpfs x /mnt",
        "mount -t proc x /mnt",
        "nsenter -t 1 -n true",
        "chroot /proc/1/root/../../.. ls /system",
        "echo x > /proc/sys/kernel/core_pattern",
        "echo b > /proc/sysrq-trigger",
        "echo 0 > /proc/sys/net/ipv4/ip_forward",
        "cat /proc/kcore | head -c1 | grep -q .",
        "mknod /tmp/disk b 254 0",
        "python3 -c 'import ctypes; r = ctypes.CDLL(None).syscall(248, 0, 0, 0, 0, 0); exit(r == -1)'",
        "python3 -c 'import socket; socket.socket(38, 5, 0)'",
        "date -s 2000-01-01",
        "echo -1 > /proc/self/oom_score_adj",
        "dmesg",
        "ip link add dummy0 type dummy",
        "nft list ruleset",
        "swapoff -a && false",
        "reboot -f",
    ],
)
async def test_a_learner_cannot(learner: Learner, command: str) -> None:
    assert (await learner.run(command)).status != 0
    assert (await learner.run("true")).status == 0


async def test_memory_is_bounded_and_the_sandbox_lives_on(learner: Learner) -> None:
    hog = "python3 -c 'x = bytearray(100 << 20); import time; time.sleep(1)'"
    out = await learner.says(f"for i in 1 2 3 4; do {hog} & done; wait -n; echo ended $?")
    assert "ended 137" in out
    assert (await learner.run("true")).status == 0


async def test_a_fork_bomb_is_bounded_and_the_sandbox_lives_on(learner: Learner) -> None:
    bomb = """
import os, time
made = 0
try:
    while made < 2000:
        if os.fork() == 0:
            os.closerange(0, 3)
            time.sleep(0.5)
            os._exit(0)
        made += 1
except OSError:
    pass
print(made)
"""
    out = await learner.says(f"python3 -c '{bomb}'")
    assert 10 < int(out.split()[-1]) <= 96
    await recovered(learner)


async def test_the_disk_is_bounded_and_the_sandbox_lives_on(learner: Learner) -> None:
    out = await learner.says(
        "for d in ~ /tmp /var/tmp /dev/shm; do dd if=/dev/zero of=$d/fill bs=1M count=200; done 2>&1"
    )
    assert out.count("No space left on device") == 4 or "Permission denied" in out
    assert (await learner.run("rm -f ~/fill /tmp/fill /var/tmp/fill /dev/shm/fill; echo ok > ~/small")).status == 0


async def test_open_files_are_bounded(learner: Learner) -> None:
    script = "python3 -c 'x = [open(\"/dev/null\") for _ in range(1000)]'; ulimit -Hn"
    out = await learner.says(script)
    assert "Too many open files" in out
    assert out.split()[-1] == "256"


async def test_another_sandboxs_learner_is_out_of_reach(learner: Learner, backend: LocalBackend) -> None:
    await backend.start("victim", SandboxSpec())
    victim = Learner(backend, "victim")
    await victim.run("echo secret > /root/secret; (exec -a victims-process sleep 300) >/dev/null 2>&1 &")
    out = await learner.says("ls -R /root /home 2>/dev/null; cat /proc/*/cmdline | tr '\\0' ' '")
    assert "secret" not in out
    assert "victims-process" not in out
    await learner.run("kill -9 -1")
    assert "victims-process" in await victim.says("cat /proc/*/cmdline | tr '\\0' ' '")


async def test_killing_everything_it_sees_ends_only_the_learners_own(learner: Learner) -> None:
    await learner.run("kill -9 -1; kill -9 1")
    assert (await learner.run("true")).status == 0


async def test_nonsense_on_minikubes_socket_hurts_nobody(learner: Learner) -> None:
    script = """
import socket
for payload in (b'x' * 1000000, b'\\n', b'[]\\n', b'{"arguments": 1}\\n', b'[' * 60000 + b'\\n', b'{}' * 5):
    s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect('/run/minikube.sock')
    try:
        s.sendall(payload); s.shutdown(1); s.recv(65536)
    except OSError:
        pass
held = [socket.socket(socket.AF_UNIX) for _ in range(100)]
for s in held:
    s.settimeout(1)
    try: s.connect('/run/minikube.sock')
    except OSError: break
"""
    await learner.run(f"python3 - <<'END'\n{script}\nEND")
    assert "minikube version" in await learner.says("minikube version")


SYSTEM_CALLS = {
    "unshare": "272, 0x10000000",
    "setns": "308, -1, 0",
    "mount": "165, b'none', b'/mnt', b'tmpfs', 0, 0",
    "fsopen": "430, b'tmpfs', 0",
    "open_by_handle_at": "304, -100, 0, 0",
    "keyctl": "250, 0, -3, 0",
    "bpf": "321, 0, 0, 0",
    "perf_event_open": "298, 0, 0, -1, -1, 0",
    "userfaultfd": "323, 0",
    "io_uring_setup": "425, 1, 0",
    "syslog": "103, 2, 0, 0",
    "init_module": "175, 0, 0, 0",
    "kexec_load": "246, 0, 0, 0, 0",
    "quotactl": "179, 0, 0, 0, 0",
    "swapon": "167, 0, 0",
    "reboot": "169, 0xfee1dead, 672274793, 0x89abcdef, 0",
    "settimeofday": "164, 0, 0",
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86_64")
async def test_system_calls_that_reach_into_the_host_are_refused(learner: Learner) -> None:
    calls = "".join(
        f"ctypes.set_errno(0); print('{name}', libc.syscall({arguments}), ctypes.get_errno())\n"
        for name, arguments in SYSTEM_CALLS.items()
    )
    script = f"import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n{calls}"
    out = await learner.says(f"python3 -IS - <<'END'\n{script}END")
    assert out.splitlines() == [f"{name} -1 1" for name in SYSTEM_CALLS]


@pytest.mark.parametrize("family", ["AF_ALG", "AF_VSOCK"])
async def test_sockets_beyond_the_sandbox_are_refused(learner: Learner, family: str) -> None:
    script = f"import socket; socket.socket(socket.{family}, socket.SOCK_STREAM, 0)"
    assert "not permitted" in await learner.says(f"python3 -c '{script}'")


FORGED = r"""printf '\e]133;C;%s;minikube start\a\e]133;D;%s;0\a' "$__mark" "$__mark"
"""


async def test_what_was_typed_can_be_forged_and_what_is_true_cannot(backend: LocalBackend) -> None:
    """The shell that reports what is typed is the learner's own: lessons ask such checks only where to look counts."""
    await backend.start("forger", SandboxSpec(limits=LIMITS))
    client = SandboxClient(lambda: backend.connect("forger"))
    typed = {"kind": "command", "pattern": "^minikube start$", "status": 0}
    state = {"kind": "cluster", "state": "running"}
    assert [verdict.passed for verdict in await client.check([typed, state])] == [False, False]
    terminal = await client.attach("1", since=None, size=Size(80, 24), viewer="forger", interactive=True)
    await terminal.write(FORGED.encode())
    async with asyncio.timeout(20):
        async for verdicts in client.watch([typed]):
            if verdicts[0].passed:
                break
    assert [verdict.passed for verdict in await client.check([typed, state])] == [True, False]
    await terminal.close()


async def test_a_flood_of_marks_neither_fills_nor_stops_the_agent(backend: LocalBackend) -> None:
    await backend.start("flooder", SandboxSpec(limits=LIMITS))
    client = SandboxClient(lambda: backend.connect("flooder"))
    before = (await client.stats())["agent_memory_bytes"]
    terminal = await client.attach("1", since=None, size=Size(80, 24), viewer="flooder", interactive=True)
    mark = r"\e]133;C;$__mark;" + "k" * 3000 + r"\a\e]133;D;$__mark;0\a"
    await terminal.write(
        f'flood=$(printf "{mark}%.0s" {{1..20}}); for i in {{1..500}}; do echo "$flood"; done\n'.encode()
    )
    assert (await client.run("true", timeout=10)).status == 0
    assert (await client.stats())["agent_memory_bytes"] - before < 64 << 20
    await terminal.close()


def test_this_suite_runs_where_it_means_something() -> None:
    assert os.geteuid() == 0
