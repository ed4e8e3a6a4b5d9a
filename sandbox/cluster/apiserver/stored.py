"""The verbs on stored resources: parse the request, call one verb of the registry, show what came of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol

from sandbox.cluster.api.deletion import DeleteOptions
from sandbox.cluster.api.errors import ApiError, BadRequest, Invalid, MethodNotAllowed, NotFound
from sandbox.cluster.api.merge import MergeSchema
from sandbox.cluster.api.objects import Object, key_of
from sandbox.cluster.api.selectors import EVERYTHING, parse_fields, parse_labels
from sandbox.cluster.apiserver import views
from sandbox.cluster.apiserver.call import Call
from sandbox.cluster.apiserver.formats import Accept, parse, respond
from sandbox.cluster.apiserver.messages import Request, Response, User
from sandbox.cluster.apiserver.patching import Patch, read_patch
from sandbox.cluster.apiserver.watches import WatchOptions, open_watch
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.resource import Resource
from sandbox.cluster.store import Stored

_PAGE_LIMIT = 50_000
_LONGEST_GRACE = 10 * 365 * 24 * 3600
_ATTEMPTS_AT_A_PATCH = 5


class Schemas(Protocol):
    """What the kinds' schemas say about bodies and patches."""

    def check(self, resource: Resource, obj: Object, mode: str) -> Sequence[str]:
        """Warnings about unknown fields (`mode` Warn); Strict raises BadRequest, as wrong types do in every mode."""

    def merging(self, resource: Resource) -> MergeSchema | None:
        """How strategic merge patches and applies merge this kind; None: its kind has no schema."""


Guard = Callable[[User, Resource, Object, Object | None], None]
"""Raises an ApiError when a user may not write this object (over this old one), whatever verb they may use."""


class ListOptionsInvalid(ApiError):
    """Options of a list or watch that do not go together."""

    code = 422
    reason = "Invalid"


