"""What a container may say: names, images, ports, environment, mounts, probes, resources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from sandbox.cluster.api import quantity
from sandbox.cluster.api.names import label_faults
from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import duplicate, forbidden, invalid, not_found, required, unsupported

PROTOCOLS = ("SCTP", "TCP", "UDP")
PORT_RANGE = "must be between 1 and 65535, inclusive"
NOT_NEGATIVE = "must be greater than or equal to 0"
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef")
_ONE_SOURCE = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_VARIABLE = re.compile(r"[ -<>-~]+")


def valid_port(port: object) -> bool:
    """Whether it is a port number."""
    return isinstance(port, int) and 0 < port < 65536


def port_name_faults(name: str) -> list[str]:
    """Why it is no name of a port (IANA_SVC_NAME); empty when it is one."""
    faults = ["must be no more than 15 characters"] if len(name) > 15 else []
    if not re.fullmatch(r"[-a-z0-9]+", name):
        faults.append("must contain only alphanumeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", name):
        faults.append("must contain at least one letter (a-z)")
    if "--" in name:
        faults.append("must not contain consecutive hyphens")
    if name.startswith("-") or name.endswith("-"):
        faults.append("must not begin or end with a hyphen")
    return faults


def one_of_many(value: object, field: str, supported: Sequence[str]) -> list[Object]:
    """A cause unless the value is one of those."""
    return [] if value in supported else [unsupported(field, value or "", supported)]


def not_negative(obj: Object, name: str, field: str) -> list[Object]:
    """A cause when the number is below zero."""
    value = obj.get(name)
    return [invalid(f"{field}.{name}", value, NOT_NEGATIVE)] if isinstance(value, int) and value < 0 else []


def _ports(container: Object, field: str) -> Iterator[Object]:
    names = set()
    for index, port in enumerate(container.get("ports") or ()):
        at = f"{field}.ports[{index}]"
        if name := port.get("name"):
            yield from (invalid(f"{at}.name", name, fault) for fault in port_name_faults(name))
            if name in names:
                yield duplicate(f"{at}.name", name)
            names.add(name)
        number = port.get("containerPort")
        if not number:
            yield required(f"{at}.containerPort")
        elif not valid_port(number):
            yield invalid(f"{at}.containerPort", number, PORT_RANGE)
        if port.get("hostPort") and not valid_port(port["hostPort"]):
            yield invalid(f"{at}.hostPort", port["hostPort"], PORT_RANGE)
        yield from one_of_many(port.get("protocol"), f"{at}.protocol", PROTOCOLS)


def _environment(container: Object, field: str) -> Iterator[Object]:
    for index, variable in enumerate(container.get("env") or ()):
        at = f"{field}.env[{index}]"
        name = variable.get("name")
        if not name:
            yield required(f"{at}.name")
        elif not _VARIABLE.fullmatch(name):
            yield invalid(
                f"{at}.name",
                name,
                "a valid environment variable name must consist only of printable ASCII characters other than '='",
            )
        source = variable.get("valueFrom")
        if source is None:
            continue
        given = [kind for kind in _SOURCES if source.get(kind) is not None]
        if not given:
            yield invalid(f"{at}.valueFrom", "", _ONE_SOURCE)
        elif variable.get("value"):
            yield invalid(f"{at}.valueFrom", "", "may not be specified when `value` is not empty")
        elif len(given) > 1:
            yield invalid(f"{at}.valueFrom", "", "may not have more than one field specified at a time")
        for kind in ("configMapKeyRef", "secretKeyRef"):
            if source.get(kind) is not None and not source[kind].get("key"):
                yield required(f"{at}.valueFrom.{kind}.key")


def _mounts(container: Object, field: str, volumes: Iterable[str]) -> Iterator[Object]:
    known, targets = set(volumes), set()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        at = f"{field}.volumeMounts[{index}]"
        name, target = mount.get("name"), mount.get("mountPath")
        if not name:
            yield required(f"{at}.name")
        elif name not in known:
            yield not_found(f"{at}.name", name)
        if not target:
            yield required(f"{at}.mountPath")
        elif target in targets:
            yield invalid(f"{at}.mountPath", target, "must be unique")
        targets.add(target)
        for part in ("subPath", "subPathExpr"):
            path = mount.get(part) or ""
            if path.startswith("/"):
                yield invalid(f"{at}.{part}", path, "must be a relative path")
            if ".." in path.split("/"):
                yield invalid(f"{at}.{part}", path, "must not contain '..'")


def handler_causes(handler: Object, field: str) -> Iterator[Object]:
    """What is wrong with a probe's or a hook's way to act."""
    given = [kind for kind in (*_HANDLERS, "sleep") if handler.get(kind) is not None]
    if not given:
        yield required(field, "must specify a handler type")
    for extra in given[1:]:
        yield forbidden(f"{field}.{extra}", "may not specify more than 1 handler type")
    if "exec" in given and not handler["exec"].get("command"):
        yield required(f"{field}.exec.command")
    for kind in ("httpGet", "tcpSocket", "grpc"):
        port = (handler.get(kind) or {}).get("port")
        if kind in given and isinstance(port, int) and not valid_port(port):
            yield invalid(f"{field}.{kind}.port", port, PORT_RANGE)
        if kind in given and isinstance(port, str):
            yield from (invalid(f"{field}.{kind}.port", port, fault) for fault in port_name_faults(port))
        if kind in given and port is None:
            yield invalid(f"{field}.{kind}.port", 0, PORT_RANGE)


def _probes(container: Object, field: str) -> Iterator[Object]:
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if probe is None:
            continue
        at = f"{field}.{name}"
        yield from handler_causes(probe, at)
        for number in (
            "initialDelaySeconds",
            "timeoutSeconds",
            "periodSeconds",
            "successThreshold",
            "failureThreshold",
        ):
            yield from not_negative(probe, number, at)
        if name != "readinessProbe" and probe.get("successThreshold", 1) != 1:
            yield invalid(f"{at}.successThreshold", probe["successThreshold"], "must be 1")
    for hook, handler in (container.get("lifecycle") or {}).items():
        if isinstance(handler, dict):
            yield from handler_causes(handler, f"{field}.lifecycle.{hook}")


def _quantity(value: object, field: str) -> tuple[Decimal | None, list[Object]]:
    try:
        amount = quantity.parse(value)
    except quantity.QuantityError as error:
        return None, [invalid(field, str(value), str(error))]
    return amount, [invalid(field, str(value), NOT_NEGATIVE)] if amount < 0 else []


def _resources(container: Object, field: str) -> Iterator[Object]:
    resources, amounts = container.get("resources") or {}, {}
    for part in ("limits", "requests"):
        for name, value in (resources.get(part) or {}).items():
            at = f"{field}.resources.{part}[{name}]"
            if "/" not in name and name not in _RESOURCES and not name.startswith("hugepages-"):
                yield invalid(at, name, "must be a standard resource type or fully qualified")
                yield invalid(at, name, "must be a standard resource for containers")
            amounts[part, name], causes = _quantity(value, at)
            yield from causes
    for name, value in (resources.get("requests") or {}).items():
        asked, limit = amounts.get(("requests", name)), amounts.get(("limits", name))
        if asked is not None and limit is not None and asked > limit:
            shown = quantity.canonical(resources["limits"][name])
            why = f"must be less than or equal to {name} limit of {shown}"
            yield invalid(f"{field}.resources.requests", quantity.canonical(value), why)


def _image(container: Object, field: str) -> Iterator[Object]:
    image = container.get("image") or ""
    if not image:
        yield required(f"{field}.image")
    elif image != image.strip():
        yield invalid(f"{field}.image", image, "must not have leading or trailing whitespace")
    yield from one_of_many(container.get("imagePullPolicy"), f"{field}.imagePullPolicy", _PULL_POLICIES)


def container_causes(container: Object, field: str, volumes: Iterable[str]) -> Iterator[Object]:
    """What is wrong with one container (its name may still be another's)."""
    name = container.get("name")
    if not name:
        yield required(f"{field}.name")
    else:
        yield from (invalid(f"{field}.name", name, fault) for fault in label_faults(name))
    yield from _image(container, field)
    yield from _ports(container, field)
    yield from _environment(container, field)
    yield from _mounts(container, field, volumes)
    yield from _probes(container, field)
    yield from _resources(container, field)
