"""Jobs."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import forbidden, immutable, invalid, required
from sandbox.cluster.resources.container_validation import not_negative, one_of_many
from sandbox.cluster.resources.field_order import reorder
from sandbox.cluster.resources.pod_defaults import default_template
from sandbox.cluster.resources.pod_validation import pod_spec_causes
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
from sandbox.cluster.resources.workload import bump_generation, start_generation

_POLICIES = ("OnFailure", "Never")
_UID_LABELS = ("batch.kubernetes.io/controller-uid", "controller-uid")
_NAME_LABELS = ("batch.kubernetes.io/job-name", "job-name")
_ORDER = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "podFailurePolicy",
    "successPolicy",
    "backoffLimit",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
    "selector",
    "manualSelector",
    "template",
    "ttlSecondsAfterFinished",
    "completionMode",
    "suspend",
    "podReplacementPolicy",
)


def default_job_spec(spec: Object) -> None:
    """Fill in the spec of a job or of a cron job's template, in place."""
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    if spec.get("parallelism") is None:
        spec["parallelism"] = 1
    if spec.get("backoffLimit") is None:
        spec["backoffLimit"] = 6
    spec["completionMode"] = spec.get("completionMode") or "NonIndexed"
    spec.setdefault("suspend", False)
    replacement = "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    spec["podReplacementPolicy"] = spec.get("podReplacementPolicy") or replacement
    default_template(spec.setdefault("template", {}))
    reorder(spec, _ORDER)


def job_spec_causes(spec: Object, field: str) -> list[Object]:
    """What is wrong with the spec of a job or of a cron job's template."""
    numbers = ("parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished")
    causes = [cause for name in numbers for cause in not_negative(spec, name, field)]
    causes += one_of_many(spec["completionMode"], f"{field}.completionMode", ("Indexed", "NonIndexed"))
    causes += _mode_causes(spec, field) + _failure_policy_causes(spec, field)
    template = spec["template"]["spec"]
    policy = template.get("restartPolicy")
    if policy == "Always":
        message = 'Required value: valid values: "OnFailure", "Never"'
        field_name = f"{field}.template.spec.restartPolicy"
        causes.append({"reason": "FieldValueRequired", "message": message, "field": field_name})
        return causes + pod_spec_causes(template, f"{field}.template.spec")
    return causes + pod_spec_causes(template, f"{field}.template.spec", restart_policies=_POLICIES)


def _mode_causes(spec: Object, field: str) -> list[Object]:
    causes: list[Object] = []
    indexed = spec["completionMode"] == "Indexed"
    if indexed and spec.get("completions") is None:
        causes.append(required(f"{field}.completions", "when completion mode is Indexed"))
    if spec.get("successPolicy") and not indexed:
        why = "requires indexed completion mode"
        causes.append(invalid(f"{field}.successPolicy", "", why))
    for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
        if spec.get(name) is not None:
            causes.append(forbidden(f"{field}.{name}", "this cluster does not count failures by index"))
    return causes


def _failure_policy_causes(spec: Object, field: str) -> list[Object]:
    if not spec.get("podFailurePolicy"):
        return []
    causes: list[Object] = []
    policy = spec["template"]["spec"].get("restartPolicy")
    if policy != "Never":
        why = 'only "Never" is supported when podFailurePolicy is specified'
        causes.append(invalid(f"{field}.template.spec.restartPolicy", policy or "", why))
    for index, rule in enumerate(spec["podFailurePolicy"].get("rules") or ()):
        where = f"{field}.podFailurePolicy.rules[{index}]"
        causes += one_of_many(rule.get("action") or "", f"{where}.action", ("Count", "FailJob", "Ignore"))
        codes = rule.get("onExitCodes")
        if codes is not None:
            causes += one_of_many(codes.get("operator") or "", f"{where}.onExitCodes.operator", ("In", "NotIn"))
        for number, pattern in enumerate(rule.get("onPodConditions") or ()):
            if not pattern.get("type"):
                causes.append(required(f"{where}.onPodConditions[{number}].type"))
    return causes


def _default(job: Object) -> None:
    default_job_spec(job.setdefault("spec", {}))


def _prepare_create(job: Object) -> None:
    start_generation(job)
    spec, metadata = job["spec"], job["metadata"]
    if spec.get("manualSelector"):
        return
    labels = spec["template"]["metadata"].setdefault("labels", {})
    labels |= dict.fromkeys(_UID_LABELS, metadata["uid"]) | dict.fromkeys(_NAME_LABELS, metadata["name"])
    spec["selector"] = {"matchLabels": {_UID_LABELS[0]: metadata["uid"]}}
    reorder(spec, _ORDER)


def _prepare_update(new: Object, old: Object) -> None:
    spec = new["spec"]
    if "selector" not in spec and "selector" in old["spec"]:
        # A job that is applied again from its file says nothing of what was generated.
        spec["selector"] = old["spec"]["selector"]
        before = old["spec"]["template"]["metadata"].get("labels") or {}
        generated = {k: v for k, v in before.items() if k in _GENERATED}
        labels = spec["template"]["metadata"].get("labels") or {}
        spec["template"]["metadata"]["labels"] = labels | generated
        reorder(spec, _ORDER)
    bump_generation(new, old)


_GENERATED = (*_UID_LABELS, *_NAME_LABELS)


def _validate(job: Object, old: Object | None) -> list[Object]:
    spec = job["spec"]
    causes = job_spec_causes(spec, "spec")
    if spec.get("selector") is None:
        causes.append(required("spec.selector"))
    if old is not None:
        for name in ("completions", "selector", "completionMode"):
            if spec.get(name) != old["spec"].get(name):
                causes.append(immutable(f"spec.{name}", spec.get(name)))
        if spec["template"] != old["spec"]["template"]:
            causes.append(immutable("spec.template", "core.PodTemplateSpec"))
    return causes


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
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    validate=_validate,
    selectable_fields=("status.successful",),
)
