import pytest

from sandbox.cluster.api.errors import Invalid
from sandbox.cluster.api.objects import Key, key_of
from sandbox.cluster.resources.all import JOBS, PODS

PI = Key("default", "pi")


def job(command="exit 0", *, restart="Never", **spec):
    container = {"name": "c", "image": "busybox", "command": ["sh", "-c", command]}
    template = {"spec": {"restartPolicy": restart, "containers": [container]}}
    return {"metadata": {"name": "pi"}, "spec": {"template": template} | spec}


async def created(cluster, command="exit 0", **spec):
    made = cluster.registry.create(JOBS, job(command, **spec), namespace="default")
    await cluster.advance(5)
    return made


def status(cluster):
    return cluster.registry.get(JOBS, PI)["status"]


def conditions(cluster):
    return {c["type"]: (c["status"], c["reason"]) for c in status(cluster).get("conditions", ())}


def pod_of_index(cluster, index):
    label = f"batch.kubernetes.io/job-completion-index={index}"
    return next(pod for pod in cluster.pods(labels=label) if pod["status"]["phase"] in ("Running", "Pending"))


def end(cluster, pod, code=0):
    cluster.container(pod["metadata"]["name"]).end(code)


RUN = "sleep 1000"


async def test_a_job_runs_once_and_is_complete(cluster):
    await created(cluster)
    found = status(cluster)
    assert conditions(cluster) == {
        "SuccessCriteriaMet": ("True", "CompletionsReached"),
        "Complete": ("True", "CompletionsReached"),
    }
    assert {k: found[k] for k in ("succeeded", "ready", "terminating", "uncountedTerminatedPods")} == {
        "succeeded": 1,
        "ready": 0,
        "terminating": 0,
        "uncountedTerminatedPods": {},
    }
    assert found["completionTime"] >= found["startTime"]
    [pod] = cluster.pods()
    assert pod["metadata"]["labels"]["job-name"] == "pi"
    assert "finalizers" not in pod["metadata"] or not pod["metadata"]["finalizers"]
    said = cluster.events("pi")
    assert ("Normal", "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}") in said
    assert said[-1] == ("Normal", "Completed", "Job completed")


async def test_so_many_at_a_time_until_there_are_enough(cluster):
    await created(cluster, RUN, completions=5, parallelism=2)
    for done in range(5):
        running = [pod for pod in cluster.pods() if pod["status"]["phase"] == "Running"]
        assert len(running) == min(2, 5 - done)
        end(cluster, running[0])
        await cluster.advance(2)
    assert conditions(cluster)["Complete"] == ("True", "CompletionsReached")
    assert status(cluster)["succeeded"] == 5
    assert len(cluster.pods()) == 5


async def test_without_completions_one_success_ends_it_when_all_are_done(cluster):
    await created(cluster, RUN, parallelism=3)
    first, second, third = cluster.pods()
    end(cluster, first)
    await cluster.advance(5)
    assert (len(cluster.pods()), "Complete" in conditions(cluster)) == (3, False)
    end(cluster, second)
    end(cluster, third)
    await cluster.advance(5)
    assert conditions(cluster)["Complete"][0] == "True"
    assert status(cluster)["succeeded"] == 3


async def test_failures_are_repeated_later_each_time_up_to_the_limit(cluster):
    await created(cluster, "exit 3", backoffLimit=2)
    assert len(cluster.pods()) == 1
    await cluster.advance(10)
    assert len(cluster.pods()) == 2
    await cluster.advance(10)
    assert len(cluster.pods()) == 2
    await cluster.advance(15)
    assert len(cluster.pods()) == 3
    assert conditions(cluster) == {
        "FailureTarget": ("True", "BackoffLimitExceeded"),
        "Failed": ("True", "BackoffLimitExceeded"),
    }
    assert status(cluster)["failed"] == 3
    assert cluster.events("pi")[-1] == (
        "Warning",
        "BackoffLimitExceeded",
        "Job has reached the specified backoff limit",
    )
    await cluster.advance(1000)
    assert len(cluster.pods()) == 3


