"""A real sandbox's cluster: minikube, kubectl, checks that tick by themselves, the picture, crashes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.client import Event, SandboxClient, Verdict

pytestmark = pytest.mark.sandbox

CONFIG_MAP = {"kind": "resource", "resource": "cm", "name": "settings", "namespace": "default"}


async def took(stream: AsyncIterator[Any], condition: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(20):
        async for item in stream:
            if condition(item):
                return item
    raise AssertionError("the stream ended")


def cluster_state(event: Event) -> bool:
    return event.type == "cluster" and event.fields["state"] == "running"


def cluster_process(parent: int) -> int:
    """The host's number of the cluster's process below a launcher."""
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            if Path(f"/proc/{child}/comm").read_text() == "cluster\n":
                return child
            found = cluster_process(child)
            if found:
                return found
    return 0


async def test_it_starts_serves_stops_and_keeps_what_it_stored(sandbox: SandboxClient) -> None:
    events = sandbox.events()
    assert (await took(events, lambda event: event.type == "cluster")).fields["state"] == "absent"
    started = await sandbox.minikube(["start"])
    assert started.status == 0, started.output.decode()
    await took(events, cluster_state)
    assert (
        await sandbox.run("minikube start >/dev/null && kubectl create configmap settings --from-literal=a=1")
    ).status == 0
    assert (await sandbox.run("minikube stop")).status == 0
    [stopped, there] = await sandbox.check([{"kind": "cluster", "state": "stopped"}, CONFIG_MAP])
    assert stopped.passed
    assert there == Verdict(passed=False, reason="absent")
    assert (await sandbox.run("minikube start && kubectl get cm settings -o jsonpath={.data.a}")).output.endswith(b"1")
    assert (await sandbox.run("minikube delete")).status == 0
    assert (await sandbox.run("minikube start >/dev/null; kubectl get cm settings")).status == 1


async def test_verdicts_change_by_themselves_and_say_what_is_missing(sandbox: SandboxClient) -> None:
    await sandbox.minikube(["start"])
    value = {**CONFIG_MAP, "expression": "{.data.a}", "op": "equals", "value": "2", "cases": ["^1$"]}
    script = {"kind": "script", "script": "kubectl get cm settings -o name && test -f /learner/root/made"}
    watched = sandbox.watch([value, script, {"kind": "command", "pattern": "^touch made"}])
    first = await anext(watched)
    assert [verdict.reason for verdict in first] == ["absent", "script", "absent"]
    await sandbox.run("minikube update-context; kubectl create configmap settings --from-literal=a=1")
    found = await took(watched, lambda verdicts: verdicts[0].reason != "absent")
    assert (found[0].reason, found[0].actual) == ("case:0", "1")
    await sandbox.run("kubectl create cm settings --from-literal=a=2 -o yaml --dry-run=client | kubectl replace -f -")
    await took(watched, lambda verdicts: verdicts[0].passed)
    await sandbox.run("touch ~/made")
    assert (await took(watched, lambda verdicts: verdicts[1].passed))[0].passed


async def test_the_picture_shows_what_is_there(sandbox: SandboxClient) -> None:
    await sandbox.minikube(["start"])
    events = sandbox.events()
    await took(events, lambda event: event.type == "picture" and event.fields["nodes"] != [])
    await sandbox.run(
        "minikube update-context; kubectl create deployment web --image=no-such-image --replicas=2; "
        "kubectl expose deployment web --port=80"
    )
    picture = (await took(events, lambda event: event.type == "picture" and len(event.fields["pods"]) == 2)).fields
    assert {pod["owner"].split("/")[0] for pod in picture["pods"]} == {"ReplicaSet"}
    assert picture["deployments"][0]["wanted"] == 2
    await took(events, lambda event: event.type == "picture" and len(event.fields["services"]) == 2)


async def test_a_cluster_that_dies_is_started_again_with_what_it_had(sandbox: SandboxClient, launcher_pid: int) -> None:
    await sandbox.minikube(["start"])
    await sandbox.run("minikube update-context; kubectl create configmap settings --from-literal=a=kept")
    events = sandbox.events()
    await took(events, cluster_state)
    os.kill(cluster_process(launcher_pid), signal.SIGKILL)
    await took(events, lambda event: event.type == "cluster" and event.fields["state"] == "starting")
    await took(events, cluster_state)
    assert (await sandbox.run("kubectl get cm settings -o jsonpath={.data.a}")).output == b"kept"


async def test_a_learner_who_fills_the_memory_or_forks_without_end_harms_only_their_own(sandbox: SandboxClient) -> None:
    done = await sandbox.run("#!/usr/bin/python3\nx = bytearray(b'x') * (1 << 30)\n")
    assert done.status == 137
    forks = (
        "#!/usr/bin/python3\nimport os, time\nfor n in range(3000):\n if not os.fork(): time.sleep(9); os._exit(0)\n"
    )
    assert b"BlockingIOError" in (await sandbox.run(forks)).output
    assert (await sandbox.stats())["processes"] > 100
    assert await sandbox.terminals() == []
    async with asyncio.timeout(20):
        while (await sandbox.stats())["processes"] > 10:
            pass
    assert (await sandbox.run("echo well again")).output == b"well again\n"
