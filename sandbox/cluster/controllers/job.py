"""Jobs: pods that are run until enough of them have succeeded, or too many failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sandbox.cluster.api.clock import Clock, stamp
from sandbox.cluster.api.errors import ApiError, NotFound
from sandbox.cluster.api.objects import Key, Object, copied, key_of
from sandbox.cluster.api.selectors import from_object
from sandbox.cluster.controller import Watch
from sandbox.cluster.controllers import job_pods
from sandbox.cluster.controllers.job_failure_policy import judged
from sandbox.cluster.controllers.job_indexes import read, written
from sandbox.cluster.controllers.job_verdict import (
    Tally,
    Verdict,
    deadline_in,
    has_condition,
    is_finished,
    set_condition,
    verdict,
)
from sandbox.cluster.controllers.owned_pods import OwnedPods
from sandbox.cluster.controllers.ownership import claim_pods, controllers_of
from sandbox.cluster.controllers.pod_views import PodViews
from sandbox.cluster.events import EventRecorder
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.jobs import JOBS
from sandbox.cluster.resources.pods import PODS

_BURST = 500
"""Pods made or deleted in one look, as in Kubernetes."""
_FIRST_DELAY, _LONGEST_DELAY = 10.0, 600.0
"""Seconds between a failure and the next pod, doubling with each failure in a row."""
_REFUSED = 5.0
"""Seconds until pods that were refused are tried again."""


class JobController:
    """Runs Jobs to their end."""

    name = "job-controller"

    def __init__(self, registry: Registry, *, views: PodViews, clock: Clock) -> None:
        self._registry = registry
        self._views = views
        self._clock = clock
        self._events = EventRecorder(registry, self.name, clock=clock)
        self._pods = OwnedPods(registry, self._events)
        self._failures: dict[str, tuple[int, float]] = {}
        """By uid: failures in a row and when the last was. Forgotten by a restart, as in Kubernetes."""

    def watches(self) -> Sequence[Watch]:
        """Its own kind, and pods."""
        return (Watch(JOBS), Watch(PODS, self._of_pod))

    def _of_pod(self, change: Change) -> Iterable[Key]:
        return controllers_of(change, "Job") if change.stored.indexed.owners or change.stored_before else ()

    async def reconcile(self, key: Key) -> float | None:
        """Count what ended, decide, make or delete pods, and say so."""
        job = self._registry.find(JOBS, key)
        if job is None or "deletionTimestamp" in job["metadata"] or is_finished(job):
            self._let_go(key)
            return None
        claim_pods(self._registry, self._views, job, from_object(job["spec"].get("selector")))
        status = copied(job.get("status") or {})
        self._start(job, status)
        job["status"] = status
        tally, counted = self._count(job, status)
        pods = self._all(job)
        end = verdict(job, tally, pods, now=self._clock.now())
        again = None
        if end is None:
            again = self._manage(job, tally, pods)
        else:
            self._clear(job, end, pods)
        self._write(key, job, tally, end)
        for pod in counted:
            self._untrack(pod)
        return again

    def _all(self, job: Object) -> list[Object]:
        return list(self._registry.list(PODS, owner=job["metadata"]["uid"]))

    def _let_go(self, key: Key) -> None:
        """Nobody counts the pods of a Job that is over or gone."""
        for pod in self._registry.list(
            PODS, namespace=key.namespace, labels={"matchLabels": {job_pods.JOB_NAME: key.name}}
        ):
            if job_pods.is_tracked(pod):
                self._untrack(pod)

    def _untrack(self, pod: Object) -> None:
        def change(obj: Object) -> None:
            kept = [one for one in obj["metadata"].get("finalizers") or () if one != job_pods.FINALIZER]
            obj["metadata"]["finalizers"] = kept

        try:
            self._registry.patch(PODS, key_of(pod), change)
        except NotFound:
            return

    def _start(self, job: Object, status: Object) -> None:
        """Begin, suspend or resume."""
        now, suspended = self._clock.now(), bool(job["spec"].get("suspend"))
        was = has_condition(job, "Suspended")
        if suspended:
            if set_condition(status, "Suspended", "True", "JobSuspended", "Job suspended", now=now):
                self._events.normal(job, "Suspended", "Job suspended")
        elif was:
            set_condition(status, "Suspended", "False", "JobResumed", "Job resumed", now=now)
            self._events.normal(job, "Resumed", "Job resumed")
            status["startTime"] = stamp(now)
        elif "startTime" not in status:
            status["startTime"] = stamp(now)

    # Counting

    def _count(self, job: Object, status: Object) -> tuple[Tally, list[Object]]:
        """Count what ended, in three steps of which each is safe to repeat: note, let go of the pod, add up.

        Changes `status` in place; the pods that were noted may be let go of once it is written.
        """
        pods = {job_pods.uid_of(one): one for one in self._all(job)}
        indexes = read(status.get("completedIndexes", ""), int(job["spec"].get("completions") or 0))
        noted = self._add_up(job, status, pods)
        tally, counted = Tally(indexes=indexes), []
        for uid, pod in sorted(pods.items(), key=lambda item: job_pods.ended_at(item[1])):
            if not job_pods.is_tracked(pod):
                continue
            field, refusal = self._outcome(job, pod)
            if not field:
                continue
            counted.append(pod)
            tally.refusal = tally.refusal or refusal
            if field == "ignored" or any(uid in noted[name] for name in noted):
                continue
            self._note_streak(job, pod, failed=field == "failed")
            noted[field].append(uid)
            index = job_pods.index_of(pod)
            if field == "succeeded" and job_pods.is_indexed(job) and index is not None:
                indexes.add(index)
        status["uncountedTerminatedPods"] = {name: uids for name, uids in noted.items() if uids}
        tally.failed = int(status.get("failed") or 0) + len(noted["failed"])
        if job_pods.is_indexed(job):
            tally.indexes = {one for one in indexes if one < int(job["spec"]["completions"])}
            tally.succeeded = len(tally.indexes)
        else:
            tally.succeeded = int(status.get("succeeded") or 0) + len(noted["succeeded"])
        return tally, counted

    @staticmethod
    def _add_up(job: Object, status: Object, pods: dict[str, Object]) -> dict[str, list[str]]:
        """Pods that were noted and let go of are numbers from now on; returns those that are not."""
        noted = status.get("uncountedTerminatedPods") or {}
        left: dict[str, list[str]] = {"succeeded": [], "failed": []}
        for field, waiting in left.items():
            for uid in noted.get(field) or ():
                if uid in pods and job_pods.is_tracked(pods[uid]):
                    waiting.append(uid)
                else:
                    status[field] = int(status.get(field) or 0) + 1
        return left

    @staticmethod
    def _outcome(job: Object, pod: Object) -> tuple[str, str]:
        """(succeeded, failed, ignored or nothing yet, why it fails the Job)."""
        if job_pods.has_succeeded(pod):
            index = job_pods.index_of(pod)
            stray = job_pods.is_indexed(job) and (index is None or index >= int(job["spec"]["completions"]))
            return ("ignored" if stray else "succeeded"), ""
        if not job_pods.has_failed(pod, job):
            return "", ""
        action, message = judged(pod, job["spec"].get("podFailurePolicy"))
        if action == "Ignore":
            return "ignored", ""
        return "failed", message if action == "FailJob" else ""

    def _note_streak(self, job: Object, pod: Object, *, failed: bool) -> None:
        uid = job["metadata"]["uid"]
        if not failed:
            self._failures.pop(uid, None)
            return
        count, _ = self._failures.get(uid, (0, 0.0))
        self._failures[uid] = (count + 1, job_pods.ended_at(pod) or self._clock.now().timestamp())

    def _delay(self, job: Object) -> float:
        count, last = self._failures.get(job["metadata"]["uid"], (0, 0.0))
        if not count:
            return 0.0
        delay: float = min(_FIRST_DELAY * 2 ** min(count - 1, 20), _LONGEST_DELAY)
        return max(0.0, last + delay - self._clock.now().timestamp())

    # Pods

    def _clear(self, job: Object, end: Verdict, pods: Sequence[Object]) -> None:
        """It ends: whatever still runs goes. After a success that is no failure."""
        for pod in pods:
            if job_pods.is_active(pod):
                self._remove(job, pod, forgiven=end.last == "Complete")

    def _remove(self, job: Object, pod: Object, *, forgiven: bool) -> None:
        if forgiven:
            self._untrack(pod)
        self._pods.delete(job, key_of(pod), job_pods.uid_of(pod))

    def _manage(self, job: Object, tally: Tally, pods: Sequence[Object]) -> float | None:
        """As many active pods as should be; seconds until it must be looked at again."""
        active = sorted((one for one in pods if job_pods.is_active(one)), key=job_pods.removal_order)
        wanted = self._wanted(job, tally, len(active))
        for pod in active[: max(0, len(active) - wanted)]:
            self._remove(job, pod, forgiven=True)
        left = deadline_in(job, now=self._clock.now())
        waits = [] if left is None else [max(left, 0.001)]
        missing = wanted - len(active)
        if job["spec"].get("podReplacementPolicy") == "Failed" or job["spec"].get("podFailurePolicy"):
            missing -= sum(1 for one in pods if job_pods.is_terminating(one))
        if missing > 0:
            delay = self._delay(job)
            if delay > 0:
                waits.append(delay)
            elif not self._make(job, tally, pods, min(missing, _BURST)):
                waits.append(_REFUSED)
        return min(waits) if waits else None

    @staticmethod
    def _wanted(job: Object, tally: Tally, active: int) -> int:
        spec = job["spec"]
        if spec.get("suspend"):
            return 0
        if spec.get("completions") is None:
            return min(active, int(spec["parallelism"])) if tally.succeeded else int(spec["parallelism"])
        return max(0, min(int(spec["completions"]) - tally.succeeded, int(spec["parallelism"])))

    def _make(self, job: Object, tally: Tally, pods: Sequence[Object], count: int) -> bool:
        """Make pods, for an Indexed Job those of the first indexes that nobody works on; False when refused."""
        indexes: list[int | None] = [None] * count
        if job_pods.is_indexed(job):
            busy = {job_pods.index_of(one) for one in pods if job_pods.is_active(one)} | tally.indexes
            free = (index for index in range(int(job["spec"]["completions"])) if index not in busy)
            indexes = [index for index, _ in zip(free, range(count), strict=False)]
        for index in indexes:
            try:
                self._pods.create(job, job_pods.new_pod(job, index))
            except ApiError:
                return False
        return True

    # Saying so

    def _write(self, key: Key, job: Object, tally: Tally, end: Verdict | None) -> None:
        status = job["status"]
        pods = self._all(job)
        active = [one for one in pods if job_pods.is_active(one)]
        status["terminating"] = sum(1 for one in pods if job_pods.is_terminating(one))
        status["ready"] = sum(1 for one in active if job_pods.is_ready(one))
        status.pop("active", None)
        if active:
            status["active"] = len(active)
        if job_pods.is_indexed(job):
            self._write_indexes(status, tally)
        if end is not None:
            self._end(status, end, busy=bool(active or status["terminating"] or status["uncountedTerminatedPods"]))

        def change(obj: Object) -> None:
            obj["status"] = status

        self._registry.patch_status(JOBS, key, change)
        if end is not None and is_finished(job):
            self._failures.pop(job["metadata"]["uid"], None)
            self._announce(job, end)

    @staticmethod
    def _write_indexes(status: Object, tally: Tally) -> None:
        status.pop("completedIndexes", None)
        status.pop("succeeded", None)
        if tally.indexes:
            status |= {"completedIndexes": written(tally.indexes), "succeeded": len(tally.indexes)}

    def _end(self, status: Object, end: Verdict, *, busy: bool) -> None:
        """Announce the end, and end it when nothing runs any more and everything is counted."""
        now = self._clock.now()
        set_condition(status, end.first, "True", end.reason, end.message, now=now)
        if busy:
            return
        set_condition(status, end.last, "True", end.reason, end.message, now=now)
        if end.last == "Complete":
            status["completionTime"] = stamp(now)

    def _announce(self, job: Object, end: Verdict) -> None:
        if end.last == "Complete":
            self._events.normal(job, "Completed", "Job completed")
        else:
            self._events.warning(job, end.reason, end.message)
