"""`python -m sandbox.launch.probe`: makes one sandbox and tries in it what lessons need; prints what was found."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sandbox.backend import Limits, SandboxSpec
from sandbox.launch import birth, host
from sandbox.launch.addresses import Addresses
from sandbox.launch.host import Host
from sandbox.linux import layout, mount, rootfs
from sandbox.linux.layout import SandboxFacts
from sandbox.linux.netlink import Netlink

_SECONDS = 30.0
_CRUN_CONFIG: dict[str, Any] = {
    "ociVersion": "1.0.2",
    "process": {"user": {"uid": 0, "gid": 0}, "args": ["/bin/true"], "cwd": "/", "env": ["PATH=/usr/bin:/bin"]},
    "root": {"path": "root"},
    "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
    "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}]},
}


@dataclass(frozen=True)
class Found:
    """One thing that was tried."""

    name: str
    ok: bool
    detail: str
    needed: bool = True
    stage: str = ""
    """Which part of making the sandbox failed."""
    errno: int | None = None


def _try_everything() -> list[Found]:
    """In the probing process: make a sandbox whose first process is the probe."""
    directory = Path(tempfile.mkdtemp(prefix="quayside-doctor-"))
    try:
        found = host.find(directory, socket=directory / "launch.sock")
    except OSError as error:
        shutil.rmtree(directory, ignore_errors=True)
        return [
            Found(
                "sandbox", ok=False, detail=error.strerror or str(error), stage="take the mapped ids", errno=error.errno
            )
        ]
    addresses = Addresses(directory)
    try:
        steps = _in_sandbox(found, addresses)
    finally:
        addresses.close()
        found.let_go()
        shutil.rmtree(directory, ignore_errors=True)
    return [*steps, _cgroups(found), _mode(found, steps)]


def _in_sandbox(found: Host, addresses: Addresses) -> list[Found]:
    spec = SandboxSpec(limits=Limits(memory_mib=128, disk_mib=32))
    listener = addresses.listen("doctor", owner=os.geteuid())
    began = time.monotonic()
    try:
        newborn = birth.bear(found, "doctor", spec, slot=0, listener=listener, entry=_inside)
    except OSError as error:
        return [
            Found("sandbox", ok=False, detail=error.strerror or str(error), stage=_stage_of(error), errno=error.errno)
        ]
    finally:
        listener.close()
    word = _hear(newborn.channel, newborn.log)
    lines = _read_all(newborn.log)
    took = (time.monotonic() - began) * 1000
    signal.pidfd_send_signal(newborn.process, signal.SIGKILL)
    os.waitpid(newborn.pid, 0)
    newborn.group.remove()
    if not word.get("ready"):
        stage, said = str(word.get("stage", "")), str(word.get("error", "it ended"))
        return [Found("sandbox", ok=False, detail=said, stage=stage, errno=word.get("errno"))]
    steps = [Found("sandbox", ok=True, detail=f"namespaces, ids, mounts and root made and locked in {took:.0f} ms")]
    return steps + [Found(**json.loads(line)) for line in lines if line.startswith("{")]


def _stage_of(error: OSError) -> str:
    """Which part of the parent's half failed: cloning says so itself, the rest is about ids."""
    return "clone" if "clone" in str(error) else "take the mapped ids"


def _hear(channel: socket.socket, log: int) -> dict[str, Any]:
    """The child's word, within the deadline."""
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        if not selector.select(_SECONDS):
            return {"error": "it did not stand in time"}
    payload = channel.recv(4096)
    word: dict[str, Any] = json.loads(payload) if payload else {"error": "it was killed"}
    return word


def _read_all(descriptor: int) -> list[str]:
    """The probe's lines, until it ends or the deadline passes."""
    deadline = time.monotonic() + _SECONDS
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            if selector.select(0.5):
                data = os.read(descriptor, 65536)
                if not data:
                    break
                said += data
    return said.decode(errors="replace").splitlines()


def _inside(listener: socket.socket, facts: SandboxFacts) -> int:
    """Runs as process 1 of the sandbox, where nothing of the host is left: try what pods need, one line each."""
    listener.close()
    for name, needed, attempt in (
        ("overlay", True, _try_overlay),
        ("system", False, _try_system),
        ("veth", False, _try_veth),
        ("nft", False, _try_nft),
        ("run crun", True, _try_crun),
    ):
        os.write(1, json.dumps(asdict(_attempt(name, attempt, needed=needed))).encode() + b"\n")
    return 0


def _attempt(name: str, attempt: Callable[[], str], *, needed: bool) -> Found:
    try:
        return Found(name, ok=True, detail=attempt(), needed=needed)
    except OSError as error:
        return Found(name, ok=False, detail=error.strerror or str(error), needed=needed, errno=error.errno)


_ROOT = layout.LEARNER / "probe"


def _try_overlay() -> str:
    rootfs.mount_root(_ROOT / "root", upper=_ROOT / "upper")
    (_ROOT / "root/etc/probe").write_text("x")
    return "a root of overlays, written to"


def _try_system() -> str:
    (_ROOT / "root/usr/share/probe").write_text("x")
    return "files below /usr can be changed by the learner"


def _try_veth() -> str:
    with Netlink() as link:
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        link.add_veth("probe0", peer="probe1", peer_namespace=own)
        os.close(own)
        link.delete_link("probe0")
    return "network links for pods"


def _try_nft() -> str:
    rules = "table ip probe {\nchain c {\ntype nat hook prerouting priority -100\n}\n}\n"
    _run(["nft", rules])
    return "addresses for Services"


def _try_crun() -> str:
    bundle = layout.BUNDLES / "probe"
    bundle.mkdir()
    mount.bind(_ROOT / "root", bundle / "root", recursive=True)
    (bundle / "config.json").write_text(json.dumps(_CRUN_CONFIG))
    began = time.monotonic()
    _run(
        [
            "crun",
            "--root",
            str(layout.BUNDLES / "state"),
            "--cgroup-manager=disabled",
            "run",
            "-b",
            str(bundle),
            "probe",
        ]
    )
    return f"a container ran in {(time.monotonic() - began) * 1000:.0f} ms"


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise OSError(None, f"{command[0]}: {said[0][:300] if said else f'status {done.returncode}'}")


def _cgroups(found: Host) -> Found:
    have = sorted(found.cgroups.directories)
    lacking = [name for name in ("cpu", "memory", "pids") if name not in have]
    said = f"version {found.cgroups.version}: {', '.join(have)}" if have else "none can be had"
    return Found("cgroups", not lacking, said, needed=False)


def _mode(found: Host, steps: Sequence[Found]) -> Found:
    """The last line: what was chosen, and what is not enforced."""
    works = all(step.ok or not step.needed for step in steps)
    ids = {"range": "user ids of their own", "single": "one user id"}[found.mapping.mode]
    limits = "limits by cgroups" if "memory" in found.cgroups.directories else "limits by watching"
    said = f"local sandboxes with {ids} and {limits}" if works else "no sandboxes"
    loose = found.not_enforced()
    detail = f"{said}; nothing is left unenforced" if works and not loose else ". ".join([said, *loose])
    return Found("mode", works, detail)


if __name__ == "__main__":
    sys.stdout.write(json.dumps([asdict(step) for step in _try_everything()]))
