import pytest

from sandbox.cluster.controllers import rollout


def deployment(replicas, surge="25%", unavailable="25%"):
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {
        "metadata": {"name": "web"},
        "spec": {"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}},
    }


def replica_set(replicas, maximum=None, name="rs"):
    annotations = {} if maximum is None else {rollout.MAXIMUM: str(maximum)}
    return {"metadata": {"name": name, "annotations": annotations}, "spec": {"replicas": replicas}}


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "wanted"),
    [
        (4, "25%", "25%", (1, 1)),
        (1, "25%", "25%", (1, 0)),
        (3, "25%", "25%", (1, 0)),
        (10, "25%", "25%", (3, 2)),
        (10, 0, 0, (0, 1)),
        (10, "0%", "1%", (0, 1)),
        (2, 5, 7, (5, 2)),
    ],
)
def test_the_surge_is_rounded_up_and_the_unavailable_down(replicas, surge, unavailable, wanted):
    assert rollout.fenceposts(deployment(replicas, surge, unavailable)) == wanted


@pytest.mark.parametrize(
    ("sets", "current", "wanted"),
    [([4], 0, 1), ([4, 1], 1, 1), ([3, 1], 1, 2), ([], 0, 4), ([2, 2], 2, 3)],
)
def test_the_new_set_grows_into_the_room_that_the_surge_leaves(sets, current, wanted):
    assert rollout.new_size(deployment(4), [replica_set(size) for size in sets], current) == wanted


def test_scaling_in_the_middle_of_a_rollout_is_shared_by_size():
    # 10 replicas with a surge of 3 are to become 15 with a surge of 3: the example of the Kubernetes documentation.
    scaled = deployment(15, 3, 2)
    sets = [replica_set(8, 13), replica_set(5, 13)]
    assert rollout.proportions(scaled, sets) == [11, 7]


def test_scaling_to_nothing_takes_every_set():
    assert rollout.proportions(deployment(0), [replica_set(3, 5), replica_set(2, 5)]) == [0, 0]


def test_a_rollout_is_complete_when_all_replicas_are_new_and_available_and_seen():
    wanted = deployment(3)
    wanted["metadata"]["generation"] = 2
    status = {"updatedReplicas": 3, "replicas": 3, "availableReplicas": 3, "observedGeneration": 2}
    assert rollout.is_complete(wanted, status)
    assert not rollout.is_complete(wanted, status | {"replicas": 4})
    assert not rollout.is_complete(wanted, status | {"observedGeneration": 1})
