"""What can go wrong with a request, one class per decision that a caller makes; each knows its Kubernetes Status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sandbox.cluster.api.objects import Object


class Named(Protocol):
    """What a message says of a resource (`Resource` fits)."""

    @property
    def kind(self) -> str: ...

    @property
    def plural(self) -> str: ...

    @property
    def group(self) -> str: ...


def _qualified(resource: Named) -> str:
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


class ApiError(Exception):
    """A request that was refused; `str()` is the message that kubectl shows."""

    code = 500
    reason = "InternalError"

    def __init__(self, message: str, *, details: Object | None = None, metadata: Object | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.metadata = metadata or {}

    def status(self) -> Object:
        """The metav1.Status that the API answers with."""
        status: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details is not None:
            status["details"] = self.details
        return status | {"code": self.code}


def _details(resource: Named, name: str) -> Object:
    details: Object = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    return details | {"kind": resource.plural}


class NotFound(ApiError):
    """There is no such object."""

    code = 404
    reason = "NotFound"

    def __init__(self, resource: Named, name: str) -> None:
        super().__init__(f'{_qualified(resource)} "{name}" not found', details=_details(resource, name))


class NoSuchPath(ApiError):
    """The API serves no such resource or subresource."""

    code = 404
    reason = "NotFound"

    def __init__(self) -> None:
        super().__init__("the server could not find the requested resource", details={})


class AlreadyExists(ApiError):
    """An object of that name exists."""

    code = 409
    reason = "AlreadyExists"

    def __init__(self, resource: Named, name: str) -> None:
        super().__init__(f'{_qualified(resource)} "{name}" already exists', details=_details(resource, name))


class Conflict(ApiError):
    """The object changed since it was read: read it again."""

    code = 409
    reason = "Conflict"

    MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"

    def __init__(self, resource: Named, name: str, why: str = MODIFIED) -> None:
        message = f'Operation cannot be fulfilled on {_qualified(resource)} "{name}": {why}'
        super().__init__(message, details=_details(resource, name))


class ApplyConflict(ApiError):
    """Another manager owns fields that a server-side apply wants to change."""

    code = 409
    reason = "Conflict"

    def __init__(self, message: str, causes: Sequence[Object]) -> None:
        super().__init__(message, details={"causes": list(causes)})


class Invalid(ApiError):
    """The object breaks the rules of its kind; `causes` say which."""

    code = 422
    reason = "Invalid"

    def __init__(self, resource: Named, name: str, causes: Sequence[Object]) -> None:
        self.causes = list(causes)
        # A cause with an empty message (maximum length of a list, say) still names its field.
        sentences = list(dict.fromkeys(f"{cause['field']}: {cause['message']}" for cause in self.causes))
        what = sentences[0] if len(sentences) == 1 else "[" + ", ".join(sentences) + "]"
        kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
        details: Object = {"name": name} if name else {}
        if resource.group:
            details["group"] = resource.group
        details |= {"kind": resource.kind, "causes": self.causes}
        super().__init__(f'{kind} "{name}" is invalid: {what}', details=details)


class Forbidden(ApiError):
    """The request is understood and not allowed (quota, a terminating namespace, permissions)."""

    code = 403
    reason = "Forbidden"

    def __init__(self, resource: Named, name: str, why: str, *, causes: Sequence[Object] = ()) -> None:
        subject = f'{_qualified(resource)} "{name}"' if name else _qualified(resource)
        details = _details(resource, name)
        if causes:
            details["causes"] = list(causes)
        super().__init__(f"{subject} is forbidden: {why}", details=details)


class Unauthorized(ApiError):
    """Nobody knows who is asking."""

    code = 401
    reason = "Unauthorized"

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class BadRequest(ApiError):
    """The request cannot be understood."""

    code = 400
    reason = "BadRequest"


class Gone(ApiError):
    """The revision asked for is no longer remembered: list again."""

    code = 410
    reason = "Expired"


class MethodNotAllowed(ApiError):
    """The resource does not do this verb."""

    code = 405
    reason = "MethodNotAllowed"

    def __init__(self, message: str = "the server does not allow this method on the requested resource") -> None:
        super().__init__(message, details={})


class NotAcceptable(ApiError):
    """None of the media types that the client accepts can be given."""

    code = 406
    reason = "NotAcceptable"

    def __init__(self, available: Sequence[str]) -> None:
        super().__init__("406: Not Acceptable\n\nAvailable representations: " + ", ".join(available), details={})


class UnsupportedMediaType(ApiError):
    """The body is in a format that is not understood."""

    code = 415
    reason = "UnsupportedMediaType"

    def __init__(self, accepted: Sequence[str]) -> None:
        super().__init__(
            "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted),
            details={},
        )


class TooLarge(ApiError):
    """The body is larger than is allowed."""

    code = 413
    reason = "RequestEntityTooLarge"

    def __init__(self, limit: int) -> None:
        super().__init__(f"Request entity too large: limit is {limit}")


class TooManyRequests(ApiError):
    """Not now: try again (an eviction that a disruption budget does not allow)."""

    code = 429
    reason = "TooManyRequests"

    def __init__(self, message: str, *, retry_after: int = 0, causes: Sequence[Object] = ()) -> None:
        details: Object = {"causes": list(causes)} if causes else {}
        if retry_after:
            details["retryAfterSeconds"] = retry_after
        super().__init__(message, details=details or None)


class ServerTimeout(ApiError):
    """The server could not do it in time, nothing says it was not done."""

    code = 504
    reason = "Timeout"


class ServiceUnavailable(ApiError):
    """What the request needs does not answer (a node, a pod behind a proxy)."""

    code = 503
    reason = "ServiceUnavailable"


class ServerError(ApiError):
    """The server cannot, and says why without the words of an internal error (a full store)."""

    reason = "Unknown"


class InternalError(ApiError):
    """A fault of ours, or of what stands behind a subresource."""

    def __init__(self, why: str) -> None:
        super().__init__(f"Internal error occurred: {why}", details={"causes": [{"message": why}]})
