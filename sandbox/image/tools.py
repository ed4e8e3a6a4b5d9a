"""The programs that every learner's shell has: a fixed list, so that a lesson can rely on it wherever it runs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Tool:
    """A program and the Debian package that it comes from."""

    command: str
    package: str
    """Empty: it comes with Quayside or is set up by `kubectl.py`."""


TOOLS: tuple[Tool, ...] = (
    Tool("kubectl", ""),
    Tool("minikube", ""),
    Tool("bash", "bash"),
    Tool("curl", "curl"),
    Tool("wget", "wget"),
    Tool("jq", "jq"),
    Tool("nano", "nano"),
    Tool("vim", "vim-tiny"),
    Tool("less", "less"),
    Tool("git", "git"),
    Tool("dig", "dnsutils"),
    Tool("openssl", "openssl"),
    Tool("tree", "tree"),
    Tool("watch", "procps"),
    Tool("make", "make"),
    Tool("python3", "python3-minimal"),
)

_ALSO_KNOWN_AS = {"vim": ("vi", "vim.tiny", "vim.basic")}
"""Where the package that we name does not install the command itself."""


def missing(tools: Sequence[Tool] = TOOLS, *, path: str = SYSTEM_PATH) -> Sequence[Tool]:
    """Those that a package of the host would bring and that are not there. Only /usr counts: nothing else is seen."""
    return [
        tool
        for tool in tools
        if tool.package
        and not any(shutil.which(name, path=path) for name in (tool.command, *_ALSO_KNOWN_AS.get(tool.command, ())))
    ]


def remedy(tools: Sequence[Tool]) -> str:
    """The command that brings them, for a person to run."""
    return "apt-get install --no-install-recommends " + " ".join(sorted({tool.package for tool in tools}))
