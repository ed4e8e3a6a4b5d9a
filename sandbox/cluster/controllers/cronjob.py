"""CronJobs: a Job each time the schedule says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime

from sandbox.cluster.api import cron
from sandbox.cluster.api.clock import Clock, parse_time, stamp
from sandbox.cluster.api.errors import AlreadyExists, ApiError, NotFound
from sandbox.cluster.api.objects import Key, Object, controller_of, copied, key_of
from sandbox.cluster.controller import Watch
from sandbox.cluster.controllers.job_verdict import has_condition, is_finished
from sandbox.cluster.controllers.ownership import controllers_of, owner_reference
from sandbox.cluster.events import EventRecorder
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.cronjobs import CRONJOBS
from sandbox.cluster.resources.jobs import JOBS

_SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_MISSED = 100
"""After so many missed times somebody should be told."""
_LATER = 0.1
"""Seconds after the minute, so that no clock is early."""


class CronJobController:
    """Starts Jobs by the clock, and clears away old ones."""

    name = "cronjob-controller"

    def __init__(self, registry: Registry, *, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._events = EventRecorder(registry, self.name, clock=clock)

    def watches(self) -> Sequence[Watch]:
        """Its own kind, and Jobs."""
        return (Watch(CRONJOBS), Watch(JOBS, self._of_job))

    def _of_job(self, change: Change) -> Iterable[Key]:
        return controllers_of(change, "CronJob")

    async def reconcile(self, key: Key) -> float | None:
        """Take note of Jobs that ended, start one if it is time; seconds until the next time."""
        cronjob = self._registry.find(CRONJOBS, key)
        if cronjob is None or "deletionTimestamp" in cronjob["metadata"]:
            return None
        jobs = self._jobs(cronjob)
        cronjob["status"] = self._noted(cronjob, jobs)
        self._save(key, cronjob)
        again = None
        try:
            again = self._keep_time(key, cronjob)
        except cron.BadSchedule as error:
            self._events.warning(cronjob, "UnparseableSchedule", f"unparseable schedule: {error}")
        except ApiError as error:
            self._events.warning(cronjob, "FailedCreate", f"Error creating job: {error}")
            again = 10.0
        self._clean_up(cronjob, jobs)
        return again

    def _save(self, key: Key, cronjob: Object) -> None:
        def change(obj: Object) -> None:
            obj["status"] = cronjob["status"]

        self._registry.patch_status(CRONJOBS, key, change)

    def _jobs(self, cronjob: Object) -> list[Object]:
        uid = cronjob["metadata"]["uid"]
        found = self._registry.list(JOBS, owner=uid)
        return [job for job in found if (controller_of(job) or {}).get("uid") == uid]

    # What became of the Jobs

    def _noted(self, cronjob: Object, jobs: Sequence[Object]) -> Object:
        """The status after a look at the Jobs."""
        status: Object = copied(cronjob.get("status") or {})
        known = {one["metadata"]["uid"]: one for one in jobs}
        active = []
        for reference in status.get("active") or ():
            job = known.get(reference["uid"])
            if job is None:
                self._events.normal(cronjob, "MissingJob", f"Active job went missing: {reference['name']}")
            elif is_finished(job):
                self._note_end(cronjob, job)
            else:
                active.append(reference)
        listed = {one["uid"] for one in active}
        for job in jobs:
            if has_condition(job, "Complete"):
                _note_success(status, job)
            if not is_finished(job) and job["metadata"]["uid"] not in listed:
                said = f"Saw a job that the controller did not create or forgot: {job['metadata']['name']}"
                self._events.warning(cronjob, "UnexpectedJob", said)
        status.pop("active", None)
        return ({"active": active} if active else {}) | status

    def _note_end(self, cronjob: Object, job: Object) -> None:
        how = "Complete" if has_condition(job, "Complete") else "Failed"
        self._events.normal(
            cronjob, "SawCompletedJob", f"Saw completed job: {job['metadata']['name']}, condition: {how}"
        )

    # Time

    def _keep_time(self, key: Key, cronjob: Object) -> float | None:
        spec, now = cronjob["spec"], self._clock.now()
        zone = cron.zone_of(spec.get("timeZone"))
        schedule = cron.parse(spec["schedule"], zone)
        if spec.get("suspend"):
            return None
        due = self._due(cronjob, schedule, now)
        if due is not None and self._may_start(cronjob, due, now):
            self._start(key, cronjob, due, scheduled=due.astimezone(zone))
        upcoming = schedule.after(now if due is None else max(due, now))
        return None if upcoming is None else (upcoming - now).total_seconds() + _LATER

    def _due(self, cronjob: Object, schedule: cron.Schedule, now: datetime) -> datetime | None:
        """The last time that has come and was not served."""
        last = (cronjob.get("status") or {}).get("lastScheduleTime")
        since = parse_time(last or cronjob["metadata"]["creationTimestamp"])
        deadline = cronjob["spec"].get("startingDeadlineSeconds")
        if deadline is not None:
            since = max(since, now - timedelta(seconds=min(int(deadline), 10**9)))
        missed, time = 0, schedule.after(since)
        due = None
        while time is not None and time <= now:
            due, missed = time, missed + 1
            if missed > _MISSED:
                self._complain(cronjob)
                return _latest(schedule, due, now)
            time = schedule.after(time)
        return due

    def _complain(self, cronjob: Object) -> None:
        self._events.warning(
            cronjob,
            "TooManyMissedTimes",
            "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew",
        )

    def _may_start(self, cronjob: Object, due: datetime, now: datetime) -> bool:
        deadline = cronjob["spec"].get("startingDeadlineSeconds")
        if deadline is not None and (now - due).total_seconds() > int(deadline):
            self._events.warning(
                cronjob, "MissSchedule", f"Missed scheduled time to start a job: {format_datetime(due)}"
            )
            return False
        active = cronjob["status"].get("active") or []
        policy = cronjob["spec"]["concurrencyPolicy"]
        if policy == "Forbid" and active:
            why = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self._events.normal(cronjob, "JobAlreadyActive", why)
            return False
        if policy == "Replace":
            for reference in active:
                self._delete(cronjob, Key(cronjob["metadata"]["namespace"], reference["name"]), reference["uid"])
            cronjob["status"].pop("active", None)
        return True

    def _start(self, key: Key, cronjob: Object, due: datetime, *, scheduled: datetime) -> None:
        name = f"{key.name}-{int(due.timestamp()) // 60}"
        try:
            job = self._registry.create(JOBS, _job(cronjob, name, scheduled), namespace=key.namespace)
        except AlreadyExists:
            job = self._registry.get(JOBS, Key(key.namespace, name))
            if (controller_of(job) or {}).get("uid") != cronjob["metadata"]["uid"]:
                raise
        else:
            self._events.normal(cronjob, "SuccessfulCreate", f"Created job {name}")
        status = cronjob["status"]
        active = [one for one in status.get("active") or () if one["uid"] != job["metadata"]["uid"]]
        if not is_finished(job):
            active.append(_reference(job))
        cronjob["status"] = ({"active": active} if active else {}) | status | {"lastScheduleTime": stamp(due)}
        if active:
            cronjob["status"]["active"] = active
        self._save(key, cronjob)

    # History

    def _clean_up(self, cronjob: Object, jobs: Sequence[Object]) -> None:
        for condition, field in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
            ended = [job for job in jobs if has_condition(job, condition)]
            ended.sort(key=lambda job: ((job["status"].get("startTime") or ""), job["metadata"]["name"]))
            for job in ended[: max(0, len(ended) - int(cronjob["spec"][field]))]:
                self._delete(cronjob, key_of(job), job["metadata"]["uid"])

    def _delete(self, cronjob: Object, key: Key, uid: str) -> None:
        try:
            self._registry.delete(JOBS, key, propagation="Background", uid=uid)
        except NotFound:
            return
        self._events.normal(cronjob, "SuccessfulDelete", f"Deleted job {key.name}")


def _latest(schedule: cron.Schedule, due: datetime, now: datetime) -> datetime:
    """The last time before now, by halving the span in which it must lie instead of counting through it."""
    low, high = due, now
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        time = schedule.after(middle)
        if time is not None and time <= now:
            low = time
        else:
            high = middle
    return low.replace(microsecond=0)


def _note_success(status: Object, job: Object) -> None:
    ended = job["status"].get("completionTime")
    if ended and ended > status.get("lastSuccessfulTime", ""):
        status["lastSuccessfulTime"] = ended


def _job(cronjob: Object, name: str, scheduled: datetime) -> Object:
    template = copied(cronjob["spec"]["jobTemplate"])
    given = template.get("metadata") or {}
    metadata: Object = {
        "name": name,
        "annotations": (given.get("annotations") or {}) | {_SCHEDULED: scheduled.isoformat().replace("+00:00", "Z")},
        "ownerReferences": [owner_reference(cronjob)],
    }
    for field in ("labels", "finalizers"):
        if given.get(field):
            metadata[field] = given[field]
    return {"metadata": metadata, "spec": template["spec"]}


def _reference(job: Object) -> Object:
    metadata = job["metadata"]
    return {
        "kind": "Job",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "apiVersion": "batch/v1",
        "resourceVersion": metadata["resourceVersion"],
    }
