"""CronJobs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sandbox.cluster.api import cron
from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import invalid, required
from sandbox.cluster.resources.container_validation import not_negative, one_of_many
from sandbox.cluster.resources.jobs import default_job_spec, job_spec_causes
from sandbox.cluster.resources.printing import AGE, NAME, NONE, age, containers_text, selector_text, since, wide
from sandbox.cluster.resources.resource import Column, Resource
from sandbox.cluster.resources.workload import bump_generation, start_generation


def _default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec["concurrencyPolicy"] = spec.get("concurrencyPolicy") or "Allow"
    spec.setdefault("suspend", False)
    for name, value in (("successfulJobsHistoryLimit", 3), ("failedJobsHistoryLimit", 1)):
        if spec.get(name) is None:
            spec[name] = value
    template = spec.setdefault("jobTemplate", {})
    template["metadata"] = {"creationTimestamp": None} | (template.get("metadata") or {})
    default_job_spec(template.setdefault("spec", {}))


def _schedule_causes(spec: Object) -> list[Object]:
    schedule, zone = spec.get("schedule") or "", spec.get("timeZone")
    if not schedule:
        return [required("spec.schedule")]
    causes: list[Object] = []
    if "TZ=" in schedule:
        why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        causes.append(invalid("spec.schedule", schedule, why))
    else:
        causes += _tried(lambda: cron.parse(schedule), "spec.schedule", schedule)
    if zone is not None:
        causes += _tried(lambda: cron.zone_of(zone), "spec.timeZone", zone)
    return causes


def _tried(reading: Callable[[], object], field: str, value: str) -> list[Object]:
    try:
        reading()
    except cron.BadSchedule as error:
        return [invalid(field, value, str(error))]
    return []


def _validate(obj: Object, _old: Object | None) -> list[Object]:
    spec = obj["spec"]
    causes = _schedule_causes(spec)
    causes += one_of_many(spec["concurrencyPolicy"], "spec.concurrencyPolicy", ("Allow", "Forbid", "Replace"))
    for name in ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        causes += not_negative(spec, name, "spec")
    if len(obj["metadata"]["name"]) > 52:
        causes.append(invalid("metadata.name", obj["metadata"]["name"], "must be no more than 52 characters"))
    return causes + job_spec_causes(spec["jobTemplate"]["spec"], "spec.jobTemplate.spec")


def _cells(obj: Object, now: datetime) -> list[object]:
    spec, status = obj["spec"], obj.get("status", {})
    job = spec["jobTemplate"].get("spec", {})
    names, images = containers_text(job.get("template", {}))
    last = status.get("lastScheduleTime")
    return [
        obj["metadata"]["name"],
        spec.get("schedule", ""),
        spec.get("timeZone") or NONE,
        str(bool(spec.get("suspend"))),
        len(status.get("active") or ()),
        since(last, now) if last else NONE,
        age(obj, now),
        names,
        images,
        selector_text(job.get("selector")),
    ]


CRONJOBS = Resource(
    kind="CronJob",
    plural="cronjobs",
    group="batch",
    short_names=("cj",),
    categories=("all",),
    subresources=("status",),
    columns=(
        NAME,
        Column("Schedule"),
        Column("Timezone"),
        Column("Suspend", "boolean"),
        Column("Active", "integer"),
        Column("Last Schedule"),
        AGE,
        wide("Containers"),
        wide("Images"),
        wide("Selector"),
    ),
    cells=_cells,
    default=_default,
    prepare_create=start_generation,
    prepare_update=bump_generation,
    validate=_validate,
)
