"""Who is asking: a client certificate, our own socket, or a service account's token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.api.errors import Unauthorized
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.apiserver.messages import ANONYMOUS, Request, User
from sandbox.cluster.pki import ISSUER, TokenSigner
from sandbox.cluster.registry import Registry

_DEFAULT_AUDIENCE = ISSUER
LONGEST = 2**32
SHORTEST = 600


@dataclass(frozen=True)
class TokenRequest:
    """What a token is asked for."""

    namespace: str
    service_account: str
    uid: str
    audiences: Sequence[str] = ()
    seconds: int = 3600
    pod: str = ""
    pod_uid: str = ""
    secret: str = ""
    secret_uid: str = ""


class Tokens:
    """Issues and checks service accounts' tokens."""

    def __init__(self, signer: TokenSigner, *, registry: Registry, clock: Clock) -> None:
        self._signer = signer
        self._registry = registry
        self._clock = clock

    def issue(self, request: TokenRequest) -> tuple[str, datetime]:
        """A signed token and when it expires."""
        now = int(self._clock.now().timestamp())
        expires = now + min(max(request.seconds, SHORTEST), LONGEST)
        bound: dict[str, object] = {
            "namespace": request.namespace,
            "serviceaccount": {"name": request.service_account, "uid": request.uid},
        }
        if request.pod:
            bound["pod"] = {"name": request.pod, "uid": request.pod_uid}
        if request.secret:
            bound["secret"] = {"name": request.secret, "uid": request.secret_uid}
        claims: dict[str, object] = {
            "aud": list(request.audiences) or [_DEFAULT_AUDIENCE],
            "exp": expires,
            "iat": now,
            "iss": ISSUER,
            "kubernetes.io": bound,
            "nbf": now,
            "sub": f"system:serviceaccount:{request.namespace}:{request.service_account}",
        }
        return self._signer.sign(claims), datetime.fromtimestamp(expires, UTC)

    def issue_for_secret(self, account: Object, secret: Object) -> str:
        """A token that is good for as long as the account and the secret that holds it exist."""
        owner, holder = account["metadata"], secret["metadata"]
        request = TokenRequest(
            owner["namespace"],
            owner["name"],
            owner["uid"],
            seconds=LONGEST,
            secret=holder["name"],
            secret_uid=holder["uid"],
        )
        return self.issue(request)[0]

    def user(self, token: str) -> User | None:
        """The service account of a token that is valid and whose account still exists, else None."""
        claims = self._signer.verify(token, self._clock.now())
        bound = claims.get("kubernetes.io") if claims else None
        audiences = claims.get("aud") if claims else None
        if not isinstance(bound, dict) or not isinstance(audiences, list) or _DEFAULT_AUDIENCE not in audiences:
            return None
        namespace, account = bound["namespace"], bound["serviceaccount"]
        if not self._is("serviceaccounts", namespace, account):
            return None
        pod = bound.get("pod")
        if pod and not self._is("pods", namespace, pod):
            return None
        secret = bound.get("secret")
        if secret and not self._is("secrets", namespace, secret):
            return None
        extra = {}
        if pod:
            extra = {
                "authentication.kubernetes.io/pod-name": [pod["name"]],
                "authentication.kubernetes.io/pod-uid": [pod["uid"]],
            }
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        name = f"system:serviceaccount:{namespace}:{account['name']}"
        return User(name, groups, uid=account["uid"], extra=extra)

    def _is(self, resource: str, namespace: str, wanted: dict[str, str]) -> bool:
        known = self._registry.resource(resource)
        found = self._registry.find(known, Key(namespace, wanted["name"])) if known else None
        return found is not None and found["metadata"]["uid"] == wanted["uid"]


def authenticate(request: Request, tokens: Tokens) -> User:
    """The user whom the request comes from, before impersonation. Raises Unauthorized."""
    if request.user is not None:
        return request.user
    scheme, _, token = request.header("authorization").partition(" ")
    if not scheme:
        return ANONYMOUS
    user = tokens.user(token.strip()) if scheme.lower() == "bearer" else None
    if user is None:
        raise Unauthorized
    return user


def impersonated(request: Request) -> User | None:
    """Whom the request wants to be taken for (`kubectl --as`), or None."""
    name = request.header("impersonate-user")
    if not name:
        return None
    groups = [value for key, value in request.headers if key == "impersonate-group"]
    if name.startswith("system:serviceaccount:") and not groups:
        namespace = name.split(":")[2]
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
    everybody = "system:unauthenticated" if name == ANONYMOUS.name else "system:authenticated"
    if everybody not in groups:
        groups.append(everybody)
    extra: dict[str, list[str]] = {}
    for key, value in request.headers:
        if key.startswith("impersonate-extra-"):
            extra.setdefault(key.removeprefix("impersonate-extra-"), []).append(value)
    return User(name, tuple(groups), uid=request.header("impersonate-uid"), extra=extra)
