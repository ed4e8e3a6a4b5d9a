from datetime import UTC, datetime

import pytest

from sandbox.cluster.resources.pod_status import pod_cells, pod_status_text

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def pod(*, phase="Pending", init=(), containers=(), deleted=False, conditions=(), sidecar=False):
    specs = [{"name": f"i{n}"} | ({"restartPolicy": "Always"} if sidecar else {}) for n in range(len(init))]
    metadata = {"name": "p", "creationTimestamp": "2026-01-01T11:59:00Z"}
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    return {
        "metadata": metadata,
        "spec": {"initContainers": specs, "containers": [{"name": f"c{n}"} for n in range(max(len(containers), 1))]},
        "status": {
            "phase": phase,
            "conditions": list(conditions),
            "initContainerStatuses": [{"name": f"i{n}"} | status for n, status in enumerate(init)],
            "containerStatuses": [{"name": f"c{n}"} | status for n, status in enumerate(containers)],
        },
    }


RUNNING = {"ready": True, "state": {"running": {}}}
WAITING = {"state": {"waiting": {"reason": "PodInitializing"}}}


def waiting(reason):
    return {"state": {"waiting": {"reason": reason}}}


def ended(code, reason="", **more):
    return {"state": {"terminated": {"exitCode": code, "reason": reason} | more}}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (pod(), "Pending"),
        (pod(containers=[waiting("ContainerCreating")]), "ContainerCreating"),
        (pod(containers=[waiting("ImagePullBackOff")]), "ImagePullBackOff"),
        (pod(phase="Running", containers=[waiting("CrashLoopBackOff")]), "CrashLoopBackOff"),
        (pod(phase="Running", containers=[RUNNING]), "Running"),
        (pod(phase="Running", containers=[RUNNING], deleted=True), "Terminating"),
        (pod(phase="Failed", containers=[ended(1, "Error")], deleted=True), "Error"),
        (pod(phase="Succeeded", containers=[ended(0, "Completed")]), "Completed"),
        (pod(phase="Failed", containers=[ended(137, "OOMKilled")]), "OOMKilled"),
        (pod(phase="Failed", containers=[ended(3)]), "ExitCode:3"),
        (pod(phase="Failed", containers=[ended(3, signal=9)]), "Signal:9"),
        (pod(init=[WAITING, WAITING], containers=[WAITING]), "Init:0/2"),
        (pod(init=[ended(0, "Completed"), RUNNING], containers=[WAITING]), "Init:1/2"),
        (pod(init=[waiting("CrashLoopBackOff")], containers=[WAITING]), "Init:CrashLoopBackOff"),
        (pod(init=[ended(1, "Error")], containers=[WAITING]), "Init:Error"),
        (pod(init=[ended(1)], containers=[WAITING]), "Init:ExitCode:1"),
        (pod(init=[ended(0, "Completed")], containers=[WAITING]), "PodInitializing"),
        (pod(phase="Running", containers=[ended(0, "Completed"), RUNNING]), "NotReady"),
        (
            pod(conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]),
            "SchedulingGated",
        ),
    ],
)
def test_status_is_what_kubectl_shows(given, text):
    assert pod_status_text(given) == text


def test_restarts_say_when_the_last_one_was():
    last = {"restartCount": 2, "lastState": {"terminated": {"finishedAt": "2026-01-01T11:59:30Z"}}}
    cells = pod_cells(pod(phase="Running", containers=[RUNNING | last, RUNNING]), NOW)
    assert cells[:5] == ["p", "2/2", "Running", "2 (30s ago)", "60s"]


def test_running_sidecars_count_as_ready():
    cells = pod_cells(pod(phase="Running", init=[RUNNING | {"started": True}], containers=[RUNNING], sidecar=True), NOW)
    assert cells[1:3] == ["2/2", "Running"]
