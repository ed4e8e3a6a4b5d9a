"""The subresources that are other ways to change an object: status, scale, binding, eviction, finalize, token."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sandbox.cluster.api.clock import stamp
from sandbox.cluster.api.deletion import DeleteOptions, nothing_runs
from sandbox.cluster.api.errors import BadRequest, Conflict, Invalid, MethodNotAllowed, TooManyRequests
from sandbox.cluster.api.names import invalid_value
from sandbox.cluster.api.objects import Object, key_of
from sandbox.cluster.api.selectors import as_string, from_object
from sandbox.cluster.apiserver import views
from sandbox.cluster.apiserver.authentication import TokenRequest, Tokens
from sandbox.cluster.apiserver.call import Call
from sandbox.cluster.apiserver.formats import parse, respond
from sandbox.cluster.apiserver.messages import Response
from sandbox.cluster.apiserver.patching import read_patch
from sandbox.cluster.apiserver.stored import StoredResources, warn
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.printing import AGE, NAME, age
from sandbox.cluster.resources.resource import Column, Resource

_SUCCESS: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


class Subresources:
    """Answers them."""

    def __init__(self, stored: StoredResources, *, tokens: Tokens) -> None:
        self._stored = stored
        self._registry: Registry = stored.registry
        self._tokens = tokens

    async def status(self, call: Call) -> Response:
        """Get, replace or patch an object's status alone."""
        return self._part(call, self._registry.update_status)

    async def resize(self, call: Call) -> Response:
        """Change the resources of a running pod's containers."""
        return self._part(call, self._registry.update)

    async def ephemeral_containers(self, call: Call) -> Response:
        """Add containers for debugging to a running pod."""

        def write(resource: Resource, obj: Object, *, dry_run: bool, manager: str) -> Object:
            wanted = (obj.get("spec") or {}).get("ephemeralContainers") or []

            def change(pod: Object) -> None:
                pod["spec"]["ephemeralContainers"] = wanted
                pod["metadata"]["generation"] = pod["metadata"].get("generation", 0) + 1

            return self._registry.amend(resource, call.key, change, dry_run=dry_run)

        return self._part(call, write)

    async def finalize(self, call: Call) -> Response:
        """Replace a Namespace's finalizers: what its controller does when the contents are gone."""

        def write(resource: Resource, obj: Object, *, dry_run: bool, manager: str) -> Object:
            wanted = (obj.get("spec") or {}).get("finalizers") or []
            return self._registry.amend(
                resource, call.key, lambda found: found["spec"].update(finalizers=wanted), dry_run=dry_run
            )

        return self._part(call, write)

    def _part(self, call: Call, write: Callable[..., Object]) -> Response:
        how, now = call.how, self._registry.clock.now()
        if call.verb == "get":
            return views.one_stored(call.resource, self._registry.stored(call.resource, call.key), how, now=now)
        if call.verb == "patch":
            obj, _, warnings = self._stored.patched(call, read_patch(call.request), write)
            return warn(views.one(call.resource, obj, how, now=now), warnings)
        if call.verb != "update":
            raise MethodNotAllowed
        obj = parse(call.request)
        warnings = self._stored.checked(call, obj)
        self._stored.match_name(call, obj)
        updated = write(call.resource, obj, dry_run=call.dry_run, manager=call.manager)
        return warn(views.one(call.resource, updated, how, now=now), warnings)

    async def scale(self, call: Call) -> Response:
        """How many replicas there shall be, the same way for every kind that has them."""
        how = call.how
        obj = self._registry.get(call.resource, call.key)
        if call.verb == "get":
            return views.one(SCALE, scale_of(obj), how, now=self._registry.clock.now())
        if call.verb == "patch":
            wanted = read_patch(call.request).on(scale_of(obj), None)
        elif call.verb == "update":
            wanted = parse(call.request)
        else:
            raise MethodNotAllowed
        version = (wanted.get("metadata") or {}).get("resourceVersion")
        if version and version != obj["metadata"]["resourceVersion"]:
            raise Conflict(call.resource, call.path.name)
        replicas = (wanted.get("spec") or {}).get("replicas", 0)
        if not isinstance(replicas, int) or isinstance(replicas, bool):
            raise BadRequest("json: cannot unmarshal into Go struct field ScaleSpec.spec.replicas of type int32")
        if replicas < 0:
            cause = invalid_value("spec.replicas", replicas, "must be greater than or equal to 0")
            raise Invalid(SCALE, call.path.name, [cause])
        obj["spec"]["replicas"] = replicas
        obj["metadata"].pop("resourceVersion")
        updated = self._registry.update(call.resource, obj, dry_run=call.dry_run, manager=call.manager)
        return respond(scale_of(updated), how)

    async def binding(self, call: Call) -> Response:
        """Bind a pod to a node: what a scheduler does."""
        if call.verb != "create":
            raise MethodNotAllowed
        body = parse(call.request)
        target = (body.get("target") or {}).get("name", "")
        if not target:
            raise Invalid(
                _BINDING,
                call.path.name,
                [{"reason": "FieldValueRequired", "message": "Required value", "field": "target.name"}],
            )
        self._registry.bind(call.resource, call.key, target)
        return respond(_SUCCESS | {"code": 201}, call.how, status=201)

    async def eviction(self, call: Call) -> Response:
        """Delete a pod unless a PodDisruptionBudget says that too few would be left."""
        if call.verb != "create":
            raise MethodNotAllowed
        body = parse(call.request)
        options = body.get("deleteOptions") or {}
        pod = self._registry.get(call.resource, call.key)
        if "deletionTimestamp" not in pod["metadata"] and not nothing_runs(pod):
            self._use_budget(pod, dry_run=call.dry_run)
        grace = options.get("gracePeriodSeconds")
        deletion = DeleteOptions(grace=grace if isinstance(grace, int) else None, dry_run=call.dry_run)
        self._registry.delete_with(call.resource, call.key, deletion)
        return respond(_SUCCESS | {"code": 201}, call.how, status=201)

    def _use_budget(self, pod: Object, *, dry_run: bool) -> None:
        budgets = self._registry.resource("poddisruptionbudgets.policy")
        if budgets is None:
            return
        labels = pod["metadata"].get("labels")
        for budget in self._registry.list(budgets, namespace=pod["metadata"]["namespace"]):
            if not from_object(budget["spec"].get("selector")).matches(labels):
                continue
            status = budget.get("status") or {}
            if _is_unhealthy_spare(pod, budget):
                continue
            if status.get("disruptionsAllowed", 0) < 1:
                name = budget["metadata"]["name"]
                raise TooManyRequests(
                    "Cannot evict pod as it would violate the pod's disruption budget.",
                    causes=[
                        {
                            "reason": "DisruptionBudget",
                            "message": f"The disruption budget {name} needs {status.get('desiredHealthy', 0)} healthy"
                            f" pods and has {status.get('currentHealthy', 0)} currently",
                        }
                    ],
                )
            if not dry_run:
                self._registry.patch_status(budgets, key_of(budget), _one_less)

    async def token(self, call: Call) -> Response:
        """A token for a service account."""
        if call.verb != "create":
            raise MethodNotAllowed
        body = parse(call.request)
        account = self._registry.get(call.resource, call.key)
        spec = body.get("spec") or {}
        bound = spec.get("boundObjectRef") or {}
        asked = spec.get("expirationSeconds") or 3600
        if not isinstance(asked, int) or asked < 600:
            cause = invalid_value("spec.expirationSeconds", asked, "may not specify a duration less than 10 minutes")
            raise Invalid(_TOKEN_REQUEST, "", [cause])
        pod = bound.get("kind") == "Pod"
        request = TokenRequest(
            namespace=call.path.namespace,
            service_account=call.path.name,
            uid=account["metadata"]["uid"],
            audiences=tuple(spec.get("audiences") or ()),
            seconds=asked,
            pod=bound.get("name", "") if pod else "",
            pod_uid=bound.get("uid", "") if pod else "",
        )
        token, expires = self._tokens.issue(request)
        return respond(_token_request(account, spec, asked, token, expires), call.how, status=201)


