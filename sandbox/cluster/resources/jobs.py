"""Jobs."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.printing import (
    AGE,
    NAME,
    age,
    containers_text,
    duration_text,
    parse_time,
    selector_text,
    wide,
)
from sandbox.cluster.resources.resource import Column, Resource

_CONDITIONS = (("Complete", "Complete"), ("Failed", "Failed"), ("Suspended", "Suspended"))
_ENDING = (("FailureTarget", "FailureTarget"), ("SuccessCriteriaMet", "SuccessCriteriaMet"))


def _status(job: Object) -> str:
    conditions = job.get("status", {}).get("conditions") or ()
    true = {c.get("type") for c in conditions if c.get("status") == "True"}
    for condition, text in _CONDITIONS[:2]:
        if condition in true:
            return text
    if job["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for condition, text in (*_CONDITIONS[2:], *_ENDING):
        if condition in true:
            return text
    return "Running"


def _completions(job: Object) -> str:
    spec, done = job["spec"], job.get("status", {}).get("succeeded", 0)
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    parallelism = spec.get("parallelism") or 0
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _duration(job: Object, now: datetime) -> str:
    status = job.get("status", {})
    start = parse_time(status.get("startTime"))
    if start is None:
        return ""
    end = parse_time(status.get("completionTime")) or now
    return duration_text((end - start).total_seconds())


def _cells(job: Object, now: datetime) -> list[object]:
    names, images = containers_text(job["spec"]["template"])
    return [
        job["metadata"]["name"],
        _status(job),
        _completions(job),
        _duration(job, now),
        age(job, now),
        names,
        images,
        selector_text(job["spec"].get("selector")),
    ]


JOBS = Resource(
    kind="Job",
    plural="jobs",
    group="batch",
    categories=("all",),
    subresources=("status",),
    columns=(
        NAME,
        Column("Status"),
        Column("Completions"),
        Column("Duration"),
        AGE,
        wide("Containers"),
        wide("Images"),
        wide("Selector"),
    ),
    cells=_cells,
    selectable_fields=("status.successful",),
)
