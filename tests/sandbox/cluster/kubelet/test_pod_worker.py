"""The life of a pod from the outside: its status, its events, what its containers were told."""

import re

import pytest

from sandbox.cluster.api.objects import Key
from sandbox.cluster.resources.all import CONFIGMAPS, PODS

WEB = Key("default", "web")


def container(name="c", command=("sleep", "3600"), **spec):
    return {"name": name, "image": "busybox:1.36", "command": list(command)} | spec


def exits(code, name="c"):
    return container(name, ("sh", "-c", f"exit {code}"))


def state(cluster, pod="web", name="c"):
    status = cluster.pod(pod)["status"]
    found = [*status.get("initContainerStatuses", ()), *status["containerStatuses"]]
    found += status.get("ephemeralContainerStatuses", ())
    one = next(s for s in found if s["name"] == name)
    [(kind, detail)] = one["state"].items()
    return kind, detail.get("reason", ""), one["restartCount"]


def phase(cluster, pod="web"):
    return cluster.pod(pod)["status"]["phase"]


async def started(cluster, *containers, seconds=0, **spec):
    more = {"containers": list(containers)} if containers else {}
    cluster.create_pod("web", **more, **spec)
    await cluster.advance(seconds)


async def test_a_pod_starts_with_the_events_that_learners_know(cluster):
    await started(cluster)
    assert phase(cluster) == "Running"
    assert [event[1:] for event in cluster.events("web")] == [
        ("Scheduled", "Successfully assigned default/web to minikube"),
        ("Pulling", 'Pulling image "busybox:1.36"'),
        (
            "Pulled",
            'Successfully pulled image "busybox:1.36" in 0s (0s including waiting). Image size: 3000000 bytes.',
        ),
        ("Created", "Created container: c"),
        ("Started", "Started container c"),
    ]


async def test_an_image_that_is_there_is_not_pulled(cluster):
    await started(cluster)
    cluster.create_pod("second")
    await cluster.settle()
    messages = [message for _, _, message in cluster.events("second")]
    assert 'Container image "busybox:1.36" already present on machine' in messages


async def test_pulling_takes_the_time_that_is_said(cluster):
    cluster.runtime._pull_seconds = 1.2
    await started(cluster)
    assert state(cluster) == ("waiting", "ContainerCreating", 0)
    await cluster.advance(1.3)
    [pulled] = [message for _, reason, message in cluster.events("web") if reason == "Pulled"]
    assert pulled.startswith('Successfully pulled image "busybox:1.36" in 1.2s (1.2s including waiting).')


async def test_an_image_that_does_not_exist(cluster):
    await started(cluster, container(image="nosuchimage:v9"))
    assert (phase(cluster), *state(cluster)) == ("Pending", "waiting", "ErrImagePull", 0)
    await cluster.advance(2)
    assert state(cluster) == ("waiting", "ImagePullBackOff", 0)
    waiting = cluster.pod("web")["status"]["containerStatuses"][0]["state"]["waiting"]["message"]
    why = (
        'rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/library/nosuchimage:v9": failed'
        ' to resolve reference "docker.io/library/nosuchimage:v9": docker.io/library/nosuchimage:v9: not found'
    )
    assert waiting == f'Back-off pulling image "nosuchimage:v9": ErrImagePull: {why}'
    assert [event for event in cluster.events("web") if event[1] != "Scheduled"] == [
        ("Normal", "Pulling", 'Pulling image "nosuchimage:v9"'),
        ("Warning", "Failed", f'Failed to pull image "nosuchimage:v9": {why}'),
        ("Warning", "Failed", "Error: ErrImagePull"),
        ("Normal", "BackOff", 'Back-off pulling image "nosuchimage:v9"'),
        ("Warning", "Failed", "Error: ImagePullBackOff"),
    ]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"image": "redis:7", "imagePullPolicy": "Never"}, "ErrImageNeverPull"),
        ({"image": "UPPER/Case"}, "InvalidImageName"),
        ({"envFrom": [{"configMapRef": {"name": "nope"}}]}, "CreateContainerConfigError"),
        ({"securityContext": {"runAsNonRoot": True}}, "CreateContainerConfigError"),
    ],
)
async def test_why_a_container_waits(cluster, spec, reason):
    await started(cluster, container(**spec))
    assert state(cluster) == ("waiting", reason, 0)


async def test_a_config_map_that_comes_later_starts_the_container_at_once(cluster):
    await started(cluster, container(envFrom=[{"configMapRef": {"name": "late"}}]))
    assert ("Warning", "Failed", 'Error: configmap "late" not found') in cluster.events("web")
    cluster.registry.create(CONFIGMAPS, {"metadata": {"name": "late"}, "data": {"A": "1"}}, namespace="default")
    await cluster.settle()
    assert state(cluster) == ("running", "", 0)
    assert cluster.container("web").spec.environment["A"] == "1"


