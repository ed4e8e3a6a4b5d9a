"""The live picture of the learner's cluster: watches what it shows and tells compact snapshots."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.agent.cluster import Cluster
from sandbox.agent.happenings import Happenings

Object = dict[str, Any]
Key = tuple[str, str]

_PATHS = {
    "nodes": "/api/v1/nodes",
    "pods": "/api/v1/pods",
    "services": "/api/v1/services",
    "deployments": "/apis/apps/v1/deployments",
    "slices": "/apis/discovery.k8s.io/v1/endpointslices",
}
_DEBOUNCE_SECONDS = 0.1
_RETRY_SECONDS = 0.5
_PODS = 200
_HIDDEN = ("kube-system", "kube-public", "kube-node-lease")


class Painter:
    """Keeps a small copy of what the picture needs while somebody looks."""

    def __init__(self, cluster: Cluster, happenings: Happenings) -> None:
        self.picture: Object | None = None
        """The last one; None while nobody looks or no cluster runs."""
        self._cluster = cluster
        self._happenings = happenings
        self._objects: dict[str, dict[Key, Object]] = {}
        self._looking = 0
        self._wanted = asyncio.Event()
        self._changed = asyncio.Event()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """While inside, pictures are told."""
        self._looking += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._looking -= 1
            if not self._looking:
                self._wanted.clear()

    async def paint(self) -> None:
        """Watch the cluster whenever somebody looks and it runs; for ever."""
        while True:
            await self._wanted.wait()
            if self._cluster.state == "running":
                await self._watch_everything()
            self.picture = None
            await asyncio.sleep(_RETRY_SECONDS / 5)

    async def _watch_everything(self) -> None:
        """Until the cluster goes or nobody looks any more."""
        self._objects = {kind: {} for kind in _PATHS}
        tasks = [asyncio.create_task(self._follow(kind, path)) for kind, path in _PATHS.items()]
        tasks.append(asyncio.create_task(self._publish()))
        try:
            while self._cluster.state == "running" and self._wanted.is_set():  # noqa: ASYNC110 - either may end it
                await asyncio.sleep(_RETRY_SECONDS)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._objects = {}

    async def _follow(self, kind: str, path: str) -> None:
        """Keep `kind` as the server has it: list, then watch from there, again and again."""
        reduce = _REDUCERS[kind]
        while True:
            with contextlib.suppress(OSError):
                status, listed = await self._cluster.request("GET", path)
                if status == 200:
                    self._objects[kind] = {_key(item): reduce(item) for item in listed.get("items") or []}
                    self._changed.set()
                    version = listed.get("metadata", {}).get("resourceVersion", "")
                    await self._follow_from(kind, f"{path}?watch=1&resourceVersion={version}")
            await asyncio.sleep(_RETRY_SECONDS)

    async def _follow_from(self, kind: str, path: str) -> None:
        reduce = _REDUCERS[kind]
        async for event in self._cluster.api.watch(path):
            item, what = event.get("object") or {}, event.get("type")
            if what == "DELETED":
                self._objects[kind].pop(_key(item), None)
            elif what in ("ADDED", "MODIFIED"):
                self._objects[kind][_key(item)] = reduce(item)
            elif what == "ERROR":
                return
            self._changed.set()

    async def _publish(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            picture = compose(self._objects)
            if picture != self.picture:
                self.picture = picture
                self._happenings.tell(picture)
            await asyncio.sleep(_DEBOUNCE_SECONDS)


def compose(objects: Mapping[str, Mapping[Key, Object]]) -> Object:
    """The event `picture` for these reduced objects."""
    endpoints: dict[Key, set[str]] = {}
    for piece in objects["slices"].values():
        endpoints.setdefault((piece["namespace"], piece["service"]), set()).update(piece["pods"])
    pods = [pod for pod in objects["pods"].values() if pod["namespace"] not in _HIDDEN]
    services = [
        {**service, "endpoints": sorted(endpoints.get((service["namespace"], service["name"]), ()))}
        for service in objects["services"].values()
        if service["namespace"] not in _HIDDEN
    ]
    return {
        "type": "picture",
        "nodes": _sorted(objects["nodes"].values()),
        "pods": _sorted(pods)[:_PODS],
        "services": _sorted(services)[:_PODS],
        "deployments": _sorted(d for d in objects["deployments"].values() if d["namespace"] not in _HIDDEN)[:_PODS],
        "truncated": len(pods) > _PODS,
    }


def _sorted(objects: Any) -> list[Object]:
    return sorted(objects, key=lambda item: (item.get("namespace", ""), item["name"]))


def _key(item: Object) -> Key:
    metadata = item.get("metadata") or {}
    return str(metadata.get("namespace", "")), str(metadata.get("name", ""))


def _condition(item: Object, kind: str) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or []
    return any(one.get("type") == kind and one.get("status") == "True" for one in conditions)


def _named(item: Object) -> Object:
    namespace, name = _key(item)
    return {"namespace": namespace, "name": name}


def _node(item: Object) -> Object:
    schedulable = not (item.get("spec") or {}).get("unschedulable", False)
    return {"name": _key(item)[1], "ready": _condition(item, "Ready"), "schedulable": schedulable}


def _pod(item: Object) -> Object:
    spec, status, metadata = item.get("spec") or {}, item.get("status") or {}, item["metadata"]
    owners = metadata.get("ownerReferences") or []
    return {
        **_named(item),
        "node": spec.get("nodeName", ""),
        "phase": status.get("phase", ""),
        "ready": _condition(item, "Ready"),
        "reason": _reason(status),
        "ip": status.get("podIP", ""),
        "labels": metadata.get("labels") or {},
        "owner": f"{owners[0].get('kind')}/{owners[0].get('name')}" if owners else "",
        "images": [container.get("image", "") for container in spec.get("containers") or []],
        "deleting": "deletionTimestamp" in metadata,
    }


def _reason(status: Object) -> str:
    """Why the pod is not well, as `kubectl get` would say it; empty when it is."""
    for container in status.get("containerStatuses") or []:
        state = container.get("state") or {}
        for kind in ("waiting", "terminated"):
            reason = (state.get(kind) or {}).get("reason")
            if reason and reason not in ("ContainerCreating", "Completed"):
                return str(reason)
    return str(status.get("reason", ""))


def _service(item: Object) -> Object:
    spec = item.get("spec") or {}
    ports = [
        {key: port[key] for key in ("port", "targetPort", "nodePort") if key in port}
        for port in spec.get("ports") or []
    ]
    kind, address = spec.get("type", "ClusterIP"), spec.get("clusterIP", "")
    return {**_named(item), "type": kind, "ip": address, "ports": ports, "selector": spec.get("selector") or {}}


def _deployment(item: Object) -> Object:
    spec, status = item.get("spec") or {}, item.get("status") or {}
    template = (spec.get("template") or {}).get("spec") or {}
    return {
        **_named(item),
        "wanted": spec.get("replicas", 1),
        "ready": status.get("readyReplicas", 0),
        "updated": status.get("updatedReplicas", 0),
        "images": [container.get("image", "") for container in template.get("containers") or []],
    }


def _slice(item: Object) -> Object:
    labels = item["metadata"].get("labels") or {}
    pods = [
        endpoint["targetRef"]["name"]
        for endpoint in item.get("endpoints") or []
        if (endpoint.get("targetRef") or {}).get("name")
        and (endpoint.get("conditions") or {}).get("ready") is not False
    ]
    return {**_named(item), "service": labels.get("kubernetes.io/service-name", ""), "pods": pods}


_REDUCERS = {"nodes": _node, "pods": _pod, "services": _service, "deployments": _deployment, "slices": _slice}
