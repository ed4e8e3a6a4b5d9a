"""What every template knows: docs/site.md, *Contexts*."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import get_language

from tutorials import guests
from tutorials.progress import overview

Object = dict[str, object]


def site(request: HttpRequest) -> Object:
    """The learner, the languages, and the host's notice."""
    user = getattr(request, "user", None)
    code = guests.code_of(user) if user is not None else ""
    return {
        "guest": bool(code),
        "resume_code": code,
        "resume_url": resume_url(request, code),
        "languages": settings.LANGUAGES,
        "language": get_language() or settings.LANGUAGE_CODE,
        "notice": settings.NOTICE,
        "running": overview.running(user) if user is not None else None,
    }


def resume_url(request: HttpRequest, code: str) -> str:
    """The whole address that brings a guest back, or "" without a code."""
    return request.build_absolute_uri(reverse("resume-code", args=[code])) if code else ""
