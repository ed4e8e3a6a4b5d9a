"""What Deployments, ReplicaSets, DaemonSets, StatefulSets and Jobs have in common: a selector and a template."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sandbox.cluster.api.names import label_map_causes, qualified_faults, value_faults
from sandbox.cluster.api.objects import Object
from sandbox.cluster.api.selectors import from_object
from sandbox.cluster.resources.causes import forbidden, go_labels, go_selector, immutable, invalid, required
from sandbox.cluster.resources.container_validation import NOT_NEGATIVE, not_negative
from sandbox.cluster.resources.pod_validation import pod_spec_causes


def start_generation(obj: Object) -> None:
    """A new object has generation 1 and no status."""
    obj.pop("status", None)
    obj["metadata"]["generation"] = 1


def bump_generation(new: Object, old: Object) -> None:
    """A change of the spec is a new generation."""
    generation = old["metadata"].get("generation", 1)
    new["metadata"]["generation"] = generation + (new.get("spec") != old.get("spec"))


def _selector_causes(spec: Object, word: str) -> list[Object]:
    selector = spec.get("selector")
    if selector is None:
        return [required("spec.selector")]
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        return [invalid("spec.selector", go_selector(selector), f"empty selector is invalid for {word}")]
    causes = list(label_map_causes(selector.get("matchLabels") or {}, "spec.selector.matchLabels"))
    for index, expression in enumerate(selector.get("matchExpressions") or ()):
        causes += _expression_causes(expression, f"spec.selector.matchExpressions[{index}]")
    return causes


def _expression_causes(expression: Object, field: str) -> list[Object]:
    key, operator, values = expression.get("key") or "", expression.get("operator") or "", expression.get("values")
    causes = [invalid(f"{field}.key", key, fault) for fault in qualified_faults(key)]
    if operator in ("In", "NotIn") and not values:
        causes.append(required(f"{field}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist") and values:
        why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        causes.append(forbidden(f"{field}.values", why))
    elif operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
        causes.append(invalid(f"{field}.operator", operator, "not a valid selector operator"))
    for index, value in enumerate(values or ()):
        causes += [invalid(f"{field}.values[{index}]", value, fault) for fault in value_faults(value)]
    return causes


def _matches(selector: Object | None, labels: Object) -> bool:
    # No selector selects nothing; an empty one, complained of already, everything.
    return selector is not None and from_object(selector).matches(labels)


def _template_causes(spec: Object, policies: Sequence[str], *, comparable: bool) -> list[Object]:
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels")
    causes = list(label_map_causes(labels or {}, "spec.template.labels"))
    if comparable and not _matches(spec.get("selector"), labels or {}):
        why = "`selector` does not match template `labels`"
        causes.append(invalid("spec.template.metadata.labels", go_labels(labels), why))
    return causes + pod_spec_causes(template.get("spec") or {}, "spec.template.spec", restart_policies=policies)


_PERCENT = re.compile(r"[0-9]+%")


def share_causes(value: object, field: str) -> list[Object]:
    """What is wrong with a number of pods or a percentage of them (maxSurge, maxUnavailable)."""
    if isinstance(value, str) and not _PERCENT.fullmatch(value):
        why = (
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex"
            " used for validation is '[0-9]+%')"
        )
        return [invalid(field, value, why)]
    if isinstance(value, int) and value < 0:
        return [invalid(field, value, NOT_NEGATIVE)]
    if field.endswith("maxUnavailable") and isinstance(value, str) and int(value[:-1]) > 100:
        return [invalid(field, value, "must not be greater than 100%")]
    return []


def is_zero(value: object) -> bool:
    """Whether a number or percentage of pods is none."""
    return value == 0 or (isinstance(value, str) and value.rstrip("%").strip("0") == "")


def workload_causes(
    obj: Object, old: Object | None, *, word: str, policies: Sequence[str] = ("Always",)
) -> list[Object]:
    """What is wrong with a workload. `word` is its name in the message on an empty selector."""
    spec = obj["spec"]
    causes = not_negative(spec, "replicas", "spec") + not_negative(spec, "minReadySeconds", "spec")
    causes += not_negative(spec, "revisionHistoryLimit", "spec")
    selector = _selector_causes(spec, word)
    causes += selector
    causes += _template_causes(spec, policies, comparable=not selector or spec.get("selector") is None)
    if old is not None and spec.get("selector") != old["spec"].get("selector"):
        causes.append(immutable("spec.selector", go_selector(spec.get("selector") or {})))
    return causes
