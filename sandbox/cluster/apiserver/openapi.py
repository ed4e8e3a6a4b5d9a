"""OpenAPI v3 (an index and one document a group) and v2 (JSON and protobuf), for the kinds that are served.

kubectl asks for them to explain, and before it creates or applies a file: to learn how lists merge and whether the
server validates fields itself. Documents are put together from pieces, so that no large object is ever held.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence

from sandbox.cluster.api import schema
from sandbox.cluster.api.objects import Object
from sandbox.cluster.apiserver import openapi_protobuf
from sandbox.cluster.apiserver.messages import Request, Response
from sandbox.cluster.config import KUBERNETES_VERSION
from sandbox.cluster.resources.resource import Resource

_JSON = "application/json"
V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""What is sent: clients cannot parse a content type with an @, although the older of them ask for one."""
_V2_PROTOBUF_ASKED = (V2_PROTOBUF, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
_INFO = {"title": "Kubernetes", "version": KUBERNETES_VERSION}
_WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class _Style:
    """What the two versions of OpenAPI write differently."""

    def __init__(self, references: str, *, wrapped: bool) -> None:
        self._references = references
        self._wrapped = wrapped
        self.third = wrapped

    def reference(self, name: str) -> Object:
        """A reference; in version 3 it may not have siblings, so it is wrapped."""
        found: Object = {"$ref": f"{self._references}{name}"}
        return {"allOf": [found], "default": {}} if self._wrapped else found


V2 = _Style("#/definitions/", wrapped=False)
V3 = _Style("#/components/schemas/", wrapped=True)


def _place(node: schema.Node, style: _Style, description: str = "") -> Object:
    """The schema of a field, a list's item or a map's value."""
    found: Object = {"description": description} if description else {}
    if node.definition:
        found |= style.reference(node.definition)
    else:
        found |= {"type": node.type} if node.type else {}
        if node.format:
            found["format"] = node.format
        items, values = node.items(), node.values()
        if items is not None:
            found["items"] = _place(items, style)
        if values is not None:
            found["additionalProperties"] = _place(values, style)
    if node.patch_strategy:
        found["x-kubernetes-patch-strategy"] = node.patch_strategy
    if node.merge_key:
        found["x-kubernetes-patch-merge-key"] = node.merge_key
    if node.map_keys:
        found["x-kubernetes-list-map-keys"] = list(node.map_keys)
    if node.list_type:
        found["x-kubernetes-list-type"] = node.list_type
    if node.enum:
        found["enum"] = list(node.enum)
    return found


def _special(kind: str, description: str, style: _Style) -> Object:
    if kind == schema.INT_OR_STRING and style.third:
        choice = [{"type": "integer"}, {"type": "string"}]
        return {"description": description, "format": "int-or-string", "oneOf": choice}
    format_ = {"format": "int-or-string"} if kind == schema.INT_OR_STRING else {}
    return {"description": description, "type": "string"} | format_


def definition(name: str, style: _Style) -> Object:
    """The schema of a definition."""
    node = schema.definition(name)
    described = node.described()
    if node.type in (schema.INT_OR_STRING, schema.QUANTITY):
        return _special(node.type, described.get("", ""), style)
    found: Object = {"description": described.get("", "")}
    found |= {"type": node.type} if node.type else {}
    if node.format:
        found["format"] = node.format
    if node.required:
        found["required"] = list(node.required)
    if node.structured:
        found["properties"] = {
            field: _place(place, style, described.get(field, ""))
            for field in node.names()
            if (place := node.field(field)) is not None
        }
    if node.map_type:
        found["x-kubernetes-map-type"] = node.map_type
    kinds = schema.kinds_of(name)
    if kinds:
        found["x-kubernetes-group-version-kind"] = [
            {"group": group, "kind": kind, "version": version} for group, version, kind in kinds
        ]
    return found


def reachable(resources: Iterable[Resource]) -> list[str]:
    """Names of the definitions that these kinds are made of, sorted."""
    found: set[str] = set()
    waiting = []
    for resource in resources:
        node = schema.kind(resource.group, resource.version, resource.kind)
        waiting += [node] if node is not None else []
    while waiting:
        node = waiting.pop()
        if node.definition:
            if node.definition in found:
                continue
            found.add(node.definition)
        waiting += [one for one in (node.items(), node.values()) if one is not None]
        waiting += [one for name in node.names() if (one := node.field(name)) is not None]
    return sorted(found)


def _operation(resource: Resource, action: str, parameters: Sequence[str], style: _Style) -> Object:
    written = []
    for name in parameters:
        kind: Object = {"schema": {"type": "string", "uniqueItems": True}} if style.third else {"type": "string"}
        written.append({"name": name, "in": "query"} | kind)
    gvk = {"group": resource.group, "kind": resource.kind, "version": resource.version}
    found: Object = {"operationId": f"{action}{resource.kind}", "responses": {"200": {"description": "OK"}}}
    if written:
        found["parameters"] = written
    return found | {"x-kubernetes-action": action, "x-kubernetes-group-version-kind": gvk}


def paths_of(resource: Resource, style: _Style) -> Iterator[tuple[str, Object]]:
    """(path, path item) of a resource's collection and of its objects."""
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    collection = (
        f"{root}/namespaces/{{namespace}}/{resource.plural}" if resource.namespaced else f"{root}/{resource.plural}"
    )
    verbs = {
        collection: (("get", "list", ()), ("post", "create", _WRITE_PARAMETERS)),
        f"{collection}/{{name}}": (
            ("delete", "delete", ()),
            ("get", "get", ()),
            ("patch", "patch", (*_WRITE_PARAMETERS, "force")),
            ("put", "update", _WRITE_PARAMETERS),
        ),
    }
    for path, methods in verbs.items():
        item = {}
        for method, verb, parameters in methods:
            if verb in resource.verbs:
                action = {"create": "post", "update": "put"}.get(verb, verb)
                item[method] = _operation(resource, action, parameters, style)
        if item:
            yield path, item


def _members(pairs: Iterable[tuple[str, Object]]) -> bytes:
    return b"{" + b",".join(_dump(name) + b":" + _dump(value) for name, value in pairs) + b"}"


def _definitions(resources: Sequence[Resource], style: _Style) -> Iterator[tuple[str, Object]]:
    for name in reachable(resources):
        yield name, definition(name, style)
    for resource in resources:
        if schema.kind(resource.group, resource.version, resource.kind) is None:
            gvk = {"group": resource.group, "kind": resource.kind, "version": resource.version}
            reverse = ".".join(reversed(resource.group.split(".")))
            shape = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
            yield f"{reverse}.{resource.version}.{resource.kind}", shape | {"x-kubernetes-group-version-kind": [gvk]}


def v3(resources: Sequence[Resource]) -> bytes:
    """The document of one group and version."""
    paths = _members(pair for resource in resources for pair in paths_of(resource, V3))
    head = _dump({"openapi": "3.0.0", "info": _INFO})[:-1]
    return head + b',"paths":' + paths + b',"components":{"schemas":' + _members(_definitions(resources, V3)) + b"}}"


def v2(resources: Sequence[Resource]) -> bytes:
    """The one document of version 2, as JSON."""
    paths = _members(pair for resource in resources for pair in paths_of(resource, V2))
    head = _dump({"swagger": "2.0", "info": _INFO})[:-1]
    return head + b',"paths":' + paths + b',"definitions":' + _members(_definitions(resources, V2)) + b"}"


def v2_protobuf(resources: Sequence[Resource]) -> bytes:
    """The same as protobuf."""
    paths = (pair for resource in resources for pair in paths_of(resource, V2))
    return openapi_protobuf.document(_INFO, paths, _definitions(resources, V2))


def _by_path(resources: Iterable[Resource]) -> dict[str, list[Resource]]:
    found: dict[str, list[Resource]] = {}
    for resource in resources:
        path = f"apis/{resource.group}/{resource.version}" if resource.group else f"api/{resource.version}"
        found.setdefault(path, []).append(resource)
    return found


def _hash(resources: Iterable[Resource]) -> str:
    names = sorted(f"{KUBERNETES_VERSION}/{r.group}/{r.version}/{r.kind}/{r.verbs}" for r in resources)
    return hashlib.sha512("\n".join(names).encode()).hexdigest().upper()


def index(resources: Iterable[Resource]) -> Object:
    """GET /openapi/v3."""
    return {
        "paths": {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={_hash(found)}"}
            for path, found in sorted(_by_path(resources).items())
        }
    }


def answer(request: Request, resources: Sequence[Resource]) -> Response | None:
    """Answer /openapi/v2, /openapi/v3 and what the index names; None when there is no such document."""
    path = request.path.strip("/").removeprefix("openapi/")
    if path == "v3":
        return Response(body=_dump(index(resources)))
    found = list(resources) if path == "v2" else _by_path(resources).get(path.removeprefix("v3/"))
    if not found or not (path == "v2" or path.startswith("v3/")):
        return None
    tag = f'"{_hash(found)}"'
    headers = [("etag", tag), ("vary", "Accept")]
    if request.parameter("hash") == tag.strip('"'):
        # The address changes with the content: it may be kept for ever.
        headers.append(("cache-control", "public, immutable, max-age=31536000"))
    if request.header("if-none-match") == tag:
        return Response(status=304, headers=headers)
    if path != "v2":
        return Response(body=v3(found), headers=headers)
    if any(name in request.header("accept") for name in _V2_PROTOBUF_ASKED):
        return Response(body=v2_protobuf(found), content_type=V2_PROTOBUF, headers=headers)
    return Response(body=v2(found), content_type=_JSON, headers=headers)
