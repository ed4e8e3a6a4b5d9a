"""Finds where in the API a resource lies that a lesson names as kubectl would: `deploy`, `deployments.apps`, `pod`."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote, urlencode

from sandbox.agent.cluster import Cluster

Object = dict[str, Any]

Place = tuple[str, str, bool]
"""API prefix, plural name, whether it is namespaced."""


class Resources:
    """A cache of the cluster's discovery; asked anew when a name is not in it."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._places: dict[str, Place] = {}

    async def path(self, resource: str, *, namespace: str, name: str = "", selector: str = "") -> str | None:
        """The path of an object, or of a list; None for an unknown resource. Raises OSError without a cluster."""
        key = resource.lower()
        if key not in self._places:
            self._places = await self._discover()
        place = self._places.get(key)
        if place is None:
            return None
        prefix, plural, namespaced = place
        within = f"/namespaces/{quote(namespace, safe='')}" if namespaced and namespace else ""
        path = f"{prefix}{within}/{plural}"
        if name:
            return f"{path}/{quote(name, safe='')}"
        return f"{path}?{urlencode({'labelSelector': selector})}" if selector else path

    async def _discover(self) -> dict[str, Place]:
        status, groups = await self._cluster.request("GET", "/apis")
        if status != 200:
            raise OSError(f"discovery was answered with {status}")
        versions = [group["preferredVersion"]["groupVersion"] for group in groups.get("groups") or []]
        prefixes = ["/api/v1", *(f"/apis/{version}" for version in versions)]
        lists = await asyncio.gather(*(self._cluster.request("GET", prefix) for prefix in prefixes))
        places: dict[str, Place] = {}
        for prefix, (_, listed) in zip(prefixes, lists, strict=True):
            group = prefix.split("/")[2] if prefix.startswith("/apis/") else ""
            for resource in listed.get("resources") or []:
                for known in _names(resource, group):
                    places.setdefault(known, (prefix, resource["name"], bool(resource.get("namespaced"))))
        return places


def _names(resource: Object, group: str) -> list[str]:
    plural = str(resource["name"])
    if "/" in plural:
        return []
    singular = resource.get("singularName") or str(resource.get("kind", "")).lower()
    names = [plural, singular, *(resource.get("shortNames") or [])]
    return names + ([f"{name}.{group}" for name in names] if group else [])
