from datetime import UTC, datetime

import pytest

from sandbox.cluster.kubelet.status import (
    Addresses,
    ContainerRecord,
    Running,
    Terminated,
    Waiting,
    build_status,
    container_status,
    phase_of,
    qos_class,
)

NOW = datetime(2026, 11, 23, 16, 59, 30, tzinfo=UTC)
POD = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "c", "image": "busybox:1.36"}]}}


def record(state, *, kind="main", last=None, **facts):
    made = ContainerRecord({"name": facts.pop("name", "c"), "image": "busybox:1.36"}, kind, state=state, last=last)
    for name, value in facts.items():
        setattr(made, name, value)
    return made


def ended(code):
    return Terminated(code, "Completed" if code == 0 else "Error", 0, 1, "id")


WAITING, RUNNING = Waiting("ContainerCreating"), Running(0)


@pytest.mark.parametrize(
    ("states", "policy", "expected"),
    [
        ([WAITING], "Always", "Pending"),
        ([RUNNING, WAITING], "Always", "Pending"),
        ([RUNNING], "Always", "Running"),
        ([RUNNING, ended(1)], "Never", "Running"),
        ([ended(0)], "Always", "Running"),
        ([ended(0)], "Never", "Succeeded"),
        ([ended(0)], "OnFailure", "Succeeded"),
        ([ended(1)], "Never", "Failed"),
        ([ended(1)], "OnFailure", "Running"),
        ([ended(0), ended(1)], "Never", "Failed"),
    ],
)
def test_phases(states, policy, expected):
    assert phase_of([], [record(state) for state in states], restart_policy=policy) == expected


def test_a_container_in_back_off_has_been_running():
    waiting = record(Waiting("CrashLoopBackOff"), last=ended(1))
    assert phase_of([], [waiting], restart_policy="Always") == "Running"


def test_an_init_container_that_fails_for_good_fails_the_pod():
    init = record(ended(1), kind="init")
    assert phase_of([init], [record(WAITING)], restart_policy="Never") == "Failed"
    assert phase_of([init], [record(WAITING)], restart_policy="Always") == "Pending"


def status(records, pod=POD, *, sandbox_ready=True):
    return build_status(
        pod, records, addresses=Addresses("192.168.49.2", "10.244.0.5"), now=NOW, sandbox_ready=sandbox_ready
    )


def conditions(of):
    return [(c["type"], c["status"], c.get("reason"), c.get("message")) for c in of["conditions"]]


def test_conditions_of_a_running_pod_start_with_the_sandbox():
    found = conditions(status([record(RUNNING, ready=True)]))
    assert [name for name, *_ in found] == [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ]
    assert {tuple(rest) for _, *rest in found} == {("True", None, None)}


def test_a_pod_whose_container_is_not_ready_says_which():
    message = "containers with unready status: [c]"
    found = conditions(status([record(WAITING)]))
    assert ("Ready", "False", "ContainersNotReady", message) in found
    assert ("ContainersReady", "False", "ContainersNotReady", message) in found


def test_a_pod_that_initialises_says_what_is_missing():
    found = conditions(status([record(RUNNING, kind="init", name="i"), record(WAITING)]))
    message = "containers with incomplete status: [i]"
    assert ("Initialized", "False", "ContainersNotInitialized", message) in found


def test_a_finished_pod():
    found = conditions(status([record(ended(0))], POD | {"spec": POD["spec"] | {"restartPolicy": "Never"}}))
    assert ("Initialized", "True", "PodCompleted", None) in found
    assert ("Ready", "False", "PodCompleted", None) in found


def test_times_of_conditions_stay_while_nothing_changes():
    earlier = "2026-11-23T16:00:00Z"
    old = [{"type": "Ready", "status": "False", "lastTransitionTime": earlier}]
    new = status([record(WAITING)], POD | {"status": {"conditions": old}})
    times = {c["type"]: c["lastTransitionTime"] for c in new["conditions"]}
    assert (times["Ready"], times["ContainersReady"]) == (earlier, "2026-11-23T16:59:30Z")


def test_conditions_of_others_stay():
    gate = {"type": "example.com/gate", "status": "False", "lastTransitionTime": "2026-11-23T16:00:00Z"}
    pod = {
        "metadata": {"name": "web"},
        "spec": POD["spec"] | {"readinessGates": [{"conditionType": "example.com/gate"}]},
        "status": {"conditions": [gate]},
    }
    new = status([record(RUNNING, ready=True)], pod)
    assert gate in new["conditions"]
    assert [c["reason"] for c in new["conditions"] if c["type"] == "Ready"] == ["ReadinessGatesNotReady"]
    assert [c["status"] for c in new["conditions"] if c["type"] == "ContainersReady"] == ["True"]


def test_the_status_has_kubernetes_order():
    new = status([record(RUNNING)])
    assert list(new) == [
        "phase",
        "conditions",
        "hostIP",
        "hostIPs",
        "podIP",
        "podIPs",
        "startTime",
        "containerStatuses",
        "qosClass",
    ]


def test_a_container_status_is_as_kubernetes_writes_it():
    end = Terminated(3, "Error", 1763917169, 1763917169, "346b")
    crashed = record(Waiting("CrashLoopBackOff", "back-off 10s"), last=end, restarts=1, container_id="346b")
    crashed.image, crashed.image_id = "docker.io/library/busybox:1.36", "docker.io/library/busybox@sha256:b6"
    assert container_status(crashed) == {
        "name": "c",
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
        "lastState": {
            "terminated": {
                "exitCode": 3,
                "reason": "Error",
                "startedAt": "2025-11-23T16:59:29Z",
                "finishedAt": "2025-11-23T16:59:29Z",
                "containerID": "containerd://346b",
            }
        },
        "ready": False,
        "restartCount": 1,
        "image": "docker.io/library/busybox:1.36",
        "imageID": "docker.io/library/busybox@sha256:b6",
        "containerID": "containerd://346b",
        "started": False,
        "resources": {},
    }


def test_statuses_are_sorted_by_name_but_those_of_init_containers():
    made = [record(RUNNING, name=name) for name in ("b", "a")]
    made += [record(ended(0), name=name, kind="init") for name in ("z", "y")]
    new = status(made)
    assert [one["name"] for one in new["containerStatuses"]] == ["a", "b"]
    assert [one["name"] for one in new["initContainerStatuses"]] == ["z", "y"]


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}, {}], "Burstable"),
        ([{"limits": {"nvidia.com/gpu": "1"}}], "BestEffort"),
    ],
)
def test_quality_of_service(resources, expected):
    assert qos_class({"containers": [{"name": "c", "resources": one} for one in resources]}) == expected
