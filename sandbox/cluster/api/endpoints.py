"""What stands behind a Service, read from its EndpointSlices: for the proxy and for DNS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from sandbox.cluster.api.objects import Object

Usable = Callable[[Object], bool]

SERVICE_LABEL = "kubernetes.io/service-name"


class Backend(NamedTuple):
    """One address and port that a Service's port leads to."""

    address: str
    port: int


def slice_of(endpoint_slice: Object) -> tuple[str, str]:
    """Namespace and name of the Service that the slice belongs to; the name is empty when it belongs to none."""
    metadata = endpoint_slice["metadata"]
    return metadata.get("namespace", ""), (metadata.get("labels") or {}).get(SERVICE_LABEL, "")


def backends(slices: Sequence[Object], *, port: str, protocol: str) -> Sequence[Backend]:
    """Where the Service port of that name leads: to all that are ready, or else to what still serves while it ends."""
    found = sorted(set(_addresses(slices, port, protocol, _is_ready)))
    return found or sorted(set(_addresses(slices, port, protocol, _still_serves)))


def _addresses(slices: Iterable[Object], port: str, protocol: str, usable: Usable) -> Iterator[Backend]:
    for one in slices:
        if one.get("addressType", "IPv4") != "IPv4":
            continue
        numbers = [
            int(entry["port"])
            for entry in one.get("ports") or ()
            if entry.get("port") and (entry.get("name") or "") == port and entry.get("protocol", "TCP") == protocol
        ]
        for endpoint in one.get("endpoints") or ():
            if usable(endpoint):
                yield from (Backend(address, number) for address in endpoint["addresses"] for number in numbers)


def _is_ready(endpoint: Object) -> bool:
    return (endpoint.get("conditions") or {}).get("ready") is not False


def _still_serves(endpoint: Object) -> bool:
    conditions = endpoint.get("conditions") or {}
    return bool(conditions.get("serving") and conditions.get("terminating"))


def named(slices: Iterable[Object], *, unready: bool) -> Iterator[tuple[Object, Object]]:
    """Each endpoint that has a name in DNS, with its slice; `unready` ones only where a Service publishes them."""
    for one in slices:
        if one.get("addressType", "IPv4") != "IPv4":
            continue
        for endpoint in one.get("endpoints") or ():
            if unready or _is_ready(endpoint):
                yield one, endpoint
