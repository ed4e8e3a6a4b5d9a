"""What root of a sandbox, outside every container of it, can see and do: as good as nothing of the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import CHECKOUT, Launcher, descendants

pytestmark = pytest.mark.sandbox


@pytest.fixture
def name(launcher: Launcher, request: pytest.FixtureRequest) -> str:
    """A sandbox that has run for this module's tests; they leave nothing in each other's way."""
    launcher.ask("start", name="inside", spec={"memory_mib": 128, "disk_mib": 32, "processes": 100})
    return "inside"


def ids_of(pid: int) -> list[int]:
    status = Path(f"/proc/{pid}/status").read_text()
    return [int(word) for line in status.splitlines() if line.startswith(("Uid:", "Gid:")) for word in line.split()[1:]]


def test_nothing_in_it_is_the_hosts_root(launcher: Launcher, name: str) -> None:
    launcher.sh(name, "sleep 1000 >/dev/null 2>&1 &")
    for pid in descendants(launcher.pid(name)):
        assert min(ids_of(pid)) >= 65536, pid


def test_two_sandboxes_have_nothing_in_common(launcher: Launcher, name: str) -> None:
    launcher.ask("start", name="other")
    ours, theirs = launcher.pid(name), launcher.pid("other")
    assert abs(ids_of(ours)[0] - ids_of(theirs)[0]) >= 65536
    for kind in ("user", "mnt", "pid", "net", "ipc", "uts"):
        links = {Path(f"/proc/{pid}/ns/{kind}").readlink() for pid in (ours, theirs, "self")}
        assert len(links) == 3, kind
    launcher.sh("other", "echo secret > /var/lib/learner/secret; exec -a found-me sleep 1000 >/dev/null 2>&1 &")
    assert "secret" not in launcher.sh(name, "ls /var/lib/learner; ps aux | grep -v grep | grep found-me")


def test_the_hosts_homes_project_and_data_are_not_there(launcher: Launcher, name: str) -> None:
    for path in (CHECKOUT, Path.home() / ".bashrc", launcher.run, Path("/etc/shadow"), Path("/boot"), Path("/srv")):
        assert launcher.sh(name, f"ls -d {path}").startswith("ls: cannot access"), path
    assert launcher.sh(name, "ls -A /root /var/lib/learner /home 2>&1").count("agent.sock") == 0


def test_no_path_leads_to_the_hosts_root(launcher: Launcher, name: str) -> None:
    out = launcher.sh(name, "ls /proc/1/root/; ls -l /proc/1/fd /proc/1/cwd")
    assert str(launcher.run.parent) not in out
    assert "/usr/local" not in launcher.sh(name, "find / -xdev -name agent.sock; cat /proc/1/environ | tr '\\0' '\\n'")


@pytest.mark.parametrize(
    "command",
    [
        "mount -o remount,rw /usr",
        "mount -o remount,bind,rw /usr",
        "umount /usr",
        "umount -l /system/usr",
        "mount -o remount,rw /",
        "touch /usr/x",
        "touch /x",
        "touch /etc/x",
        "touch /images/x",
        "echo x > /proc/sys/kernel/core_pattern",
        "echo 1 > /proc/sys/kernel/sysrq",
        "echo b > /proc/sysrq-trigger",
        "mknod /tmp/disk b 254 0",
        "mount -t sysfs none /sys",
        "date -s 2000-01-01",
        "echo 1 > /run/quayside/cgroup/memory/memory.limit_in_bytes",
        "echo max > /run/quayside/cgroup/pids/pids.max",
        f"ls /proc/1/root/../..{CHECKOUT}",
    ],
)
def test_it_cannot(launcher: Launcher, name: str, command: str) -> None:
    assert launcher.agent(name, "sh", script=command)["status"] != 0


def test_there_is_no_network_but_its_own(launcher: Launcher, name: str) -> None:
    links = launcher.sh(name, "ip -o link").splitlines()
    assert len(links) == 1
    assert ": lo:" in links[0]
    assert "192.168.49.2/32" in launcher.sh(name, "ip -o -4 addr")
    assert launcher.sh(name, "ip route") == ""
    assert launcher.agent(name, "sh", script="timeout 2 bash -c 'echo > /dev/tcp/1.1.1.1/53'")["status"] != 0


def test_its_disk_is_bounded_and_ours_apart(launcher: Launcher, name: str) -> None:
    out = launcher.sh(name, "dd if=/dev/zero of=/var/lib/learner/fill bs=1M count=200; du -m /var/lib/learner/fill")
    assert "No space left" in out
    assert int(out.splitlines()[-1].split()[0]) <= 32
    assert launcher.agent(name, "sh", script="echo x > /run/quayside/ours")["status"] == 0
    launcher.sh(name, "rm /var/lib/learner/fill /run/quayside/ours")


def test_a_learners_group_bounds_memory(launcher: Launcher, name: str) -> None:
    script = """
for d in /run/quayside/cgroup/*; do echo $BASHPID > $d/shell/cgroup.procs; done
python3 -c 'x = bytearray(300 << 20)'
"""
    done = launcher.agent(name, "sh", script=script)
    assert done["status"] == -9
    assert "oom_kill 1" in launcher.sh(name, "cat /run/quayside/cgroup/memory/shell/memory.oom_control")


def test_a_learners_group_bounds_processes(launcher: Launcher, name: str) -> None:
    script = """
for d in /run/quayside/cgroup/*; do echo $BASHPID > $d/shell/cgroup.procs; done
exec python3 -c '
import os, time
made = 0
try:
    while made < 500:
        if os.fork() == 0:
            os.closerange(0, 3)
            time.sleep(3)
            os._exit(0)
        made += 1
except BlockingIOError:
    print(made)
'
"""
    assert 50 < int(launcher.sh(name, script)) < 100
    peak = int(launcher.sh(name, "cat /run/quayside/cgroup/pids/pids.peak"))
    assert 50 < peak <= 100
    assert launcher.agent(name, "sh", script="true")["status"] == 0


def test_roots_can_be_stacked_from_the_systems_trees(launcher: Launcher, name: str) -> None:
    script = """
mkdir -p /var/lib/learner/r/{u,w,uu,uw,m}; cd /var/lib/learner/r
mount -t overlay overlay -o lowerdir=/system/skeleton,upperdir=u,workdir=w,userxattr m
mount -t overlay overlay -o lowerdir=/system/tools/usr:/system/hidden:/system/usr,upperdir=uu,workdir=uw,userxattr m/usr
chroot m /bin/bash -c 'id -un; echo mine >> /etc/passwd; touch /usr/share/x; ls /usr/local; cat /etc/hostname'
"""
    out = launcher.sh(name, script)
    assert out.splitlines() == ["root", "bin", "minikube"]


def test_the_zygotes_memory_holds_no_secret_of_the_environment(launcher: Launcher, name: str) -> None:
    assert launcher.sh(name, "cat /proc/1/environ | wc -c").strip() == "0"