class _Kind:
    """Names for messages about kinds that are not stored."""

    def __init__(self, kind: str, group: str) -> None:
        self.kind, self.plural, self.group = kind, f"{kind.lower()}s", group


_BINDING = _Kind("Binding", "")
_TOKEN_REQUEST = _Kind("TokenRequest", "authentication.k8s.io")


def _scale_cells(scale: Object, now: datetime) -> list[object]:
    metadata = scale["metadata"]
    replicas, available = scale["spec"].get("replicas", 0), scale["status"]["replicas"]
    return [metadata["name"], replicas, available, age(scale, now)]


SCALE = Resource(
    kind="Scale",
    plural="scales",
    group="autoscaling",
    columns=(NAME, Column("Desired", "integer"), Column("Available", "integer"), AGE),
    cells=_scale_cells,
)


def _is_unhealthy_spare(pod: Object, budget: Object) -> bool:
    """Whether a pod that is not ready may go without using up the budget."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    if any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
        return False
    status = budget.get("status") or {}
    healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    return bool(budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow" or healthy >= desired > 0)


def _one_less(budget: Object) -> None:
    budget["status"]["disruptionsAllowed"] -= 1


def _token_request(account: Object, spec: Object, seconds: int, token: str, expires: datetime) -> Object:
    metadata = account["metadata"]
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "creationTimestamp": None},
        "spec": {
            "audiences": spec.get("audiences") or ["https://kubernetes.default.svc.cluster.local"],
            "expirationSeconds": seconds,
            "boundObjectRef": spec.get("boundObjectRef"),
        },
        "status": {"token": token, "expirationTimestamp": stamp(expires)},
    }


def scale_of(obj: Object) -> Object:
    """The autoscaling/v1 Scale of an object that has replicas."""
    metadata, spec = obj["metadata"], obj["spec"]
    shown = {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")}
    selector = spec.get("selector") or {}
    if "matchLabels" not in selector and "matchExpressions" not in selector:
        selector = {"matchLabels": selector}
    status: Object = {"replicas": (obj.get("status") or {}).get("replicas", 0)}
    text = as_string(selector)
    if text:
        status["selector"] = text
    replicas = spec.get("replicas", 1)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": shown,
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }
