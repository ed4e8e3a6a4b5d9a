"""What a pod, or the template of one, may say, and what may change in it later."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

from sandbox.cluster.api.names import label_faults, label_map_causes, subdomain_faults
from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import duplicate, forbidden, invalid, required, unsupported
from sandbox.cluster.resources.container_validation import NOT_NEGATIVE, container_causes, one_of_many

_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_UPDATE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def _volumes(spec: Object, field: str) -> Iterator[Object]:
    names = set()
    for index, volume in enumerate(spec.get("volumes") or ()):
        at = f"{field}.volumes[{index}]"
        name = volume.get("name")
        if not name:
            yield required(f"{at}.name")
        else:
            yield from (invalid(f"{at}.name", name, fault) for fault in label_faults(name))
            if name in names:
                yield duplicate(f"{at}.name", name)
            names.add(name)
        kinds = [kind for kind in volume if kind != "name" and volume[kind] is not None]
        for extra in kinds[1:]:
            yield forbidden(f"{at}.{extra}", "may not specify more than 1 volume type")
        for kind, needed in (("secret", "secretName"), ("configMap", "name"), ("hostPath", "path")):
            if volume.get(kind) is not None and not volume[kind].get(needed):
                yield required(f"{at}.{kind}.{needed}")
        claim = volume.get("persistentVolumeClaim")
        if claim is not None and not claim.get("claimName"):
            yield required(f"{at}.persistentVolumeClaim.claimName")


def _containers(spec: Object, field: str, volumes: Sequence[str]) -> Iterator[Object]:
    if not spec.get("containers"):
        yield required(f"{field}.containers")
    names: set[str] = set()
    for part in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(part) or ()):
            at = f"{field}.{part}[{index}]"
            yield from container_causes(container, at, volumes)
            name = container.get("name")
            if name and name in names:
                yield duplicate(f"{at}.name", name)
            names.add(name)


def _tolerations(spec: Object, field: str) -> Iterator[Object]:
    for index, toleration in enumerate(spec.get("tolerations") or ()):
        at = f"{field}.tolerations[{index}]"
        operator, effect = toleration.get("operator") or "Equal", toleration.get("effect")
        if operator not in ("Equal", "Exists"):
            yield unsupported(f"{at}.operator", operator, ("Equal", "Exists"))
        if not toleration.get("key") and operator != "Exists":
            yield invalid(
                f"{at}.operator",
                operator,
                'operator must be Exists when `key` is empty, which means "match all values and all keys"',
            )
        if operator == "Exists" and toleration.get("value"):
            yield invalid(f"{at}.operator", toleration["value"], "value must be empty when `operator` is 'Exists'")
        if effect and effect not in _EFFECTS:
            yield unsupported(f"{at}.effect", effect, _EFFECTS)
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            yield invalid(f"{at}.effect", effect or "", "effect must be 'NoExecute' when `tolerationSeconds` is set")


def pod_spec_causes(spec: Object, field: str, *, restart_policies: Sequence[str] = _RESTART_POLICIES) -> list[Object]:
    """What is wrong with a pod spec."""
    causes = list(_volumes(spec, field))
    names = [volume.get("name", "") for volume in spec.get("volumes") or ()]
    causes += _containers(spec, field, names)
    causes += one_of_many(spec.get("restartPolicy"), f"{field}.restartPolicy", restart_policies)
    causes += one_of_many(spec.get("dnsPolicy"), f"{field}.dnsPolicy", _DNS_POLICIES)
    causes += label_map_causes(spec.get("nodeSelector") or {}, f"{field}.nodeSelector")
    causes += _tolerations(spec, field)
    for name, faults in (
        ("hostname", label_faults),
        ("subdomain", label_faults),
        ("serviceAccountName", subdomain_faults),
    ):
        if spec.get(name):
            causes += [invalid(f"{field}.{name}", spec[name], fault) for fault in faults(spec[name])]
    grace = spec.get("terminationGracePeriodSeconds")
    if isinstance(grace, int) and grace < 0:
        causes.append(invalid(f"{field}.terminationGracePeriodSeconds", grace, NOT_NEGATIVE))
    deadline = spec.get("activeDeadlineSeconds")
    if isinstance(deadline, int) and not 0 < deadline < 2**31:
        causes.append(
            invalid(f"{field}.activeDeadlineSeconds", deadline, "must be between 1 and 2147483647, inclusive")
        )
    return causes


def _frozen(spec: Object) -> Object:
    """A pod spec without what may change."""
    fixed = copy.deepcopy(spec)
    for part in ("containers", "initContainers"):
        for container in fixed.get(part) or ():
            container.pop("image", None)
            container.pop("resources", None)
    for field in (
        "activeDeadlineSeconds",
        "tolerations",
        "terminationGracePeriodSeconds",
        "ephemeralContainers",
        "schedulingGates",
    ):
        fixed.pop(field, None)
    return fixed


def pod_update_causes(new: Object, old: Object) -> list[Object]:
    """What a change of a pod may not change. Binding it to a node, once, is a change like any other here."""
    before, after = _frozen(old["spec"]), _frozen(new["spec"])
    if not before.get("nodeName"):
        before.pop("nodeName", None)
        after.pop("nodeName", None)
    tolerations = new["spec"].get("tolerations") or ()
    if before == after and all(t in tolerations for t in _untimed(old["spec"], tolerations)):
        return []
    return [forbidden("spec", _UPDATE)]


def _untimed(spec: Object, kept: Sequence[Object]) -> Iterator[Object]:
    """Old tolerations that must be there still; how long they last may change."""
    for toleration in spec.get("tolerations") or ():
        bare = {key: value for key, value in toleration.items() if key != "tolerationSeconds"}
        if not any(bare == {k: v for k, v in other.items() if k != "tolerationSeconds"} for other in kept):
            yield toleration


def pod_causes(pod: Object, old: Object | None) -> list[Object]:
    """What is wrong with a pod, or with a change of one."""
    causes = pod_spec_causes(pod["spec"], "spec")
    return causes + pod_update_causes(pod, old) if old is not None else causes
