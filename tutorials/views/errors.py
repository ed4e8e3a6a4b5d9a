"""Pages for what went wrong, and their JSON for scripts."""

from __future__ import annotations

import errno
import sys

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import TemplateDoesNotExist, loader
from django.utils.translation import gettext as _

from tutorials.views import answers


def _wants_json(request: HttpRequest) -> bool:
    return request.content_type == "application/json" or "application/json" in request.headers.get("Accept", "")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    if _wants_json(request):
        return answers.refusal(answers.not_found())
    return render(request, "404.html", status=404)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the page is older than the login, or somebody else's."""
    if _wants_json(request):
        message = _("This page is out of date. Reload it and try again.")
        return answers.refusal(answers.Refused(403, "csrf", message))
    return render(request, "403_csrf.html", status=403)


def server_error(request: HttpRequest) -> HttpResponse:
    """500. Touches neither database nor session: they may be what failed."""
    if _wants_json(request):
        return answers.refusal(_failure(sys.exc_info()[1]))
    try:
        page = loader.get_template("500.html").render({"request": request})
    except TemplateDoesNotExist:
        page = "Something went wrong on the site."
    return HttpResponse(page, status=500)


def _failure(error: BaseException | None) -> answers.Refused:
    """What may be said of it: a full disk is nobody's secret, and somebody has to tell the host."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or (isinstance(error, OperationalError) and "disk is full" in str(error)):
        message = _("The site's disk is full. Tell whoever runs it; this works again as soon as there is room.")
        return answers.Refused(503, "disk-full", message)
    return answers.Refused(500, "failed", _("Something went wrong on the site."))
