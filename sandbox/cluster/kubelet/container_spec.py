"""From a pod's spec to what the runtime is told: everything resolved, nothing left to look up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.cluster.api import quantity
from sandbox.cluster.api.objects import Object
from sandbox.cluster.kubelet import environment as env
from sandbox.cluster.kubelet.runtime import ContainerSpec, Image, Mount, PodSpec
from sandbox.cluster.kubelet.status import ContainerRecord
from sandbox.cluster.kubelet.volumes import Volumes
from sandbox.cluster.registry import Registry

_INHERITED = ("runAsUser", "runAsGroup", "runAsNonRoot", "seLinuxOptions", "seccompProfile", "appArmorProfile")
_POD_ONLY = ("fsGroup", "supplementalGroups", "sysctls")


@dataclass(frozen=True)
class Resolver:
    """Makes runtime specs for the containers of one pod."""

    registry: Registry
    node: env.Node
    volumes: Volumes
    hostname: str

    def container(
        self, pod: Object, record: ContainerRecord, image: Image, *, pod_ip: str, attempt: int
    ) -> ContainerSpec:
        """Everything the runtime needs to start it. Raises ConfigError, VolumeFault."""
        spec = record.spec
        security = security_context(pod, spec)
        _check_non_root(pod, spec, security, image)
        variables = env.environment(pod, spec, registry=self.registry, node=self.node, pod_ip=pod_ip)
        mounts = self.volumes.mounts(spec, variables)
        message_path = spec.get("terminationMessagePath") or "/dev/termination-log"
        mounts.append(Mount(str(self.volumes.termination_log(spec["name"], attempt)), message_path))
        limits = (spec.get("resources") or {}).get("limits") or {}
        own = dict(entry.split("=", 1) for entry in image.environment if "=" in entry)
        return ContainerSpec(
            name=spec["name"],
            attempt=attempt,
            image=image,
            command=command_line(spec, image, variables),
            environment=own | {"HOSTNAME": self.hostname} | variables,
            working_dir=spec.get("workingDir") or "",
            mounts=tuple(mounts),
            tty=bool(spec.get("tty")),
            stdin=bool(spec.get("stdin")),
            stdin_once=bool(spec.get("stdinOnce")),
            memory_limit=quantity.to_bytes(limits["memory"]) if "memory" in limits else None,
            cpu_limit=quantity.to_millis(limits["cpu"]) / 1000 if "cpu" in limits else None,
            security=security,
        )


def command_line(spec: Object, image: Image, variables: dict[str, str]) -> tuple[str, ...]:
    """The full argv: a command replaces the image's entrypoint and with it the image's arguments."""
    command = env.expanded(spec.get("command") or (), variables)
    arguments = env.expanded(spec.get("args") or (), variables)
    if command:
        return command + arguments
    return image.entrypoint + (arguments or image.command)


def security_context(pod: Object, spec: Object) -> Object:
    """The container's security context over the pod's."""
    of_pod = pod["spec"].get("securityContext") or {}
    merged = {key: of_pod[key] for key in (*_INHERITED, *_POD_ONLY) if key in of_pod}
    return merged | (spec.get("securityContext") or {})


def _check_non_root(pod: Object, spec: Object, security: Object, image: Image) -> None:
    if not security.get("runAsNonRoot"):
        return
    metadata = pod["metadata"]
    about = f'(pod: "{metadata["name"]}_{metadata["namespace"]}({metadata["uid"]})", container: {spec["name"]})'
    if security.get("runAsUser") == 0:
        raise env.ConfigError(f"container's runAsUser breaks non-root policy {about}")
    user = image.user.partition(":")[0]
    if security.get("runAsUser") is None and user in ("", "0", "root"):
        raise env.ConfigError(f"container has runAsNonRoot and image will run as root {about}")


def hostname_of(pod: Object) -> str:
    """spec.hostname or else the pod's name, at most 63 characters."""
    wanted = pod["spec"].get("hostname") or pod["metadata"]["name"]
    return str(wanted)[:63].rstrip("-.")


def pod_spec(pod: Object, *, node: str, cluster_dns: str, cluster_domain: str) -> PodSpec:
    """What the runtime must know to make the pod's namespaces."""
    metadata, spec = pod["metadata"], pod["spec"]
    nameservers, searches = _dns(pod, cluster_dns=cluster_dns, cluster_domain=cluster_domain)
    aliases: dict[str, Sequence[str]] = {
        alias["ip"]: tuple(alias.get("hostnames") or ()) for alias in spec.get("hostAliases") or ()
    }
    host_network = bool(spec.get("hostNetwork"))
    full_name = ""
    if spec.get("subdomain") and not host_network:
        full_name = f"{hostname_of(pod)}.{spec['subdomain']}.{metadata['namespace']}.svc.{cluster_domain}"
    return PodSpec(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        hostname=node if host_network else hostname_of(pod),
        node=node,
        host_network=host_network,
        full_name=full_name,
        hosts=aliases,
        nameservers=nameservers,
        searches=searches,
    )


def _dns(pod: Object, *, cluster_dns: str, cluster_domain: str) -> tuple[Sequence[str], Sequence[str]]:
    spec = pod["spec"]
    policy, config = spec.get("dnsPolicy") or "ClusterFirst", spec.get("dnsConfig") or {}
    nameservers, searches = list(config.get("nameservers") or ()), list(config.get("searches") or ())
    if policy == "None" or (policy == "ClusterFirst" and spec.get("hostNetwork")) or policy == "Default":
        return tuple(nameservers), tuple(searches)
    namespace = pod["metadata"]["namespace"]
    own = [f"{namespace}.svc.{cluster_domain}", f"svc.{cluster_domain}", cluster_domain]
    return (cluster_dns, *nameservers), (*own, *searches)
