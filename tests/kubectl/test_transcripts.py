"""Commands of the course and beside it, with what a real Kubernetes v1.33 made the real kubectl print.

The recordings hold no more than was compared; a command without recorded output only has effects for later ones.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubectl.conftest import VERSIONS, Kubectl, environment_of, start_cluster, stop_cluster
from tests.kubectl.normalise import normalised

HERE = Path(__file__).parent
SCENARIOS = sorted(path.stem for path in (HERE / "recorded").glob("*.jsonl"))
RECORDED_WITH = ("1.27", "1.33")
_SETTLE_SECONDS = 5.0


@pytest.fixture
def fresh(version: str, tmp_path: Path) -> Iterator[Kubectl]:
    """A cluster that nothing has happened in yet."""
    if version not in VERSIONS:
        pytest.skip(f"there is no kubectl {version} on this machine")
    cluster = start_cluster(tmp_path / "data")
    yield Kubectl(version, environment_of(cluster, version, tmp_path))
    stop_cluster(cluster)


@pytest.mark.parametrize("version", RECORDED_WITH)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_same_is_printed(fresh: Kubectl, scenario: str, version: str) -> None:
    differences = []
    compared = 0
    for line in (HERE / "recorded" / f"{scenario}.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["kubectl"] != version:
            continue
        command = row["command"]
        if "sets" in row:
            name = row["sets"]
            fresh.environment[name] = fresh.shell(f'{command}; printf %s "${name}"').stdout.strip()
            continue
        done = fresh.shell(command, directory=HERE / "manifests")
        if row.get("settle"):
            _settle(fresh)
        if "exit" not in row:
            continue
        compared += 1
        for what, ours in (("stdout", done.stdout), ("stderr", done.stderr)):
            if normalised(row[what]) != normalised(ours):
                differences.append(f"$ {command}\n--- real {what}\n{row[what]}\n--- ours\n{ours}")
        if row["exit"] != done.returncode:
            differences.append(f"$ {command}\nexit code {row['exit']} is now {done.returncode}")
    assert differences == [], "\n".join(differences)
    assert compared > 10


def _settle(kubectl: Kubectl) -> None:
    """Until every pod is Running, as it was when the next command was recorded."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < deadline:
        shown = kubectl.shell("kubectl get deployments,pods --no-headers").stdout
        ready = [line.split()[1] for line in shown.splitlines() if line.strip()]
        if all(cell.partition("/")[0] == cell.partition("/")[2] for cell in ready):
            return
        time.sleep(0.05)
