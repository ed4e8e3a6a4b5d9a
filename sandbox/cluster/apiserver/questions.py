"""Objects that are created to be answered and never stored: reviews of who one is and what one may do."""

from __future__ import annotations

from sandbox.cluster.api.clock import Clock, stamp
from sandbox.cluster.api.errors import MethodNotAllowed
from sandbox.cluster.api.objects import Object
from sandbox.cluster.apiserver.authentication import Tokens
from sandbox.cluster.apiserver.authorization import Attributes, Authorizer
from sandbox.cluster.apiserver.call import Call
from sandbox.cluster.apiserver.formats import parse, respond
from sandbox.cluster.apiserver.messages import Response, User


class Questions:
    """Answers them."""

    def __init__(self, *, tokens: Tokens, authorizer: Authorizer, clock: Clock) -> None:
        self._tokens = tokens
        self._authorizer = authorizer
        self._clock = clock

    async def who_am_i(self, call: Call) -> Response:
        """SelfSubjectReview: `kubectl auth whoami`."""
        _body(call)
        return self._answer(call, {}, {"userInfo": user_info(call.user)})

    async def may_i(self, call: Call) -> Response:
        """SelfSubjectAccessReview: `kubectl auth can-i`."""
        spec = _body(call)
        return self._answer(call, spec, self._decision(call.user, spec))

    async def may_they(self, call: Call) -> Response:
        """SubjectAccessReview and LocalSubjectAccessReview."""
        spec = _body(call)
        user = User(str(spec.get("user") or ""), tuple(spec.get("groups") or ()), uid=str(spec.get("uid") or ""))
        return self._answer(call, spec, self._decision(user, spec))

    async def what_may_i(self, call: Call) -> Response:
        """SelfSubjectRulesReview: `kubectl auth can-i --list`."""
        spec = _body(call)
        rules = self._authorizer.rules(call.user, str(spec.get("namespace") or ""))
        status = {
            "resourceRules": [rule for rule in rules if "nonResourceURLs" not in rule],
            "nonResourceRules": [
                {"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]}
                for rule in rules
                if "nonResourceURLs" in rule
            ],
            "incomplete": False,
        }
        return self._answer(call, {}, status)

    async def whose_token(self, call: Call) -> Response:
        """TokenReview."""
        spec = _body(call)
        user = self._tokens.user(str(spec.get("token") or ""))
        if user is None:
            return self._answer(call, spec, {"user": {}, "error": "invalid bearer token"})
        return self._answer(call, spec, {"authenticated": True, "user": user_info(user)})

    def _decision(self, user: User, spec: Object) -> Object:
        decision = self._authorizer.decide(user, _attributes(spec))
        status: Object = {"allowed": decision.allowed}
        return status | ({"reason": decision.reason} if decision.reason else {})

    def _answer(self, call: Call, spec: Object, status: Object) -> Response:
        resource = call.resource
        made = stamp(self._clock.now()) if resource.kind == "SelfSubjectReview" else None
        obj: Object = {
            "kind": resource.kind,
            "apiVersion": resource.api_version,
            "metadata": {"creationTimestamp": made},
        }
        if resource.kind != "SelfSubjectReview":
            obj["spec"] = spec
        return respond(obj | {"status": status}, call.how, status=201)


def _body(call: Call) -> Object:
    if call.verb != "create":
        raise MethodNotAllowed
    spec = parse(call.request).get("spec")
    return spec if isinstance(spec, dict) else {}


def _attributes(spec: Object) -> Attributes:
    of_path = spec.get("nonResourceAttributes")
    if isinstance(of_path, dict):
        return Attributes(str(of_path.get("verb") or ""), path=str(of_path.get("path") or ""))
    wanted = spec.get("resourceAttributes") or {}
    plural, subresource = str(wanted.get("resource") or ""), wanted.get("subresource")
    return Attributes(
        verb=str(wanted.get("verb") or ""),
        group=str(wanted.get("group") or ""),
        resource=f"{plural}/{subresource}" if subresource else plural,
        namespace=str(wanted.get("namespace") or ""),
        name=str(wanted.get("name") or ""),
    )


def user_info(user: User) -> Object:
    """The authentication.k8s.io UserInfo of a user."""
    info: Object = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    if user.groups:
        info["groups"] = list(user.groups)
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra.items()}
    return info
