"""Discovery: how clients learn which kinds there are, the plain documents and the aggregated ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.resource import Resource

_READ_WRITE = ("get", "patch", "update")
_PROXY = ("create", "delete", "get", "patch", "update")

_SUBRESOURCES: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "attach": ("", "", "PodAttachOptions", ("create", "get")),
    "binding": ("", "", "Binding", ("create",)),
    "eviction": ("policy", "v1", "Eviction", ("create",)),
    "exec": ("", "", "PodExecOptions", ("create", "get")),
    "portforward": ("", "", "PodPortForwardOptions", ("create", "get")),
    "proxy": ("", "", "{kind}ProxyOptions", _PROXY),
    "scale": ("autoscaling", "v1", "Scale", _READ_WRITE),
    "token": ("authentication.k8s.io", "v1", "TokenRequest", ("create",)),
    "log": ("", "", "{kind}", ("get",)),
    "finalize": ("", "", "{kind}", ("update",)),
}
"""Subresource → group, version and kind of what it takes and gives, verbs; those not named are the kind itself."""

MEDIA_TYPE = "application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
"""Content type of the aggregated documents, `version` v2 or v2beta1."""


def _subresource(resource: Resource, name: str) -> tuple[str, str, str, tuple[str, ...]]:
    group, version, kind, verbs = _SUBRESOURCES.get(name, ("", "", "{kind}", _READ_WRITE))
    return group, version, kind.format(kind=resource.kind), verbs


def _sorted(resources: Iterable[Resource]) -> list[Resource]:
    return sorted(resources, key=lambda resource: resource.plural)


def api_versions(address: str) -> Object:
    """GET /api. `address` is host:port of the server as clients reach it."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def groups(resources: Iterable[Resource]) -> dict[str, list[str]]:
    """Groups but the core one, in the order of the list; each with its versions, preferred first."""
    found: dict[str, list[str]] = {}
    for resource in resources:
        if resource.group and resource.version not in found.setdefault(resource.group, []):
            found[resource.group].append(resource.version)
    return found


def _group(name: str, versions: Sequence[str]) -> Object:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def group_list(resources: Iterable[Resource]) -> Object:
    """GET /apis."""
    found = groups(resources)
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(name, versions) for name, versions in found.items()],
    }


def group(resources: Iterable[Resource], name: str) -> Object | None:
    """GET /apis/<name>; None when there is no such group."""
    versions = groups(resources).get(name)
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(name, versions) if versions else None


def _plain(resource: Resource) -> list[Object]:
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular or resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    entries = [entry]
    for name in sorted(resource.subresources):
        group_name, version, kind, verbs = _subresource(resource, name)
        sub: Object = {"name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced}
        if group_name:
            sub |= {"group": group_name, "version": version}
        entries.append(sub | {"kind": kind, "verbs": list(verbs)})
    return entries


def resource_list(resources: Iterable[Resource], group_name: str, version: str) -> Object | None:
    """GET /api/v1 or /apis/<group>/<version>; None when nothing is served there."""
    found = _sorted(r for r in resources if (r.group, r.version) == (group_name, version))
    if not found:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group_name}/{version}" if group_name else version,
        "resources": [entry for resource in found for entry in _plain(resource)],
    }


def _aggregated(resource: Resource) -> Object:
    entry: Object = {
        "resource": resource.plural,
        "responseKind": {"group": "", "version": "", "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular or resource.kind.lower(),
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    subresources = []
    for name in sorted(resource.subresources):
        group_name, version, kind, verbs = _subresource(resource, name)
        kind_of = {"group": group_name, "version": version, "kind": kind}
        subresources.append({"subresource": name, "responseKind": kind_of, "verbs": list(verbs)})
    return entry | {"subresources": subresources} if subresources else entry


def aggregated(resources: Sequence[Resource], *, core: bool, version: str = "v2") -> Object:
    """GET /api (`core`) or /apis with the aggregated media type; `version` is v2 or v2beta1."""
    wanted = {"": ["v1"]} if core else groups(resources)
    items = []
    for name, versions in wanted.items():
        metadata: Object = {"name": name, "creationTimestamp": None} if name else {"creationTimestamp": None}
        described = [
            {
                "version": served,
                "resources": [_aggregated(r) for r in _sorted(resources) if (r.group, r.version) == (name, served)],
                "freshness": "Current",
            }
            for served in versions
        ]
        items.append({"metadata": metadata, "versions": described})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }
