"""The small Debian that every root in a sandbox has besides /usr: own accounts, the host's other settings."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from sandbox.linux.layout import DNS_ADDRESS, HOSTNAME, LEARNER_UID, NODE_ADDRESS, IdMode

# What programs below /usr read in /etc. A list of what is let in, so that a secret on the host stays out by default.
_FROM_THE_HOST = (
    "alternatives", "bash.bashrc", "bash_completion", "bash_completion.d", "ca-certificates", "ca-certificates.conf",
    "debian_version", "default/locale", "inputrc", "issue", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime",
    "locale.alias", "login.defs", "mime.types", "nanorc", "nsswitch.conf", "os-release", "profile", "profile.d",
    "protocols", "python3", "python3.11", "rpc", "services", "shells", "skel", "ssl/certs", "ssl/openssl.cnf",
    "terminfo", "timezone", "vim",
)  # fmt: skip

_PASSWD = f"""\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3:sys:/dev:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
learner:x:{LEARNER_UID}:{LEARNER_UID}:learner:/home/learner:/bin/bash
"""

_GROUP = f"""\
root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
tty:x:5:
www-data:x:33:
users:x:100:
nogroup:x:65534:
learner:x:{LEARNER_UID}:
"""

_HOSTS = f"""\
127.0.0.1\tlocalhost
{NODE_ADDRESS}\t{HOSTNAME} control-plane.minikube.internal
"""

_WRITTEN = {
    "passwd": _PASSWD,
    "group": _GROUP,
    "hosts": _HOSTS,
    "hostname": f"{HOSTNAME}\n",
    "resolv.conf": f"nameserver {DNS_ADDRESS}\noptions ndots:1 timeout:1 attempts:1\n",
    "machine-id": "",
}

_DIRECTORIES = (
    "dev", "etc", "home", "media", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp", "usr",
    "var/cache", "var/lib", "var/log", "var/spool", "var/tmp",
)  # fmt: skip

_STICKY = 0o1777


def build(target: Path, *, host: Path = Path("/"), mode: IdMode = "range") -> None:
    """Write the skeleton into the directory `target`, owned by the caller; building twice leaves the same."""
    for name in _DIRECTORIES:
        (target / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (target / name).chmod(_STICKY)
    (target / "root").chmod(0o700)
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        if (host / "usr" / name).is_dir():
            _link(target / name, f"usr/{name}")
    _link(target / "var/run", "/run")
    for name in _FROM_THE_HOST:
        _copy(host / "etc" / name, target / "etc" / name)
    for name, text in _WRITTEN.items():
        (target / "etc" / name).write_text(text)
    _link(target / "etc/mtab", "/proc/self/mounts")
    _make_homes(target, mode)


def _make_homes(target: Path, mode: IdMode) -> None:
    home = target / "home/learner"
    home.mkdir(exist_ok=True)
    for directory in (target / "root", home):
        for template in (target / "etc/skel").glob(".*"):
            if template.name != ".bashrc":  # Debian's sets a prompt of its own and loads all completion at once (0.1 s)
                _copy(template, directory / template.name)
    if mode == "range":
        for path in (home, *home.iterdir()):
            os.chown(path, LEARNER_UID, LEARNER_UID)


def _copy(source: Path, target: Path) -> None:
    if source.is_symlink():
        _link(target, str(source.readlink()))
    elif source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        for entry in source.iterdir():
            _copy(entry, target / entry.name)
    elif source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(source.stat().st_mode & 0o755)


def _link(path: Path, destination: str) -> None:
    if not path.is_symlink():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(destination)
