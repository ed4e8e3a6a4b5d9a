"""Verdicts without a sandbox: what the evaluator makes of commands, states and objects."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.agent.checks import Evaluator, Verdict
from sandbox.agent.happenings import Command, Happenings
from sandbox.agent.scripts import Ended

DEPLOYMENT = {
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"replicas": 4, "template": {"spec": {"containers": [{"name": "web", "image": "app:v1"}]}}},
    "status": {"replicas": 4, "readyReplicas": 3},
}
APIS = {"groups": [{"preferredVersion": {"groupVersion": "apps/v1"}}]}
CORE = {"resources": [{"name": "pods", "singularName": "pod", "shortNames": ["po"], "kind": "Pod", "namespaced": True}]}
APPS = {
    "resources": [
        {"name": "deployments", "singularName": "", "shortNames": ["deploy"], "kind": "Deployment", "namespaced": True},
        {"name": "deployments/scale", "kind": "Scale", "namespaced": True},
    ]
}


class SmallCluster:
    """Answers what it was given; everything else is not found."""

    def __init__(self, **more: Any) -> None:
        self.state = "running"
        self.answers = {"/apis": APIS, "/api/v1": CORE, "/apis/apps/v1": APPS, **more}

    async def request(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        assert method == "GET"
        if self.state != "running":
            raise OSError("no cluster")
        return (200, self.answers[path]) if path in self.answers else (404, {"message": "not found"})


class SmallScripts:
    def __init__(self, status: int, output: bytes) -> None:
        self.status, self.output = status, output

    async def run(self, text: str, output: Any, **_: Any) -> Ended:
        await output(self.output)
        return Ended(self.status, timed_out=False, truncated=False)


PATH = "/apis/apps/v1/namespaces/default/deployments/web"
PODS = "/api/v1/namespaces/default/pods?labelSelector=app%3Dweb"


async def verdict(check: dict[str, Any], **world: Any) -> Verdict:
    cluster = world.get("cluster") or SmallCluster(**{PATH: DEPLOYMENT, PODS: {"items": []}})
    happenings = world.get("happenings") or Happenings()
    evaluator = Evaluator(cluster, happenings, world.get("scripts"))  # type: ignore[arg-type]
    [found] = await evaluator.evaluate([check])
    return found


def resource(**fields: Any) -> dict[str, Any]:
    return {"kind": "resource", "resource": "deployments", "name": "web", "namespace": "default", **fields}


IMAGE = "{.spec.template.spec.containers[0].image}"


@pytest.mark.parametrize(
    ("check", "found"),
    [
        (resource(), Verdict(passed=True)),
        (resource(resource="deploy"), Verdict(passed=True)),
        (resource(resource="Deployment"), Verdict(passed=True)),
        (resource(resource="deployments.apps"), Verdict(passed=True)),
        (resource(name="other"), Verdict(passed=False, reason="absent")),
        (resource(resource="nonsense"), Verdict(passed=False, reason="absent")),
        (resource(expression=IMAGE, op="equals", value="app:v1"), Verdict(passed=True, actual="app:v1")),
        (
            resource(expression=IMAGE, op="equals", value="app:v2", cases=["v9", "v1$"]),
            Verdict(passed=False, reason="case:1", actual="app:v1"),
        ),
        (
            resource(expression=IMAGE, op="matches", value=":v2$"),
            Verdict(passed=False, reason="otherwise", actual="app:v1"),
        ),
        (resource(expression="{.status.readyReplicas}", op="at-least", value="3"), Verdict(passed=True, actual="3")),
        (
            resource(expression="{.status.readyReplicas}", op="at-least", value="4"),
            Verdict(passed=False, reason="otherwise", actual="3"),
        ),
        (
            resource(expression="{.status.nothing}", op="at-least", value="1"),
            Verdict(passed=False, reason="otherwise", actual="0"),
        ),
        (resource(expression="{.status.nothing}", op="exists"), Verdict(passed=False, reason="otherwise")),
        (
            {"kind": "resource", "resource": "pods", "selector": "app=web", "namespace": "default"},
            Verdict(passed=False, reason="absent"),
        ),
    ],
)
async def test_a_resource_is_judged_by_what_the_expression_finds(check: dict[str, Any], found: Verdict) -> None:
    assert await verdict(check) == found


async def test_a_broken_expression_or_pattern_is_an_error_not_a_failure_of_the_learner() -> None:
    assert (await verdict(resource(expression="{.a[", op="exists"))).reason == "error"
    assert (await verdict(resource(expression=IMAGE, op="matches", value="("))).reason == "error"


async def test_without_a_cluster_a_resource_is_absent() -> None:
    cluster = SmallCluster()
    cluster.state = "stopped"
    assert await verdict(resource(), cluster=cluster) == Verdict(passed=False, reason="absent")


async def test_a_command_counts_when_it_was_typed_and_ended_as_wanted() -> None:
    happenings = Happenings()
    check = {"kind": "command", "pattern": r"^kubectl\s+get\s+pods", "status": 0}
    assert (await verdict(check, happenings=happenings)).reason == "absent"
    happenings.finished(Command("1", "kubectl get pods -A", 1))
    assert await verdict(check, happenings=happenings) == Verdict(passed=False, reason="otherwise", actual="1")
    assert (await verdict({**check, "status": None}, happenings=happenings)).passed
    happenings.finished(Command("2", "kubectl  get pods", 0))
    happenings.finished(Command("2", "false", 1))
    assert (await verdict(check, happenings=happenings)).passed


@pytest.mark.parametrize(
    ("script", "status", "output", "passes"),
    [
        ("true", 0, b"", True),
        ("false", 1, b"", False),
        ("test -f x && echo done", 0, b"done\n", True),
        ("if true; then echo 'done'; fi", 0, b"", False),
        ('echo "done"', 0, b"all done\n", True),
        ("echo done", 1, b"done\n", False),
        ("for x in a; do echo $x; done", 0, b"a\n", True),
    ],
)
async def test_a_script_passes_by_exit_code_and_by_done_if_it_speaks_of_it(
    script: str, status: int, output: bytes, passes: bool
) -> None:
    found = await verdict({"kind": "script", "script": script}, scripts=SmallScripts(status, output))
    assert found.passed is passes
    assert found.reason == ("" if passes else "script")
    assert found.actual == output.decode().strip()


@pytest.mark.parametrize(
    ("state", "wanted", "passes"),
    [
        ("running", "running", True),
        ("stopped", "running", False),
        ("stopped", "stopped", True),
        ("starting", "stopped", False),
    ],
)
async def test_the_cluster_is_in_a_state(state: str, wanted: str, passes: bool) -> None:
    cluster = SmallCluster()
    cluster.state = state
    assert (await verdict({"kind": "cluster", "state": wanted}, cluster=cluster)).passed is passes