class StoredResources:
    """Answers requests for objects in the registry."""

    def __init__(self, registry: Registry, *, schemas: Schemas, guard: Guard = lambda *_: None) -> None:
        self.registry = registry
        self._schemas = schemas
        self._guard = guard
        self._verbs: dict[str, Callable[[Call], Response]] = {
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
        }

    async def answer(self, call: Call) -> Response:
        """Carry out the call's verb."""
        if call.verb == "deletecollection":
            return await self._delete_collection(call)
        return warn(self._verbs[call.verb](call), _DEPRECATED.get(call.resource.qualified, ()))

    # Reading

    def _get(self, call: Call) -> Response:
        stored = self.registry.stored(call.resource, call.key)
        include = call.request.parameter("includeObject")
        return views.one_stored(call.resource, stored, call.how, now=self.registry.clock.now(), include=include)

    def _list(self, call: Call) -> Response:
        how = call.how
        found = self.registry.list_stored(
            call.resource,
            namespace=call.path.namespace,
            labels=call.request.parameter("labelSelector"),
            fields=call.request.parameter("fieldSelector"),
        )
        page = self._page(call, found)
        include = call.request.parameter("includeObject")
        return views.many(call.resource, page, how, now=self.registry.clock.now(), include=include)

    def _page(self, call: Call, found: Sequence[Stored]) -> views.Page:
        revision = str(self.registry.revision)
        token = call.request.parameter("continue")
        if token:
            revision, start = views.read_token(token)
            found = [stored for stored in found if stored.key > start]
        limit = min(call.number("limit") or _PAGE_LIMIT, _PAGE_LIMIT)
        if len(found) <= limit:
            return views.Page(found, revision)
        shown = found[:limit]
        selective = call.request.parameter("labelSelector") or call.request.parameter("fieldSelector")
        remaining = None if selective else len(found) - limit
        return views.Page(shown, revision, views.continue_token(revision, shown[-1].key), remaining)

    def _watch(self, call: Call) -> Response:
        request, resource = call.request, call.resource
        _refuse_initial_events(request)
        fields = parse_fields(
            request.parameter("fieldSelector"), resource.selectable_fields, namespaced=resource.namespaced
        )
        if call.path.name:
            fields = parse_fields(f"metadata.name={call.path.name}", namespaced=resource.namespaced)
        text = request.parameter("labelSelector")
        revision = request.parameter("resourceVersion")
        if revision and not revision.isdigit():
            raise BadRequest(f'Invalid value: "{revision}": strconv.ParseUint: parsing "{revision}": invalid syntax')
        how = call.how
        options = WatchOptions(
            resource=resource,
            namespace=call.path.namespace,
            labels=parse_labels(text) if text else EVERYTHING,
            fields=fields,
            revision=revision,
            bookmarks=request.flag("allowWatchBookmarks") and not how.view,
            seconds=call.number("timeoutSeconds"),
            how=how,
            include=request.parameter("includeObject"),
        )
        return Response(stream=open_watch(self.registry, options))

    # Writing

    def _create(self, call: Call) -> Response:
        if call.path.name:
            raise MethodNotAllowed
        how, obj = call.how, parse(call.request)
        warnings = self.checked(call, obj)
        self._check_grant(call, obj, None)
        created = self.registry.create(
            call.resource, obj, namespace=call.path.namespace, dry_run=call.dry_run, manager=call.manager
        )
        return self._shown(call, created, how, status=201, warnings=warnings)

    def _update(self, call: Call) -> Response:
        how, obj = call.how, parse(call.request)
        warnings = self.checked(call, obj)
        self.match_name(call, obj)
        self._check_grant(call, obj, self.registry.find(call.resource, call.key))
        updated = self.registry.update(call.resource, obj, dry_run=call.dry_run, manager=call.manager)
        return self._shown(call, updated, how, warnings=warnings)

    def _patch(self, call: Call) -> Response:
        how = call.how
        patch = read_patch(call.request)
        obj, created, warnings = self.patched(call, patch, self.registry.update)
        return self._shown(call, obj, how, status=201 if created else 200, warnings=warnings)

    def patched(self, call: Call, patch: Patch, write: Callable[..., Object]) -> tuple[Object, bool, Sequence[str]]:
        """(the object after a patch, whether it was created, warnings); `write` is update or update_status."""
        if patch.applies:
            return self._applied(call, patch)
        old = self.registry.get(call.resource, call.key)
        new = patch.on(old, self._schemas.merging(call.resource))
        _refuse_rename(call, new)
        try:
            warnings = self.checked(call, new)
        except BadRequest as error:
            raise patch.fault(str(error)) from error
        self._check_grant(call, new, old)
        # Nothing else runs between reading and writing: a version given in the patch is compared, no other.
        return write(call.resource, new, dry_run=call.dry_run, manager=call.manager), False, warnings

    def _applied(self, call: Call, patch: Patch) -> tuple[Object, bool, Sequence[str]]:
        obj = patch.value
        if not isinstance(obj, dict):
            raise BadRequest("error decoding YAML: the applied configuration is no object")
        warnings = self.checked(call, obj)
        obj.setdefault("metadata", {})
        self.match_name(call, obj)
        if not call.request.parameter("fieldManager"):
            raise BadRequest(
                'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
            )
        self._check_grant(call, obj, self.registry.find(call.resource, call.key))
        applied, created = self.registry.apply(
            call.resource,
            obj,
            manager=call.manager,
            force=call.request.flag("force"),
            dry_run=call.dry_run,
        )
        return applied, created, warnings

    def _check_grant(self, call: Call, new: Object, old: Object | None) -> None:
        """Let the guard see the object as the registry will, with the namespace of the path."""
        if call.path.namespace:
            new["metadata"].setdefault("namespace", call.path.namespace)
        self._guard(call.user, call.resource, new, old)

    def _delete(self, call: Call) -> Response:
        how, options = call.how, self.delete_options(call)
        gone = self.registry.delete_with(call.resource, call.key, options)
        if self.registry.exists(call.resource, call.key) or call.resource.qualified in _SHOWN_WHEN_DELETED:
            return self._shown(call, gone, how)
        details: Object = {"name": call.path.name}
        if call.resource.group:
            details["group"] = call.resource.group
        details |= {"kind": call.resource.plural, "uid": gone["metadata"]["uid"]}
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        return respond(status, how)

    async def _delete_collection(self, call: Call) -> Response:
        options = self.delete_options(call)
        found = self.registry.list_stored(
            call.resource,
            namespace=call.path.namespace,
            labels=call.request.parameter("labelSelector"),
            fields=call.request.parameter("fieldSelector"),
        )
        for stored in found:
            with contextlib.suppress(NotFound):
                self.registry.delete_with(call.resource, stored.key, options)
            # Thousands of deletions must not keep everybody else waiting.
            await asyncio.sleep(0)
        page = views.Page(found, str(self.registry.revision))
        return views.many(call.resource, page, call.how, now=self.registry.clock.now())

    # Shared with the subresources

    def checked(self, call: Call, obj: Object) -> Sequence[str]:
        """Warnings about a body. Raises BadRequest when it is not of the call's kind or breaks its schema."""
        resource = call.resource
        given, kind = obj.get("apiVersion", ""), obj.get("kind", "")
        if (kind and kind != resource.kind) or (given and given != resource.api_version):
            raise _wrong_kind(resource, given, kind)
        if not isinstance(obj.get("metadata") or {}, dict):
            raise BadRequest("the metadata of the object is no object")
        if obj.get("metadata") is None:
            obj["metadata"] = {}
        return self._schemas.check(resource, obj, call.request.parameter("fieldValidation") or "Warn")

    def match_name(self, call: Call, obj: Object) -> None:
        """Complete the name and namespace from the path. Raises BadRequest when they differ."""
        metadata = obj["metadata"]
        name = metadata.setdefault("name", call.path.name)
        if name != call.path.name:
            raise BadRequest(f"the name of the object ({name}) does not match the name on the URL ({call.path.name})")
        if not call.resource.namespaced:
            metadata.pop("namespace", None)
            return
        namespace = metadata.get("namespace") or call.path.namespace
        metadata["namespace"] = namespace
        if namespace != call.path.namespace:
            raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")

    def delete_options(self, call: Call) -> DeleteOptions:
        """What the body and the query say about a deletion. Raises BadRequest."""
        body = parse(call.request) if call.request.body.strip() else {}
        preconditions = body.get("preconditions") or {}
        if not isinstance(preconditions, dict):
            raise BadRequest("json: cannot unmarshal into Go struct field DeleteOptions.preconditions")
        grace = body.get("gracePeriodSeconds")
        if grace is None:
            grace = call.number("gracePeriodSeconds")
        propagation = body.get("propagationPolicy") or call.request.parameter("propagationPolicy")
        if propagation not in ("", None, "Orphan", "Background", "Foreground"):
            raise BadRequest(
                f'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "{propagation}":'
                ' supported values: "Foreground", "Background", "Orphan"'
            )
        orphans = body.get("orphanDependents", call.request.flag("orphanDependents") or None)
        if orphans is not None and not propagation:
            propagation = "Orphan" if orphans else "Background"
        return DeleteOptions(
            grace=min(grace, _LONGEST_GRACE) if isinstance(grace, int) else None,
            propagation=propagation or "",
            uid=str(preconditions.get("uid") or ""),
            resource_version=str(preconditions.get("resourceVersion") or ""),
            dry_run=call.dry_run or body.get("dryRun") == ["All"],
        )

    def _shown(
        self, call: Call, obj: Object, how: Accept, *, status: int = 200, warnings: Sequence[str] = ()
    ) -> Response:
        response = views.one(call.resource, obj, how, now=self.registry.clock.now(), status=status)
        return warn(response, warnings)


