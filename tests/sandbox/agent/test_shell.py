"""What the learner's container lets them reach: probes that would each be a way out, run as root of the sandbox."""

from __future__ import annotations

import pytest

from sandbox.client import SandboxClient

pytestmark = pytest.mark.sandbox

REFUSED = {
    "a user namespace": "unshare -U true",
    "a mount namespace": "unshare -m true",
    "a mount": "mount -t tmpfs none /mnt",
    "the root remounted": "mount -o remount,rw /proc/sys",
    "the kernel's settings": "echo 1 > /proc/sys/kernel/panic",
    "the core pattern": "echo '|/x' > /proc/sys/kernel/core_pattern",
    "sysrq": "echo c > /proc/sysrq-trigger",
    "another host name for the node": "hostname other",
    "a device": "mknod /tmp/sda b 8 0 && head -c1 /tmp/sda",
    "the clock": "date -s 2020-01-01",
    "a network interface": "ip link add veth0 type veth",
    "the packet filter": "nft list ruleset",
    "the host's processes": "test $(ls -d /proc/[0-9]* | wc -l) -gt 40",
    "the starter's socket": "test -e /run/quayside",
    "other sandboxes": "ls /proc/1/root/var/lib/learner/shell",
    "kernel keys": "test -s /proc/keys",
    "kernel memory": "test -s /proc/kcore",
    "control groups": "mkdir /sys/fs/cgroup/x",
    "the outside": "timeout 2 bash -c 'echo > /dev/tcp/8.8.8.8/53'",
    "more capabilities": "test $((16#$(awk '/CapBnd/ {print $2}' /proc/self/status) & ~0xa80425fb)) -ne 0",
    "new privileges": "grep -q 'NoNewPrivs:.*0' /proc/self/status",
    "no filter": "grep -q 'Seccomp:.*0$' /proc/self/status",
    "a new user's map": "test $(awk '{s+=$3} END {print s}' /proc/self/uid_map) -gt 65536",
    "global ids": "test $(awk '{s+=$3} END {print s}' /proc/self/gid_map) -gt 65536",
}


@pytest.mark.parametrize("what", REFUSED)
async def test_the_learner_does_not_get(session_sandbox: SandboxClient, what: str) -> None:
    done = await session_sandbox.run(f"({REFUSED[what]}) 2>&1", timeout=10)
    assert done.status != 0, done.output.decode()


async def test_system_calls_that_make_namespaces_or_keys_are_refused(session_sandbox: SandboxClient) -> None:
    script = """#!/usr/bin/python3
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
calls = {"keyctl": (250, 0, -3, 1), "bpf": (321, 0, 0, 0), "setns": (308, 3, 0), "clone3": (435, 0, 0),
         "perf_event_open": (298, 0, 0, -1, -1, 0), "open_tree": (428, -100, b"/", 1), "io_uring_setup": (425, 1, 0)}
for name, arguments in calls.items():
    result = libc.syscall(*arguments)
    print(name, errno.errorcode[ctypes.get_errno()] if result < 0 else "allowed")
for flag in (0x10000000, 0x20000, 0x40000000):
    result = libc.syscall(56, flag | 17, 0, 0, 0, 0)
    if result == 0: os._exit(0)
    print("clone", errno.errorcode[ctypes.get_errno()] if result < 0 else "allowed")
"""
    done = await session_sandbox.run(script)
    answers = [line.split() for line in done.output.decode().splitlines()]
    assert len(answers) == 10
    assert {answer for name, answer in answers if name != "clone3"} == {"EPERM"}
    assert ["clone3", "ENOSYS"] in answers


async def test_home_and_system_are_the_learners_to_change(sandbox: SandboxClient) -> None:
    script = "echo x > ~/x && echo y > /usr/bin/mine && rm /usr/bin/tree && echo z >> /etc/hosts && chown 1000:1000 ~/x"
    done = await sandbox.run(f"{script} && setpriv --reuid 1000 --regid 1000 --clear-groups id")
    assert done.status == 0, done.output.decode()
    assert b"uid=1000(learner)" in done.output
    assert (await sandbox.run("cat ~/x /usr/bin/mine; test -e /usr/bin/tree || echo gone")).output == b"x\ny\ngone\n"


async def test_the_node_s_network_is_theirs_too(sandbox: SandboxClient) -> None:
    listening = "setsid python3 -IS -m http.server 8456 --bind 192.168.49.2 >/dev/null 2>&1 &"
    await sandbox.run(listening)
    done = await sandbox.run(
        "for i in $(seq 100); do curl -sf 192.168.49.2:8456 >/dev/null && exit 0; sleep 0.05; done; exit 1"
    )
    assert done.status == 0
