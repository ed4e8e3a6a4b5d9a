"""A pod template as Go's `%#v` prints it (by way of go-spew), which is what Kubernetes hashes for a ReplicaSet's name.

So a learner sees the very hashes that tutorials show. Only the fields that most templates use are known; a template
with others is `Unknown` and gets a hash of our own, which looks the same and serves as well.
"""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.cluster.api.objects import Object


class Unknown(Exception):
    """The template has a field whose Go type is not known here."""


# Of each struct of v1.33, in order: Go name and type. The JSON name is the Go name with a small first letter, or stands
# before a colon. A field whose type begins with a dash must be absent: how Go prints it otherwise is not known here.
_STRUCTS = {
    "v1.PodTemplateSpec": """
        metadata:ObjectMeta v1.ObjectMeta
        Spec v1.PodSpec""",
    "v1.ObjectMeta": """
        Name string
        GenerateName string
        Namespace string
        SelfLink string
        uid:UID types.UID
        ResourceVersion string
        Generation int64
        CreationTimestamp v1.Time
        DeletionTimestamp -*v1.Time
        DeletionGracePeriodSeconds *int64
        Labels map[string]string
        Annotations map[string]string
        OwnerReferences -[]v1.OwnerReference
        Finalizers []string
        ManagedFields -[]v1.ManagedFieldsEntry""",
    "v1.PodSpec": """
        Volumes -[]v1.Volume
        InitContainers []v1.Container
        Containers []v1.Container
        EphemeralContainers -[]v1.EphemeralContainer
        RestartPolicy v1.RestartPolicy
        TerminationGracePeriodSeconds *int64
        ActiveDeadlineSeconds *int64
        dnsPolicy:DNSPolicy v1.DNSPolicy
        NodeSelector map[string]string
        ServiceAccountName string
        serviceAccount:DeprecatedServiceAccount string
        AutomountServiceAccountToken *bool
        NodeName string
        HostNetwork bool
        HostPID bool
        HostIPC bool
        ShareProcessNamespace *bool
        SecurityContext *v1.PodSecurityContext
        ImagePullSecrets -[]v1.LocalObjectReference
        Hostname string
        Subdomain string
        Affinity -*v1.Affinity
        SchedulerName string
        Tolerations -[]v1.Toleration
        HostAliases -[]v1.HostAlias
        PriorityClassName string
        Priority *int32
        dnsConfig:DNSConfig -*v1.PodDNSConfig
        ReadinessGates -[]v1.PodReadinessGate
        RuntimeClassName *string
        EnableServiceLinks *bool
        PreemptionPolicy *v1.PreemptionPolicy
        Overhead -v1.ResourceList
        TopologySpreadConstraints -[]v1.TopologySpreadConstraint
        SetHostnameAsFQDN *bool
        os:OS -*v1.PodOS
        HostUsers *bool
        SchedulingGates -[]v1.PodSchedulingGate
        ResourceClaims -[]v1.PodResourceClaim
        Resources -*v1.ResourceRequirements""",
    "v1.Container": """
        Name string
        Image string
        Command []string
        Args []string
        WorkingDir string
        Ports []v1.ContainerPort
        EnvFrom -[]v1.EnvFromSource
        Env []v1.EnvVar
        Resources v1.ResourceRequirements
        ResizePolicy -[]v1.ContainerResizePolicy
        RestartPolicy *v1.ContainerRestartPolicy
        VolumeMounts -[]v1.VolumeMount
        VolumeDevices -[]v1.VolumeDevice
        LivenessProbe -*v1.Probe
        ReadinessProbe -*v1.Probe
        StartupProbe -*v1.Probe
        Lifecycle -*v1.Lifecycle
        TerminationMessagePath string
        TerminationMessagePolicy v1.TerminationMessagePolicy
        ImagePullPolicy v1.PullPolicy
        SecurityContext -*v1.SecurityContext
        Stdin bool
        StdinOnce bool
        tty:TTY bool""",
    "v1.ContainerPort": """
        Name string
        HostPort int32
        ContainerPort int32
        Protocol v1.Protocol
        HostIP string""",
    "v1.EnvVar": """
        Name string
        Value string
        ValueFrom -*v1.EnvVarSource""",
    "v1.ResourceRequirements": """
        Limits -v1.ResourceList
        Requests -v1.ResourceList
        Claims -[]v1.ResourceClaim""",
    "v1.PodSecurityContext": """
        seLinuxOptions:SELinuxOptions -*v1.SELinuxOptions
        WindowsOptions -*v1.WindowsSecurityContextOptions
        RunAsUser *int64
        RunAsGroup *int64
        RunAsNonRoot *bool
        SupplementalGroups []int64
        SupplementalGroupsPolicy *v1.SupplementalGroupsPolicy
        fsGroup:FSGroup *int64
        Sysctls -[]v1.Sysctl
        fsGroupChangePolicy:FSGroupChangePolicy *v1.PodFSGroupChangePolicy
        SeccompProfile -*v1.SeccompProfile
        AppArmorProfile -*v1.AppArmorProfile
        seLinuxChangePolicy:SELinuxChangePolicy *v1.PodSELinuxChangePolicy""",
}
_NO_TIME = "{Time:(time.Time){wall:(uint64)0 ext:(int64)0 loc:(*time.Location)<nil>}}"


def _parsed(text: str) -> tuple[tuple[str, str, str], ...]:
    fields = []
    for line in text.split("\n"):
        if line.strip():
            names, type_ = line.split()
            json_name, colon, go_name = names.partition(":")
            if not colon:
                go_name, json_name = names, names[0].lower() + names[1:]
            fields.append((go_name, json_name, type_))
    return tuple(fields)


_FIELDS: Mapping[str, tuple[tuple[str, str, str], ...]] = {name: _parsed(text) for name, text in _STRUCTS.items()}


def pod_template(template: Object) -> str:
    """The text that Kubernetes hashes. Raises Unknown."""
    return _typed("v1.PodTemplateSpec", template)


def _typed(type_: str, value: object) -> str:
    """A field of a struct: its type, then the value."""
    if type_.startswith("-"):
        if value not in (None, "", [], {}):
            raise Unknown(type_)
        return f"({type_[1:]})<nil>"
    return f"({type_})" + _value(type_.removeprefix("*"), value, pointer=type_.startswith("*"))


def _value(type_: str, value: object, *, pointer: bool = False) -> str:
    if pointer and value is None:
        return "<nil>"
    if type_ == "v1.Time":
        if value is not None:
            raise Unknown(type_)
        return _NO_TIME
    if type_ in _FIELDS:
        return _struct(type_, value or {})
    if not value and type_.startswith(("[]", "map[")):
        return "<nil>"
    if type_.startswith("[]") and isinstance(value, list):
        return "[" + " ".join(_value(type_[2:], item) for item in value) + "]"
    if type_.startswith("map[") and isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{item}" for key, item in sorted(value.items())) + "]"
    return _scalar(type_, value)


def _struct(type_: str, value: object) -> str:
    fields = _FIELDS[type_]
    if not isinstance(value, dict) or not set(value) <= {json_name for _, json_name, _ in fields}:
        raise Unknown(type_)
    return "{" + " ".join(f"{name}:{_typed(of, value.get(json_name))}" for name, json_name, of in fields) + "}"


def _scalar(type_: str, value: object) -> str:
    if type_ == "bool":
        return "true" if value else "false"
    if type_ in ("int32", "int64"):
        return str(value or 0)
    if value is not None and not isinstance(value, str):
        raise Unknown(type_)
    return value or ""