async def test_a_volume_that_comes_later(cluster):
    volume = {"name": "v", "configMap": {"name": "late"}}
    await started(cluster, volumes=[volume])
    message = 'MountVolume.SetUp failed for volume "v" : configmap "late" not found'
    assert ("Warning", "FailedMount", message) in cluster.events("web")
    assert state(cluster) == ("waiting", "ContainerCreating", 0)
    cluster.registry.create(CONFIGMAPS, {"metadata": {"name": "late"}}, namespace="default")
    await cluster.settle()
    assert phase(cluster) == "Running"


async def test_a_command_that_does_not_exist(cluster):
    await started(cluster, container(command=["/no/such/command"]), restartPolicy="Never")
    assert (phase(cluster), *state(cluster)) == ("Failed", "terminated", "StartError", 0)
    end = cluster.pod("web")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (end["exitCode"], end["startedAt"]) == (128, "1970-01-01T00:00:00Z")
    assert ("Warning", "Failed", f"Error: {end['message']}") in cluster.events("web")


@pytest.mark.parametrize(("code", "expected"), [(0, "Succeeded"), (3, "Failed")])
async def test_a_pod_that_is_never_restarted_ends(cluster, code, expected):
    await started(cluster, exits(code), restartPolicy="Never", seconds=60)
    assert (phase(cluster), state(cluster)[2]) == (expected, 0)


async def test_on_failure_only_failures_are_restarted(cluster):
    await started(cluster, exits(0), restartPolicy="OnFailure", seconds=60)
    assert phase(cluster) == "Succeeded"


