"""A Job's podFailurePolicy: what a failed pod means for the Job, by exit codes or by conditions of the pod."""

from __future__ import annotations

from sandbox.cluster.api.objects import Object


def judged(pod: Object, policy: Object | None) -> tuple[str, str]:
    """(FailJob, Ignore or Count, the message of a FailJob). The first rule that matches decides."""
    for number, rule in enumerate((policy or {}).get("rules") or ()):
        cause = _by_exit_code(pod, rule.get("onExitCodes")) or _by_condition(pod, rule.get("onPodConditions"))
        if cause:
            name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
            return str(rule["action"]), cause.format(pod=f"{namespace}/{name}", rule=number, action=rule["action"])
    return "Count", ""


def _by_exit_code(pod: Object, wanted: Object | None) -> str:
    if wanted is None:
        return ""
    status = pod.get("status") or {}
    for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        ended = (one.get("state") or {}).get("terminated")
        if ended is None or wanted.get("containerName") not in (None, one["name"]):
            continue
        code, values = int(ended.get("exitCode", 0)), list(wanted.get("values") or ())
        if code != 0 and (code in values) == (wanted["operator"] == "In"):
            return (
                f"Container {one['name']} for pod {{pod}} failed with exit code {code}"
                " matching {action} rule at index {rule}"
            )
    return ""


def _by_condition(pod: Object, wanted: list[Object] | None) -> str:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    for pattern in wanted or ():
        for one in conditions:
            if one["type"] == pattern["type"] and one["status"] == (pattern.get("status") or "True"):
                return f"Pod {{pod}} has condition {one['type']} matching {{action}} rule at index {{rule}}"
    return ""
