"""Kubernetes' own words for what crun refuses: people copy them into search engines."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

_MISSING = re.compile(r"executable file .* not found|No such file or directory")


def start_message(error: Exception, command: Sequence[str]) -> str:
    """What Kubernetes says of a container that cannot start."""
    why = _why(str(error), command, "error during container init: ")
    return (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
        f"runc create failed: unable to start container process: {why}: unknown"
    )


def exec_message(error: Exception, command: Sequence[str]) -> str:
    """What Kubernetes says of a command that cannot be run in a container."""
    return (
        "failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: "
        f"unable to start container process: {_why(str(error), command, '')}: unknown"
    )


def _why(text: str, command: Sequence[str], where: str) -> str:
    program = command[0] if command else ""
    name = json.dumps(program)
    if _MISSING.search(text) and (program in text or "/" not in program):
        if "/" in program:
            return f"{where}exec: {name}: stat {program}: no such file or directory"
        return f"{where}exec: {name}: executable file not found in $PATH"
    if "Permission denied" in text or "open executable: Operation not permitted" in text:
        return f"{where}exec: {name}: permission denied"
    return text