async def test_a_crash_is_restarted_at_once_and_then_later_and_later(cluster):
    await started(cluster, exits(3))
    seen = []
    for wait in (0, 10, 20, 40, 80):
        await cluster.advance(wait)
        status = cluster.pod("web")["status"]["containerStatuses"][0]
        seen.append((status["restartCount"], status["state"]["waiting"]["message"].split(" restarting")[0]))
    assert seen == [
        (1, "back-off 10s"),
        (2, "back-off 20s"),
        (3, "back-off 40s"),
        (4, "back-off 1m20s"),
        (5, "back-off 2m40s"),
    ]
    uid = cluster.pod("web")["metadata"]["uid"]
    message = f"Back-off restarting failed container c in pod web_default({uid})"
    assert ("Warning", "BackOff", message) in cluster.events("web")
    assert cluster.pod("web")["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 3


async def test_ten_good_minutes_make_a_crash_the_first_again(cluster):
    await started(cluster)
    for _ in range(2):
        cluster.container("web").end(1)
        await cluster.advance(15)
    await cluster.advance(700)
    cluster.container("web").end(1)
    await cluster.settle()
    assert state(cluster) == ("running", "", 3)


async def test_out_of_memory_is_told(cluster):
    await started(cluster, restartPolicy="Never")
    cluster.container("web").end(137, oom_killed=True)
    await cluster.settle()
    assert state(cluster) == ("terminated", "OOMKilled", 0)


async def test_a_termination_message_is_shown(cluster):
    await started(cluster, restartPolicy="Never")
    running = cluster.container("web")
    [log] = [mount for mount in running.spec.mounts if mount.target == "/dev/termination-log"]
    with open(log.source, "w") as file:  # noqa: ASYNC230, PTH123 - what a program in the container would do
        file.write("no space left")
    running.end(1)
    await cluster.settle()
    assert cluster.pod("web")["status"]["containerStatuses"][0]["state"]["terminated"]["message"] == "no space left"


# Init containers and sidecars


async def test_init_containers_run_one_after_the_other_before_the_rest(cluster):
    await started(cluster, initContainers=[container("one"), container("two")])
    assert (phase(cluster), state(cluster), state(cluster, name="two")) == (
        "Pending",
        ("waiting", "PodInitializing", 0),
        ("waiting", "PodInitializing", 0),
    )
    cluster.container("web", "one").end(0)
    await cluster.settle()
    assert state(cluster, name="two")[0] == "running"
    assert state(cluster) == ("waiting", "PodInitializing", 0)
    cluster.container("web", "two").end(0)
    await cluster.settle()
    assert (phase(cluster), state(cluster)[0]) == ("Running", "running")
    assert state(cluster, name="one") == ("terminated", "Completed", 0)


async def test_an_init_container_that_fails_is_tried_again(cluster):
    await started(cluster, initContainers=[exits(1, "one")], seconds=11)
    assert phase(cluster) == "Pending"
    assert state(cluster, name="one") == ("waiting", "CrashLoopBackOff", 2)
    assert state(cluster) == ("waiting", "PodInitializing", 0)


async def test_an_init_container_that_fails_for_good(cluster):
    await started(cluster, initContainers=[exits(1, "one")], restartPolicy="Never", seconds=60)
    assert phase(cluster) == "Failed"
    assert state(cluster, name="one") == ("terminated", "Error", 0)


async def test_a_sidecar_runs_beside_and_ends_with_the_pod(cluster):
    sidecar = container("proxy", restartPolicy="Always")
    await started(cluster, container(), initContainers=[sidecar], restartPolicy="Never")
    assert (state(cluster, name="proxy")[0], state(cluster)[0]) == ("running", "running")
    cluster.container("web").end(0)
    await cluster.advance(1)
    assert phase(cluster) == "Succeeded"
    assert state(cluster, name="proxy")[0] == "terminated"


async def test_an_ephemeral_container_joins_a_running_pod(cluster):
    await started(cluster)
    debug = {"name": "debugger", "image": "busybox:1.36", "command": ["sh"], "stdin": True, "tty": True}
    cluster.registry.amend(PODS, WEB, lambda pod: pod["spec"].update(ephemeralContainers=[debug]))
    await cluster.settle()
    assert state(cluster, name="debugger")[0] == "running"
    cluster.container("web", "debugger").end(0)
    await cluster.advance(60)
    assert state(cluster, name="debugger") == ("terminated", "Completed", 0)
    assert phase(cluster) == "Running"


# The end


def deaf(running):
    """A program that only SIGKILL ends."""
    signals, end = [], running.end

    def kill(signal):
        signals.append(signal)
        if signal == 9:
            end(137)

    running.kill = kill
    return signals


async def test_deletion_asks_first_and_kills_after_the_grace_period(cluster):
    await started(cluster)
    signals = deaf(cluster.container("web"))
    cluster.registry.delete(PODS, WEB)
    await cluster.advance(29)
    assert signals == [15]
    assert cluster.registry.exists(PODS, WEB)
    await cluster.advance(2)
    assert signals == [15, 9]
    assert not cluster.registry.exists(PODS, WEB)
    assert cluster.events("web")[-1] == ("Normal", "Killing", "Stopping container c")
    assert cluster.runtime.pods == {}


async def test_a_program_that_listens_is_gone_at_once(cluster):
    await started(cluster)
    cluster.registry.delete(PODS, WEB)
    await cluster.settle()
    assert not cluster.registry.exists(PODS, WEB)


async def test_a_second_delete_may_shorten_the_grace_period(cluster):
    await started(cluster)
    signals = deaf(cluster.container("web"))
    cluster.registry.delete(PODS, WEB)
    await cluster.advance(1)
    cluster.registry.delete(PODS, WEB, grace=1)
    await cluster.advance(2)
    assert signals[-1] == 9
    assert not cluster.registry.exists(PODS, WEB)


async def test_force_deletion_kills_what_runs(cluster):
    await started(cluster)
    signals = deaf(cluster.container("web"))
    cluster.registry.delete(PODS, WEB, grace=0)
    assert not cluster.registry.exists(PODS, WEB)
    await cluster.settle()
    assert signals == [9]
    assert cluster.runtime.pods == {}


async def test_a_new_pod_may_have_the_name_of_one_that_was_forced_away(cluster):
    await started(cluster)
    cluster.registry.delete(PODS, WEB, grace=0)
    await started(cluster)
    assert phase(cluster) == "Running"
    assert list(cluster.runtime.pods) == [cluster.pod("web")["metadata"]["uid"]]


async def test_a_long_pull_does_not_hold_a_deletion_up(cluster):
    cluster.runtime._pull_seconds = 1000
    await started(cluster)
    cluster.registry.delete(PODS, WEB)
    await cluster.settle()
    assert not cluster.registry.exists(PODS, WEB)


async def test_pre_stop_has_its_time_before_the_signal(cluster):
    hook = {"preStop": {"sleep": {"seconds": 5}}}
    await started(cluster, container(lifecycle=hook))
    signals = deaf(cluster.container("web"))
    cluster.registry.delete(PODS, WEB)
    await cluster.advance(4)
    assert signals == []
    await cluster.advance(2)
    assert signals == [15]


async def test_a_post_start_hook_that_fails_restarts_the_container(cluster):
    hook = {"postStart": {"exec": {"command": ["true"]}}}  # nothing can be run in a simulated container
    await started(cluster, container(lifecycle=hook))
    reasons = {reason for _, reason, _ in cluster.events("web")}
    assert {"FailedPostStartHook", "Killing"} <= reasons
    assert state(cluster)[2] >= 1


async def test_a_pod_may_be_told_how_long_it_may_live(cluster):
    await started(cluster, activeDeadlineSeconds=30, seconds=29)
    assert phase(cluster) == "Running"
    await cluster.advance(2)
    status = cluster.pod("web")["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert status["message"] == "Pod was active on the node longer than the specified deadline"


async def test_names_in_statuses_have_kubernetes_form(cluster):
    await started(cluster)
    status = cluster.pod("web")["status"]["containerStatuses"][0]
    assert re.fullmatch("containerd://[0-9a-f]{64}", status["containerID"])
    assert re.fullmatch("docker.io/library/busybox@sha256:[0-9a-f]{64}", status["imageID"])
    assert re.fullmatch(r"10\.244\.0\.\d+", cluster.pod("web")["status"]["podIP"])
