"""A container's environment: services, envFrom, env, the downward API, and `$(NAME)` in what may hold it."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sandbox.cluster.api import quantity
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.configmaps import CONFIGMAPS
from sandbox.cluster.resources.resource import Resource
from sandbox.cluster.resources.secrets import SECRETS
from sandbox.cluster.resources.services import SERVICES

_REFERENCE = re.compile(r"\$(\$|\([^()]*\))")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ConfigError(Exception):
    """The container cannot be configured; the message is the one of CreateContainerConfigError."""


@dataclass(frozen=True)
class Node:
    """What the downward API can say of the node."""

    ip: str
    allocatable: Mapping[str, str]


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)` where NAME is known; `$$` is a dollar sign, the unknown stays."""

    def replacement(match: re.Match[str]) -> str:
        found = match[1]
        if found == "$":
            return "$"
        return variables.get(found[1:-1], match[0])

    return _REFERENCE.sub(replacement, text)


def environment(pod: Object, container: Object, *, registry: Registry, node: Node, pod_ip: str) -> dict[str, str]:
    """The variables that the pod's spec gives a container, service variables first. Raises ConfigError."""
    namespace = pod["metadata"]["namespace"]
    services = service_variables(registry, namespace, links=pod["spec"].get("enableServiceLinks", True))
    from_sources = _from_sources(container.get("envFrom") or (), registry=registry, namespace=namespace)
    known = services | from_sources
    for entry in container.get("env") or ():
        name = entry["name"]
        if "valueFrom" in entry:
            value = _value_from(entry["valueFrom"], pod, container, registry=registry, node=node, pod_ip=pod_ip)
        else:
            value = expand(str(entry.get("value") or ""), known)
        if value is not None:
            known[name] = value
    return known


def service_variables(registry: Registry, namespace: str, *, links: bool) -> dict[str, str]:
    """`<NAME>_SERVICE_HOST` and Docker's link variables for each Service; always those of `kubernetes`."""
    services = {
        service["metadata"]["name"]: service
        for service in (registry.list(SERVICES, namespace=namespace) if links else ())
    }
    master = registry.find(SERVICES, Key("default", "kubernetes"))
    if master is not None:
        services.setdefault("kubernetes", master)
    variables: dict[str, str] = {}
    for service in services.values():
        address = service["spec"].get("clusterIP", "")
        if address and address != "None" and service["spec"].get("ports"):
            variables |= _one_service(service, address)
    return variables