_DEPRECATED = {
    "endpoints": ("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",),
    "componentstatuses": ("v1 ComponentStatus is deprecated in v1.19+",),
}

_SHOWN_WHEN_DELETED = frozenset({"pods", "services", "serviceaccounts", "persistentvolumeclaims", "persistentvolumes"})
"""Kinds whose deletion answers with the object, whereas others answer with a Status."""


def warn(response: Response, warnings: Sequence[str]) -> Response:
    """The response with warnings that kubectl prints."""
    for warning in warnings:
        quoted = warning.replace("\\", "\\\\").replace('"', '\\"')
        text = quoted.encode("ascii", "backslashreplace").decode()
        response.headers.append(("warning", f'299 - "{"".join(c for c in text if c.isprintable())}"'))
    return response


def _wrong_kind(resource: Resource, given: str, kind: str) -> BadRequest:
    if given and given != resource.api_version:
        return BadRequest(
            f"the API version in the data ({given}) does not match the expected API version ({resource.api_version})"
        )
    short = f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
    return BadRequest(f"{short}: converting ({resource.group or 'v1'}.{kind}) to ({resource.group}.{resource.kind})")


def _refuse_rename(call: Call, new: Object) -> None:
    metadata = new.get("metadata")
    if not isinstance(metadata, dict):
        raise BadRequest("the patch removes the metadata")
    if metadata.get("name") != call.key.name or metadata.get("namespace", "") != call.key.namespace:
        field = "metadata.name" if metadata.get("name") != call.key.name else "metadata.namespace"
        value = metadata.get(field.partition(".")[2])
        cause = {
            "reason": "FieldValueInvalid",
            "message": f'Invalid value: "{value}": field is immutable',
            "field": field,
        }
        raise Invalid(call.resource, call.key.name, [cause])
    assert key_of(new) == call.key


def _refuse_initial_events(request: Request) -> None:
    if "sendInitialEvents" not in request.query:
        return
    message = "Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
    cause = {"reason": "FieldValueForbidden", "message": message, "field": "sendInitialEvents"}
    raise ListOptionsInvalid(
        f'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: {message}',
        details={"group": "meta.k8s.io", "kind": "ListOptions", "causes": [cause]},
    )
