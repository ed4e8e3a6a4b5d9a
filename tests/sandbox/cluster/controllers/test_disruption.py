import pytest

from sandbox.cluster.api.errors import Invalid
from sandbox.cluster.api.objects import Key
from sandbox.cluster.resources.all import DEPLOYMENTS, PODDISRUPTIONBUDGETS, PODS
from tests.sandbox.cluster.simulation import deployment

BUDGET = Key("default", "web")


async def budgeted(cluster, replicas=4, **spec):
    cluster.registry.create(DEPLOYMENTS, deployment(replicas=replicas), namespace="default")
    budget = {"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"app": "web"}}} | spec}
    cluster.registry.create(PODDISRUPTIONBUDGETS, budget, namespace="default")
    await cluster.advance(2)


def counts(cluster):
    status = cluster.registry.get(PODDISRUPTIONBUDGETS, BUDGET)["status"]
    return tuple(status[name] for name in ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 3}, (1, 4, 3, 4)),
        ({"minAvailable": "60%"}, (1, 4, 3, 4)),
        ({"minAvailable": 9}, (0, 4, 9, 4)),
        ({"maxUnavailable": 1}, (1, 4, 3, 4)),
        ({"maxUnavailable": "30%"}, (2, 4, 2, 4)),
    ],
)
async def test_what_may_be_disrupted(cluster, spec, expected):
    await budgeted(cluster, **spec)
    assert counts(cluster) == expected


async def test_a_pod_that_goes_uses_the_budget_up(cluster):
    await budgeted(cluster, maxUnavailable=1)
    cluster.registry.delete(PODS, Key("default", cluster.pods()[0]["metadata"]["name"]))
    cluster.registry.patch(
        DEPLOYMENTS, BUDGET, lambda obj: obj["spec"]["template"]["spec"].update(nodeSelector={"no": "node"})
    )
    await cluster.advance(60)
    assert counts(cluster)[0] == 0
    [condition] = cluster.registry.get(PODDISRUPTIONBUDGETS, BUDGET)["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == (
        "DisruptionAllowed",
        "False",
        "InsufficientPods",
    )


async def test_pods_without_a_controller_have_no_share(cluster):
    await budgeted(cluster, replicas=0, maxUnavailable=1)
    cluster.create_pod("alone")
    cluster.registry.patch(PODS, Key("default", "alone"), lambda obj: obj["metadata"].update(labels={"app": "web"}))
    await cluster.advance(2)
    assert counts(cluster)[0] == 0
    assert "CalculateExpectedPodCountFailed" in [reason for _, reason, _ in cluster.events("web")]


async def test_one_bound_is_enough(cluster):
    with pytest.raises(Invalid, match="minAvailable and maxUnavailable cannot be both set"):
        await budgeted(cluster, minAvailable=1, maxUnavailable=1)
