"""A cluster in a process of its own, as `python -m sandbox.cluster` makes it, and real kubectl binaries."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.cluster.api import build_schema, schema
from tests.kubectl.binaries import ROOT, found


@dataclass
class Cluster:
    """A running cluster with simulated containers."""

    data: Path
    process: subprocess.Popen[bytes]

    @property
    def kubeconfig(self) -> Path:
        return self.data / "kubeconfig"


@dataclass
class Kubectl:
    """One version of kubectl, pointed at one cluster."""

    version: str
    environment: dict[str, str]

    def shell(
        self, script: str, *, timeout: float = 30, directory: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a line of shell in which `kubectl` is this version."""
        return subprocess.run(
            ["bash", "-c", script],
            env=self.environment,
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def __call__(self, arguments: str, **how: float) -> str:
        """The output of `kubectl ARGUMENTS`, which must succeed."""
        done = self.shell(f"kubectl {arguments}", **how)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fails(self, arguments: str) -> str:
        """What `kubectl ARGUMENTS`, which must fail, says."""
        done = self.shell(f"kubectl {arguments}")
        assert done.returncode != 0, done.stdout
        return done.stderr.strip()


def start_cluster(data: Path, *, port: int = 0) -> Cluster:
    """Start one and wait until it answers."""
    command = [sys.executable, "-m", "sandbox.cluster", "--data", str(data), "--runtime", "simulated"]
    (data / "kubeconfig").unlink(missing_ok=True)
    process = subprocess.Popen([*command, "--listen", f"127.0.0.1:{port}"], cwd=ROOT)
    deadline = time.monotonic() + 20
    while not (data / "kubeconfig").exists():
        assert process.poll() is None, "the cluster ended"
        assert time.monotonic() < deadline, "the cluster does not start"
        time.sleep(0.02)
    return Cluster(data, process)


def stop_cluster(cluster: Cluster) -> None:
    cluster.process.send_signal(signal.SIGTERM)
    cluster.process.wait(timeout=20)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One for each module and version."""
    if not schema.FILE.exists():
        build_schema.build()
    running = start_cluster(tmp_path_factory.mktemp("cluster"))
    yield running
    stop_cluster(running)


VERSIONS = found()


def environment_of(cluster: Cluster, version: str, directory: Path) -> dict[str, str]:
    link = directory / version / "kubectl"
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(VERSIONS[version])
    home = directory / "home"  # an own cache of discovery
    home.mkdir(exist_ok=True)
    path = f"{link.parent}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(home), "KUBECONFIG": str(cluster.kubeconfig), "LANG": "C.UTF-8"}


WANTED = [
    pytest.param(version, marks=() if version in VERSIONS else pytest.mark.skip(f"there is no kubectl {version} here"))
    for version in sorted({"1.20", *VERSIONS})
]


@pytest.fixture(params=WANTED)
def kubectl(request: pytest.FixtureRequest, cluster: Cluster, tmp_path: Path) -> Kubectl:
    """Every version that is there, on the module's cluster, in a namespace of its own."""
    made = Kubectl(request.param, environment_of(cluster, request.param, tmp_path))
    namespace = f"test-{os.urandom(4).hex()}"
    made(f"create namespace {namespace}")
    private = tmp_path / "kubeconfig"
    private.write_bytes(cluster.kubeconfig.read_bytes())
    made.environment["KUBECONFIG"] = str(private)
    made(f"config set-context --current --namespace={namespace}")
    return made
