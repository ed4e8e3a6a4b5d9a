"""Pages for what went wrong, and their JSON for scripts."""

from __future__ import annotations

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
        return answers.refusal(answers.Refused(500, "failed", _("Something went wrong on the site.")))
    try:
        page = loader.get_template("500.html").render({"request": request})
    except TemplateDoesNotExist:
        page = "Something went wrong on the site."
    return HttpResponse(page, status=500)
