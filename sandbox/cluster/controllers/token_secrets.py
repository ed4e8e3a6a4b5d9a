"""Secrets that hold a service account's token for as long as they exist."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence

from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.controller import Watch
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.secrets import ACCOUNT_NAME, SECRETS, TOKEN_TYPE
from sandbox.cluster.resources.serviceaccounts import SERVICEACCOUNTS

_ACCOUNT_UID = "kubernetes.io/service-account.uid"

SecretTokenIssuer = Callable[[Object, Object], str]
"""(account, secret) → a token that lives as long as both."""


class TokenSecretController:
    """Fills in the secrets of service accounts, and deletes those whose account is gone."""

    name = "tokens-controller"

    def __init__(self, registry: Registry, *, issue: SecretTokenIssuer, certificate: str) -> None:
        self._registry = registry
        self._issue = issue
        self._certificate = certificate

    def watches(self) -> Sequence[Watch]:
        """Secrets of this type, and accounts."""
        return (Watch(SECRETS, _of_token), Watch(SERVICEACCOUNTS, self._of_account))

    def _of_account(self, change: Change) -> Iterable[Key]:
        found = self._registry.list(SECRETS, namespace=change.key.namespace, fields=f"type={TOKEN_TYPE}")
        return tuple(
            Key(change.key.namespace, one["metadata"]["name"]) for one in found if _account(one) == change.key.name
        )

    async def reconcile(self, key: Key) -> float | None:
        """Fill in one secret."""
        secret = self._registry.find(SECRETS, key)
        if secret is None or secret.get("type") != TOKEN_TYPE or "deletionTimestamp" in secret["metadata"]:
            return None
        account = self._registry.find(SERVICEACCOUNTS, Key(key.namespace, _account(secret)))
        uid = (secret["metadata"].get("annotations") or {}).get(_ACCOUNT_UID)
        if account is None or (uid and uid != account["metadata"]["uid"]):
            self._registry.delete(SECRETS, key, uid=secret["metadata"]["uid"])
            return None
        data = secret.get("data") or {}
        wanted = {"ca.crt": _encoded(self._certificate), "namespace": _encoded(key.namespace)}
        if uid and data.get("token") and all(data.get(name) == value for name, value in wanted.items()):
            return None
        wanted["token"] = data.get("token") or _encoded(self._issue(account, secret))

        def fill(obj: Object) -> None:
            obj["metadata"]["annotations"][_ACCOUNT_UID] = account["metadata"]["uid"]
            obj["data"] = (obj.get("data") or {}) | wanted

        self._registry.patch(SECRETS, key, fill)
        return None


def _of_token(change: Change) -> Iterable[Key]:
    return (change.key,) if TOKEN_TYPE.encode() in change.stored.body else ()


def _account(secret: Object) -> str:
    return str((secret["metadata"].get("annotations") or {}).get(ACCOUNT_NAME) or "")


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