async def test_restarts_in_place_count_against_the_limit(cluster):
    await created(cluster, "exit 1", restart="OnFailure", backoffLimit=2)
    await cluster.advance(200)
    assert conditions(cluster)["Failed"] == ("True", "BackoffLimitExceeded")
    assert cluster.pods() == []


async def test_a_job_may_not_be_active_for_too_long(cluster):
    await created(cluster, RUN, activeDeadlineSeconds=30)
    await cluster.advance(20)
    assert conditions(cluster) == {}
    await cluster.advance(60)
    assert conditions(cluster)["Failed"] == ("True", "DeadlineExceeded")
    assert cluster.pods() == []
    assert ("Warning", "DeadlineExceeded", "Job was active longer than specified deadline") in cluster.events("pi")


async def test_a_deleted_pod_is_replaced_and_counts_as_failed(cluster):
    await created(cluster, RUN)
    [pod] = cluster.pods()
    cluster.registry.delete(PODS, key_of(pod))
    await cluster.advance(60)
    [other] = cluster.pods()
    assert other["metadata"]["uid"] != pod["metadata"]["uid"]
    assert status(cluster)["failed"] == 1


async def test_a_finished_pod_that_is_deleted_still_counts(cluster):
    await created(cluster, RUN, completions=2)
    [first] = cluster.pods()
    end(cluster, first)
    await cluster.advance(2)
    cluster.registry.delete(PODS, key_of(first))
    await cluster.advance(2)
    [second] = cluster.pods()
    end(cluster, second)
    await cluster.advance(5)
    assert (status(cluster)["succeeded"], conditions(cluster)["Complete"][0]) == (2, "True")


async def test_indexes_are_named_in_pods_and_status(cluster):
    await created(cluster, RUN, completions=4, parallelism=4, completionMode="Indexed")
    pod = pod_of_index(cluster, 2)
    assert pod["metadata"]["name"].startswith("pi-2-")
    assert pod["spec"]["hostname"] == "pi-2"
    assert pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] == "2"
    assert cluster.container(pod["metadata"]["name"]).spec.environment["JOB_COMPLETION_INDEX"] == "2"
    for index in (0, 1, 2):
        end(cluster, pod_of_index(cluster, index))
    end(cluster, pod_of_index(cluster, 3), code=1)
    await cluster.advance(15)
    assert (status(cluster)["completedIndexes"], status(cluster)["succeeded"]) == ("0-2", 3)
    end(cluster, pod_of_index(cluster, 3))
    await cluster.advance(5)
    assert (status(cluster)["completedIndexes"], status(cluster)["failed"]) == ("0-3", 1)
    assert conditions(cluster)["Complete"][0] == "True"


async def test_a_success_policy_ends_it_early(cluster):
    policy = {"rules": [{"succeededIndexes": "0", "succeededCount": 1}]}
    await created(cluster, RUN, completions=3, parallelism=3, completionMode="Indexed", successPolicy=policy)
    end(cluster, pod_of_index(cluster, 0))
    await cluster.advance(60)
    assert conditions(cluster)["Complete"] == ("True", "SuccessPolicy")
    assert (len(cluster.pods()), status(cluster).get("failed")) == (1, None)


async def test_suspending_takes_the_pods_and_resuming_brings_them_back(cluster):
    await created(cluster, RUN, suspend=True)
    assert cluster.pods() == []
    assert conditions(cluster) == {"Suspended": ("True", "JobSuspended")}
    assert "startTime" not in status(cluster)

    def suspend(value):
        cluster.registry.patch(JOBS, PI, lambda obj: obj["spec"].update(suspend=value))

    suspend(False)
    await cluster.advance(5)
    assert len(cluster.pods()) == 1
    assert conditions(cluster) == {"Suspended": ("False", "JobResumed")}
    assert status(cluster)["active"] == 1
    suspend(True)
    await cluster.advance(60)
    assert (cluster.pods(), status(cluster).get("failed")) == ([], None)
    assert {"Suspended", "Resumed", "SuccessfulDelete"} <= {reason for _, reason, _ in cluster.events("pi")}


