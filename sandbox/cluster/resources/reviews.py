"""Questions put to the API by creating an object that is answered and never stored."""

from __future__ import annotations

from sandbox.cluster.resources.resource import Resource


def _review(kind: str, group: str, *, namespaced: bool = False) -> Resource:
    return Resource(
        kind=kind, plural=f"{kind.lower()}s", group=f"{group}.k8s.io", namespaced=namespaced, verbs=("create",)
    )


SELF_SUBJECT_ACCESS_REVIEWS = _review("SelfSubjectAccessReview", "authorization")
SELF_SUBJECT_RULES_REVIEWS = _review("SelfSubjectRulesReview", "authorization")
SUBJECT_ACCESS_REVIEWS = _review("SubjectAccessReview", "authorization")
LOCAL_SUBJECT_ACCESS_REVIEWS = _review("LocalSubjectAccessReview", "authorization", namespaced=True)
SELF_SUBJECT_REVIEWS = _review("SelfSubjectReview", "authentication")
TOKEN_REVIEWS = _review("TokenReview", "authentication")
