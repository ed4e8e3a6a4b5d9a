"""Which versions of kubectl this machine has: the one on the PATH, those beside it, and one that set-up fetched."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def _version(program: Path) -> str:
    """Such as "1.33"."""
    asked = [str(program), "version", "--client", "--output", "json"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True)
    said = json.loads(done.stdout)["clientVersion"]
    return f"{said['major']}.{said['minor'].rstrip('+')}"


def found() -> dict[str, Path]:
    """Version → binary; empty when there is no kubectl at all."""
    versions: dict[str, Path] = {}
    on_path = shutil.which("kubectl")
    if on_path:
        real = Path(on_path).resolve()
        for version in ("1.27", "1.32", "1.33"):
            beside = real.with_name(f"kubectl.{version}")
            if beside.exists():
                versions[version] = beside
        if not versions:
            versions["path"] = real
    learners = ROOT / "var/tools/usr/local/bin/kubectl"
    if not versions and learners.exists():
        versions[_version(learners)] = learners
    oldest = Path(os.environ.get("QUAYSIDE_KUBECTL_1_20") or ROOT / "var" / "test-tools" / "kubectl-1.20")
    if oldest.exists():
        versions["1.20"] = oldest
    return versions
