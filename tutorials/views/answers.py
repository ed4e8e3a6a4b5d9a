"""JSON in and out: one decorator that parses, and translates what goes wrong into the answers of docs/site.md."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from tutorials.progress import overview
from tutorials.progress.attempts import AnotherRunning, UnknownStep

Object = dict[str, Any]

MAX_BODY = 64 * 1024


@dataclass
class Refused(Exception):
    """A request that is answered with an error; `message` is a sentence for the learner."""

    status: int
    code: str
    message: str
    more: Object = field(default_factory=dict)


def bad_request(message: str) -> Refused:
    """The request itself is wrong: a programmer reads this."""
    return Refused(400, "bad-request", message)


def not_found() -> Refused:
    """The same for what is a stranger's as for what never was."""
    return Refused(404, "not-found", _("There is nothing here."))


def not_running() -> Refused:
    """There is no sandbox that is ready."""
    return Refused(409, "not-running", _("The sandbox is not running. Start it first."))


def too_often(seconds: int) -> Refused:
    """Come back later."""
    return Refused(429, "slow-down", _("That was too often. Try again in a moment."), {"retry_after": seconds})


def json_post(**fields: type) -> Callable[[Callable[..., Object]], Callable[..., HttpResponse]]:
    """A view for POST whose JSON body has at most these optional fields, each null or of its type.

    The view takes the body as its second argument, returns an object, and may raise Refused, UnknownStep and
    AnotherRunning.
    """

    def decorate(view: Callable[..., Object]) -> Callable[..., HttpResponse]:
        @never_cache
        @require_POST
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                return JsonResponse(view(request, body_of(request, fields), *args, **kwargs))
            except Refused as error:
                return refusal(error)
            except UnknownStep:
                return refusal(bad_request("The lesson has no such step."))
            except AnotherRunning as error:
                other = overview.describe_attempt(error.attempt)
                message = _("“%(title)s” is still running. End it to start here.") % {"title": other["title"]}
                return refusal(Refused(409, "another-running", message, {"other": other}))

        return answer

    return decorate


def refusal(error: Refused) -> JsonResponse:
    """The error as JSON."""
    response = JsonResponse({"error": error.code, "message": error.message, **error.more}, status=error.status)
    if "retry_after" in error.more:
        response["Retry-After"] = str(error.more["retry_after"])
    return response


def body_of(request: HttpRequest, fields: dict[str, type]) -> Object:
    """The request's JSON object. Raises Refused unless it has only `fields`, of their types."""
    raw = request.body
    if len(raw) > MAX_BODY:
        raise Refused(413, "too-large", "The body is larger than 64 KiB.")
    if not raw:
        return {}
    if request.content_type != "application/json":
        raise bad_request("The body must be application/json.")
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise bad_request("The body is not JSON.") from error
    if not isinstance(body, dict):
        raise bad_request("The body must be an object.")
    for name, value in body.items():
        if name not in fields:
            raise bad_request(f"Unknown field {name[:50]!r}.")
        if value is not None and type(value) is not fields[name]:
            raise bad_request(f"The field {name!r} must be of type {fields[name].__name__}.")
    return {name: value for name, value in body.items() if value is not None}