def _one_service(service: Object, address: str) -> dict[str, str]:
    prefix = service["metadata"]["name"].upper().replace("-", "_")
    ports = service["spec"]["ports"]
    variables = {f"{prefix}_SERVICE_HOST": address, f"{prefix}_SERVICE_PORT": str(ports[0]["port"])}
    for port in ports:
        if port.get("name"):
            variables[f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
    for index, port in enumerate(ports):
        protocol = port.get("protocol", "TCP")
        url = f"{protocol.lower()}://{address}:{port['port']}"
        if index == 0:
            variables[f"{prefix}_PORT"] = url
        link = f"{prefix}_PORT_{port['port']}_{protocol}"
        variables |= {
            link: url,
            f"{link}_PROTO": protocol.lower(),
            f"{link}_PORT": str(port["port"]),
            f"{link}_ADDR": address,
        }
    return variables


def _from_sources(sources: Iterable[Object], *, registry: Registry, namespace: str) -> dict[str, str]:
    variables: dict[str, str] = {}
    for source in sources:
        resource, reference = (
            (CONFIGMAPS, source["configMapRef"]) if "configMapRef" in source else (SECRETS, source.get("secretRef", {}))
        )
        found = _data(resource, reference, registry=registry, namespace=namespace)
        prefix = source.get("prefix", "")
        for key, value in sorted((found or {}).items()):
            name = prefix + key
            # Since 1.32 any printable ASCII but `=` is a name.
            if name and "=" not in name and name.isascii() and name.isprintable():
                variables[name] = value.decode(errors="replace")
    return variables


def data_of(resource: Resource, obj: Object) -> dict[str, bytes]:
    """What a ConfigMap or Secret holds, as bytes."""
    if resource is SECRETS:
        return {key: _base64(value) for key, value in (obj.get("data") or {}).items()}
    texts = {key: str(value).encode() for key, value in (obj.get("data") or {}).items()}
    return texts | {key: _base64(value) for key, value in (obj.get("binaryData") or {}).items()}


def _base64(text: str) -> bytes:
    return base64.b64decode(text or "")


def _data(resource: Resource, reference: Object, *, registry: Registry, namespace: str) -> dict[str, bytes] | None:
    name = reference.get("name", "")
    obj = registry.find(resource, Key(namespace, name))
    if obj is not None:
        return data_of(resource, obj)
    if reference.get("optional"):
        return None
    raise ConfigError(f'{resource.singular or resource.kind.lower()} "{name}" not found')


def _value_from(
    source: Object, pod: Object, container: Object, *, registry: Registry, node: Node, pod_ip: str
) -> str | None:
    if "fieldRef" in source:
        return field_value(pod, source["fieldRef"].get("fieldPath", ""), node=node, pod_ip=pod_ip)
    if "resourceFieldRef" in source:
        return resource_value(pod, source["resourceFieldRef"], container, node=node)
    resource = CONFIGMAPS if "configMapKeyRef" in source else SECRETS
    reference = source.get("configMapKeyRef") or source.get("secretKeyRef") or {}
    namespace = pod["metadata"]["namespace"]
    found = _data(resource, reference, registry=registry, namespace=namespace)
    key = reference.get("key", "")
    if found is not None and key in found:
        return found[key].decode(errors="replace")
    if reference.get("optional"):
        return None
    raise ConfigError(f"couldn't find key {key} in {resource.kind} {namespace}/{reference.get('name', '')}")


def field_value(pod: Object, path: str, *, node: Node, pod_ip: str) -> str:
    """What the downward API says for a field path. Raises ConfigError."""
    metadata = pod["metadata"]
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript:
        return str((metadata.get(subscript[1]) or {}).get(subscript[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        return _map_lines(metadata.get(path.removeprefix("metadata.")) or {})
    values = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", ""),
        "status.hostIP": node.ip,
        "status.hostIPs": node.ip,
        "status.podIP": pod_ip,
        "status.podIPs": pod_ip,
    }
    if path not in values:
        raise ConfigError(f"unsupported fieldPath: {path}")
    return str(values[path])


def _map_lines(values: Mapping[str, str]) -> str:
    """`key="value"` a line, quoted as Go does."""
    return "\n".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in sorted(values.items()))


def resource_value(pod: Object, reference: Object, container: Object, *, node: Node) -> str:
    """Requests or limits of a container in units of the divisor, rounded up. Raises ConfigError."""
    name = reference.get("containerName") or container.get("name")
    containers = [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
    named = next((one for one in containers if one["name"] == name), None)
    if named is None:
        raise ConfigError(f"container {name} not found")
    which, _, resource = reference.get("resource", "").partition(".")
    resources = named.get("resources") or {}
    text = (resources.get(which) or {}).get(resource)
    if text is None and which == "limits":
        text = node.allocatable.get(resource)  # without a limit, the node is the limit
    divisor = quantity.parse(str(reference.get("divisor") or "1")) or 1
    amount = quantity.parse(str(text)) if text is not None else quantity.parse("0")
    return str(math.ceil(amount / divisor))


def expanded(words: Sequence[str], variables: Mapping[str, str]) -> tuple[str, ...]:
    """Command and arguments with their references replaced."""
    return tuple(expand(word, variables) for word in words)


_REFERENCES = ("configMap", "secret", "configMapRef", "secretRef", "configMapKeyRef", "secretKeyRef")


def mentioned(spec: object) -> Iterator[str]:
    """The names of all ConfigMaps and Secrets that a pod's spec uses."""
    if isinstance(spec, list):
        for item in spec:
            yield from mentioned(item)
    if not isinstance(spec, dict):
        return
    for key, value in spec.items():
        if key in _REFERENCES and isinstance(value, dict):
            yield value.get("name") or value.get("secretName") or ""
        yield from mentioned(value)
