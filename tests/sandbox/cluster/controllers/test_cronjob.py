"""The clock of these tests stands at 16:59:25."""

import pytest

from sandbox.cluster.api.errors import Invalid
from sandbox.cluster.api.objects import Key, key_of
from sandbox.cluster.resources.all import CRONJOBS, JOBS

HELLO = Key("default", "hello")
RUN = "sleep 1000"


def cron_job(schedule="* * * * *", command="exit 0", **spec):
    container = {"name": "c", "image": "busybox", "command": ["sh", "-c", command]}
    job = {"spec": {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}}
    return {"metadata": {"name": "hello"}, "spec": {"schedule": schedule, "jobTemplate": job} | spec}


async def created(cluster, *arguments, **spec):
    cluster.registry.create(CRONJOBS, cron_job(*arguments, **spec), namespace="default")
    await cluster.advance(1)


def jobs(cluster):
    return [job["metadata"]["name"] for job in cluster.registry.list(JOBS)]


def status(cluster):
    return cluster.registry.get(CRONJOBS, HELLO)["status"]


def reasons(cluster):
    return [reason for _, reason, _ in cluster.events("hello")]


async def test_a_job_is_started_each_minute(cluster):
    await created(cluster)
    assert jobs(cluster) == []
    await cluster.advance(60)
    [first] = jobs(cluster)
    minute = int(first.removeprefix("hello-"))
    assert status(cluster)["lastScheduleTime"] == "2026-11-23T17:00:00Z"
    assert status(cluster)["lastSuccessfulTime"] >= "2026-11-23T17:00:00Z"
    await cluster.advance(60)
    assert jobs(cluster) == [first, f"hello-{minute + 1}"]
    said = cluster.events("hello")
    assert ("Normal", "SuccessfulCreate", f"Created job {first}") in said
    assert ("Normal", "SawCompletedJob", f"Saw completed job: {first}, condition: Complete") in said
    job = cluster.registry.get(JOBS, Key("default", first))
    assert job["metadata"]["ownerReferences"][0]["name"] == "hello"
    assert job["metadata"]["annotations"] == {"batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-11-23T17:00:00Z"}


async def test_a_running_job_is_named_in_the_status(cluster):
    await created(cluster, "* * * * *", RUN)
    await cluster.advance(60)
    [reference] = status(cluster)["active"]
    [name] = jobs(cluster)
    assert (reference["kind"], reference["name"]) == ("Job", name)
    await cluster.advance(60)
    assert len(status(cluster)["active"]) == 2


async def test_forbid_waits_for_the_one_before(cluster):
    await created(cluster, "* * * * *", RUN, concurrencyPolicy="Forbid")
    await cluster.advance(180)
    [name] = jobs(cluster)
    assert "JobAlreadyActive" in reasons(cluster)
    [pod] = cluster.pods()
    cluster.container(pod["metadata"]["name"]).end(0)
    await cluster.advance(60)
    assert len(jobs(cluster)) == 2
    assert jobs(cluster)[0] == name


async def test_replace_takes_the_one_before(cluster):
    await created(cluster, "* * * * *", RUN, concurrencyPolicy="Replace")
    await cluster.advance(60)
    [first] = jobs(cluster)
    await cluster.advance(60)
    [second] = jobs(cluster)
    assert first != second
    assert ("Normal", "SuccessfulDelete", f"Deleted job {first}") in cluster.events("hello")


async def test_only_so_many_old_jobs_are_kept(cluster):
    await created(cluster, successfulJobsHistoryLimit=2)
    await cluster.advance(360)
    assert len(jobs(cluster)) == 2
    await cluster.advance(1)

    def fail(obj):
        obj["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["command"] = ["sh", "-c", "exit 1"]

    cluster.registry.patch(CRONJOBS, HELLO, fail)
    await cluster.advance(240)
    failed = [j for j in cluster.registry.list(JOBS) if j["status"].get("failed")]
    assert (len(jobs(cluster)), len(failed)) == (3, 1)


async def test_suspended_it_starts_nothing(cluster):
    await created(cluster, suspend=True)
    await cluster.advance(300)
    assert jobs(cluster) == []
    cluster.registry.patch(CRONJOBS, HELLO, lambda obj: obj["spec"].update(suspend=False))
    await cluster.advance(1)
    # What was missed is made good once.
    assert len(jobs(cluster)) == 1


async def test_what_was_missed_for_too_long_stays_missed(cluster):
    await created(cluster, "0 17 * * *", suspend=True, startingDeadlineSeconds=30)
    await cluster.advance(300)
    cluster.registry.patch(CRONJOBS, HELLO, lambda obj: obj["spec"].update(suspend=False))
    await cluster.advance(60)
    assert jobs(cluster) == []


async def test_days_of_missed_minutes_are_made_good_once(cluster):
    await created(cluster, suspend=True)
    await cluster.advance(3 * 86400)
    cluster.registry.patch(CRONJOBS, HELLO, lambda obj: obj["spec"].update(suspend=False))
    await cluster.advance(1)
    assert len(jobs(cluster)) == 1
    assert "TooManyMissedTimes" in reasons(cluster)
    assert status(cluster)["lastScheduleTime"] == "2026-11-26T16:59:00Z"


async def test_a_time_zone_moves_the_hour(cluster):
    await created(cluster, "0 2 * * *", timeZone="Asia/Seoul")
    await cluster.advance(60)
    assert len(jobs(cluster)) == 1
    job = cluster.registry.get(JOBS, Key("default", jobs(cluster)[0]))
    assert list(job["metadata"]["annotations"].values()) == ["2026-11-24T02:00:00+09:00"]


async def test_everything_goes_with_it(cluster):
    await created(cluster, "* * * * *", RUN)
    await cluster.advance(60)
    cluster.registry.delete(CRONJOBS, HELLO, propagation="Background")
    await cluster.advance(60)
    assert (jobs(cluster), cluster.pods()) == ([], [])


async def test_a_job_that_somebody_deletes_is_missed(cluster):
    await created(cluster, "* * * * *", RUN)
    await cluster.advance(60)
    cluster.registry.delete(JOBS, key_of(cluster.registry.list(JOBS)[0]), propagation="Background")
    await cluster.advance(5)
    assert "MissingJob" in reasons(cluster)
    assert "active" not in status(cluster)


@pytest.mark.parametrize(
    ("schedule", "zone", "why"),
    [
        ("61 * * * *", None, r"spec.schedule: Invalid value: \"61 \* \* \* \*\": end of range \(61\) above maximum"),
        ("TZ=UTC * * * * *", None, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"),
        ("* * * * *", "Nowhere/City", 'spec.timeZone: Invalid value: "Nowhere/City": unknown time zone Nowhere/City'),
    ],
)
async def test_what_is_no_time_is_refused(cluster, schedule, zone, why):
    with pytest.raises(Invalid, match=why):
        await created(cluster, schedule, timeZone=zone)