@pytest.mark.parametrize(
    ("action", "code", "expected"),
    [
        ("FailJob", 42, "PodFailurePolicy"),
        ("Ignore", 42, None),
        ("Count", 42, "BackoffLimitExceeded"),
        ("FailJob", 1, "BackoffLimitExceeded"),
    ],
)
async def test_a_failure_policy_looks_at_exit_codes(cluster, action, code, expected):
    rule = {"action": action, "onExitCodes": {"containerName": "c", "operator": "In", "values": [42]}}
    await created(cluster, RUN, backoffLimit=0, podFailurePolicy={"rules": [rule]})
    [pod] = cluster.pods()
    end(cluster, pod, code=code)
    await cluster.advance(20)
    assert conditions(cluster).get("Failed", (None, None))[1] == expected
    if expected == "PodFailurePolicy":
        [message] = {c["message"] for c in status(cluster)["conditions"]}
        name = pod["metadata"]["name"]
        assert message == (
            f"Container c for pod default/{name} failed with exit code 42 matching FailJob rule at index 0"
        )
    if expected is None:
        assert (status(cluster).get("failed"), len(cluster.pods())) == (None, 2)


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
async def test_its_pods_go_with_it(cluster, propagation):
    await created(cluster, RUN, completions=3, parallelism=3)
    cluster.registry.delete(JOBS, PI, propagation=propagation)
    await cluster.advance(60)
    assert (cluster.pods(), cluster.registry.exists(JOBS, PI)) == ([], False)


async def test_orphans_are_let_go_of(cluster):
    await created(cluster, RUN)
    cluster.registry.delete(JOBS, PI, propagation="Orphan")
    await cluster.advance(5)
    [pod] = cluster.pods()
    assert not pod["metadata"].get("ownerReferences")
    assert not pod["metadata"].get("finalizers")


async def test_counting_goes_on_where_a_crash_left_it(cluster):
    """Noted but not let go of; noted and let go of; neither."""
    await created(cluster, RUN, completions=3, parallelism=3)
    first, second, third = cluster.pods()
    noted = [first["metadata"]["uid"], second["metadata"]["uid"]]

    def note(obj):
        obj["status"]["uncountedTerminatedPods"] = {"succeeded": noted}

    cluster.registry.patch(PODS, key_of(second), lambda obj: obj["metadata"].update(finalizers=[]))
    for pod in (first, second, third):
        end(cluster, pod)
        cluster.registry.patch_status(PODS, key_of(pod), lambda obj: obj["status"].update(phase="Succeeded"))
    cluster.registry.patch_status(JOBS, PI, note)
    await cluster.advance(5)
    assert status(cluster)["succeeded"] == 3
    assert len(cluster.pods()) == 3


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (
            {"completionMode": "Indexed", "parallelism": 2},
            "spec.completions: Required value: when completion mode is Indexed",
        ),
        ({"backoffLimitPerIndex": 1}, "spec.backoffLimitPerIndex: Forbidden: this cluster does not count"),
        (
            {"podFailurePolicy": {"rules": [{"action": "Wait"}]}},
            r"spec.podFailurePolicy.rules\[0\].action: Unsupported",
        ),
        ({"podFailurePolicy": {"rules": [{"action": "Count"}]}, "restart": "OnFailure"}, 'only "Never" is supported'),
    ],
)
async def test_what_cannot_be_run_is_refused(cluster, spec, why):
    with pytest.raises(Invalid, match=why):
        await created(cluster, **spec)
