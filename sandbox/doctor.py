"""Finds out whether sandboxes work on this host by making one and trying everything in it, and what to do if not."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.linux import idmap

_SECONDS = 60.0


@dataclass(frozen=True)
class Step:
    """One thing that was tried."""

    name: str
    ok: bool
    detail: str
    """What was found."""
    remedy: str = ""
    """What to do when it is not ok."""
    needed: bool = True
    """Whether no sandbox runs without it."""


# (stage, errno) → remedy; a stage of "" is any.
_REMEDIES: Sequence[tuple[str, int | None, str]] = (
    ("system", None, "Run as root: files of the host can be shown as the learner's own only then."),
    ("clone", errno.EPERM, "Allow user namespaces: sysctl kernel.unprivileged_userns_clone=1, or in a container a "
     "seccomp profile that lets clone and unshare through (docs/self-hosting.md)."),
    ("clone", errno.ENOSPC, "Raise the limit: sysctl user.max_user_namespaces=10000."),
    ("clone", errno.EUSERS, "Raise the limit: sysctl user.max_user_namespaces=10000."),
    ("take the mapped ids", errno.EPERM, "Install the package uidmap and give your user 65,536 ids in /etc/subuid "
     "and /etc/subgid: usermod --add-subuids 200000-265535 --add-subgids 200000-265535 USER."),
    ("mount proc", errno.EPERM, "This container masks parts of /proc: run it with unmasked paths "
     "(docker: --security-opt systempaths=unconfined)."),
    ("", errno.EACCES, "A security module refuses it. AppArmor: sysctl kernel.apparmor_restrict_unprivileged_userns=0, "
     "or a profile with userns,; in Docker: --security-opt apparmor=unconfined. Or run as root."),
    ("overlay", errno.EOVERFLOW, "The host's files belong to ids that the sandbox does not have: run as root."),
    ("cgroups", None, "Run as root, or as a user under: systemd-run --user --scope -p Delegate=yes ./quayside up."),
    ("mode", None, "Mend the steps above."),
    ("nft", None, "Install the package nftables; in gVisor there is none. Services have no address without it."),
    ("crun", None, "Install the package crun."),
    ("", errno.EPERM, "The host forbids it: run as root, or see docs/self-hosting.md for what a container needs."),
)  # fmt: skip


_RESTRICTED = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
_PROFILE = """abi <abi/4.0>,
include <tunables/global>
profile quayside {python} flags=(unconfined) {{
  userns,
}}
"""


def restricted_remedy(folder: Path, *, python: Path, switch: Path = _RESTRICTED, root: bool | None = None) -> str:
    """Ubuntu's cure where it keeps ordinary users from user namespaces, or "" elsewhere.

    The AppArmor profile that allows them to our Python alone is written into `folder`, for root to install.
    """
    if root if root is not None else os.geteuid() == 0:
        return ""
    try:
        if switch.read_text().strip() != "1":
            return ""
        profile = folder / "apparmor-quayside"
        profile.write_text(_PROFILE.format(python=python))
    except OSError:
        return ""
    return (
        "This system lets only programs that AppArmor names make user namespaces. Name this Python, then start again:\n"
        f"    sudo install -m 644 '{profile}' /etc/apparmor.d/quayside && "
        "sudo apparmor_parser -r /etc/apparmor.d/quayside"
    )


def remedy_for(stage: str, number: int | None) -> str:
    """What to do about a stage that failed with an error number."""
    for name, code, text in _REMEDIES:
        if (not name or name in stage) and code in (None, number):
            return text
    return "See docs/self-hosting.md; the detail names the step that failed."


def probe() -> list[Step]:
    """Try everything and say how it went, first what the host is, then what a sandbox can do."""
    return [_kernel(), _ids(), *_programs(), *_in_own_process()]


def summary(steps: Sequence[Step]) -> str:
    """The last line: what was chosen and what is not enforced."""
    chosen = next((step for step in steps if step.name == "mode"), None)
    return chosen.detail if chosen else "no sandboxes"


def _kernel() -> Step:
    release = os.uname().release
    numbers = tuple(int(part) for part in release.split(".")[:2] if part.isdigit())
    known = os.uname().machine in ("x86_64", "aarch64")
    said = f"Linux {release} on {os.uname().machine}"
    return Step("kernel", known and numbers >= (5, 11), said, "A Linux 5.11 or newer on x86_64 or aarch64 is needed.")


def _ids() -> Step:
    if os.geteuid() == 0:
        return Step("ids", ok=True, detail="root: every sandbox gets user ids of its own")
    if shutil.which("newuidmap") is None:
        remedy = "Install the package uidmap: then a sandbox's root is not your own user."
        return Step("ids", ok=False, detail="newuidmap is missing: one user id for all", remedy=remedy, needed=False)
    from_table = idmap.choose_mapping()
    if from_table.mode == "single":
        remedy = remedy_for("take the mapped ids", errno.EPERM)
        return Step("ids", ok=False, detail="no range in /etc/subuid", remedy=remedy, needed=False)
    return Step("ids", ok=True, detail="ordinary user with a range in /etc/subuid")


def _programs() -> list[Step]:
    found = []
    for program, package in (("crun", "crun"), ("nft", "nftables"), ("bash", "bash"), ("ip", "iproute2")):
        path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
        remedy = f"apt-get install {package}"
        found.append(
            Step(program, path is not None, path or "not installed", remedy, needed=program in ("crun", "bash"))
        )
    return found


def _in_own_process() -> list[Step]:
    """The sandbox that is tried: its parent may have only one thread, and we may have more."""
    command = [sys.executable, "-m", "sandbox.launch.probe"]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False)
        return [_judged(found) for found in json.loads(done.stdout)]
    except (subprocess.TimeoutExpired, ValueError, TypeError) as error:
        return [Step("sandbox", ok=False, detail=f"the probe did not end well: {error}", remedy=remedy_for("", None))]


def _judged(found: Mapping[str, Any]) -> Step:
    remedy = "" if found["ok"] else remedy_for(found["stage"] or found["name"], found["errno"])
    return Step(found["name"], found["ok"], found["detail"], remedy, needed=found["needed"])
