"""Pods that learners may write as cluster admin, in a real sandbox: none reaches what is ours, none stops us."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.backend import Limits, SandboxSpec
from sandbox.backends.local import LocalBackend
from sandbox.client import SandboxClient
from sandbox.minikube import client as minikube_client
from tests.sandbox.cluster.kubelet.node import build_images

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(shutil.which("kubectl", path="/usr/bin") is None, reason="no kubectl"),
]

CHECKOUT = Path(__file__).resolve().parents[4]
LIMITS = Limits(memory_mib=256, disk_mib=64, processes=256)


class Learner:
    """A learner whose cluster runs."""

    def __init__(self, backend: LocalBackend) -> None:
        self._client = SandboxClient(lambda: backend.connect("hostile"))

    async def says(self, script: str) -> str:
        done = await self._client.run(script, timeout=60)
        return done.output.decode(errors="replace")

    async def apply(self, name: str, **spec: Any) -> None:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        said = await self.says(f"kubectl apply -f - <<'END'\n{json.dumps(pod)}\nEND\n")
        assert said == f"pod/{name} created\n"

    async def ready(self, name: str) -> None:
        said = await self.says(f"kubectl wait --for=condition=ready pod/{name} --timeout=20s")
        assert said == f"pod/{name} condition met\n"

    async def inside(self, name: str, script: str) -> str:
        return await self.says(f"kubectl exec {name} -- sh -c '{script}' 2>&1")


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBackend]:
    """A launcher with images and one sandbox whose cluster runs."""
    data = tmp_path_factory.mktemp("data")
    build_images(data)
    programs = data / "tools/usr/local/bin"
    programs.mkdir(parents=True)
    shutil.copy(minikube_client.__file__, programs / "minikube").chmod(0o755)
    socket = data / "run/backend.sock"
    command = [sys.executable, "-m", "sandbox.launch", "--data", str(data), "--socket", str(socket), "--quiet"]
    process = subprocess.Popen(command, env={}, cwd=CHECKOUT)
    deadline = time.monotonic() + 30
    while not (data / "run/sandboxes").is_dir() and time.monotonic() < deadline:
        time.sleep(0.02)
    found = LocalBackend(socket)
    try:
        asyncio.run(_start(found))
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


async def _start(backend: LocalBackend) -> None:
    await backend.start("hostile", SandboxSpec(limits=LIMITS))
    said = await Learner(backend).says("minikube start && kubectl get nodes --no-headers")
    assert "minikube   Ready" in said, said


@pytest.fixture
def learner(backend: LocalBackend) -> Learner:
    return Learner(backend)


def container(image: str = "busybox", **more: Any) -> dict[str, Any]:
    return {"name": "c", "image": image, "command": ["sleep", "1000"]} | more


async def test_the_nodes_root_is_the_learners_and_nothing_above(learner: Learner) -> None:
    await learner.says("echo mine > /root/mine")
    await learner.apply(
        "root",
        hostPID=True,
        hostNetwork=True,
        hostIPC=True,
        containers=[
            container(
                securityContext={"privileged": True, "capabilities": {"add": ["ALL"]}},
                volumeMounts=[{"name": "root", "mountPath": "/host"}, {"name": "run", "mountPath": "/host-run"}],
            )
        ],
        volumes=[{"name": "root", "hostPath": {"path": "/"}}, {"name": "run", "hostPath": {"path": "/var/run/../run"}}],
    )
    await learner.ready("root")
    assert await learner.inside("root", "cat /host/root/mine") == "mine\n"
    for ours in ("/host/run/quayside", "/host-run/quayside", "/host/var/lib/learner", "/host/images", "/host/system"):
        assert "No such file" in await learner.inside("root", f"ls {ours}")
    assert "starter" not in await learner.inside("root", "ls -R /host/run /host-run")
    commands = await learner.inside("root", "cat /proc/[0-9]*/comm")
    assert not {"agent", "starter", "cluster"} & set(commands.split())
    assert "CapEff:\t00000000a80425fb" in await learner.inside("root", "cat /proc/self/status")
    for refused in ("mount -t tmpfs x /mnt", "mknod /d b 254 0", "ip link add x type dummy", "unshare -U true"):
        assert "ermi" in await learner.inside("root", f"mkdir -p /mnt; {refused}"), refused
    assert await learner.inside("root", "kill -9 -1; echo $?") != ""
    assert "minikube   Ready" in await learner.says("kubectl get nodes --no-headers")


@pytest.mark.parametrize("link", ["/", "/run/quayside", "../../../../../../run/quayside", "/proc/1/root"])
async def test_links_in_a_volume_lead_nowhere(learner: Learner, link: str) -> None:
    name = f"link-{zlib.crc32(link.encode())}"
    volume = {"name": "v", "mountPath": "/v"}
    await learner.apply(
        name,
        initContainers=[container(name="make", command=["ln", "-s", link, "/v/link"], volumeMounts=[volume])],
        containers=[container(volumeMounts=[volume | {"subPath": "link"}])],
        volumes=[{"name": "v", "emptyDir": {}}],
    )
    async with asyncio.timeout(20):
        while not (seen := await learner.inside(name, "ls -a /v")) or "not found" in seen:
            state = await learner.says(f"kubectl get pod {name} -o jsonpath='{{.status.containerStatuses[0].state}}'")
            if "waiting" in state and "PodInitializing" not in state:
                return  # refused
    for ours in ("starter.sock", "store.sqlite", "images", "system"):
        assert ours not in seen


async def test_any_user_can_run_and_has_no_capability(learner: Learner) -> None:
    await learner.apply("user", containers=[container(securityContext={"runAsUser": 1234, "runAsNonRoot": True})])
    await learner.ready("user")
    assert "uid=1234" in await learner.inside("user", "id")
    assert "CapEff:\t0000000000000000" in await learner.inside("user", "cat /proc/self/status")


async def test_more_memory_than_its_limit_ends_a_container_alone(learner: Learner) -> None:
    hungry = container(
        "debian",
        command=["python3", "-c", "data = b'x' * (200 << 20)"],
        resources={"limits": {"memory": "32Mi"}},
    )
    await learner.apply("hungry", restartPolicy="Never", containers=[hungry])
    path = "{.status.containerStatuses[0].state.terminated.reason}"
    said = await learner.says(f"kubectl wait --for=jsonpath='{path}'=OOMKilled pod/hungry --timeout=20s")
    assert said == "pod/hungry condition met\n"


async def test_a_full_disk_and_a_fork_bomb_leave_the_cluster_answering(learner: Learner) -> None:
    fill = container(
        command=["sh", "-c", "dd if=/dev/zero of=/big bs=1M; touch /tmp/x; yes | head -c 100000; sleep 1000"]
    )
    bomb = container("debian", command=["bash", "-c", "bomb() { bomb | bomb & }; bomb; sleep 1000"])
    await learner.apply("fill", containers=[fill])
    await learner.ready("fill")
    await learner.apply("bomb", containers=[bomb])
    async with asyncio.timeout(20):
        while "100%" not in await learner.inside("fill", "df /"):  # noqa: ASYNC110 - a disk tells nobody
            await asyncio.sleep(0.05)
    said = await learner.says("kubectl create configmap still --from-literal=a=b && kubectl get nodes --no-headers")
    assert "configmap/still created" in said
    assert "minikube   Ready" in said
    assert "deleted" in await learner.says("kubectl delete pod fill bomb --now")
    await learner.apply("after", containers=[container()])
    await learner.ready("after")
