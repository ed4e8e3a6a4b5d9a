"""Coming back and going: resume codes, leaving a computer, the host's one-time link."""

from __future__ import annotations

import time

import sesame.utils
from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.middleware.csrf import rotate_token
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_POST

from tutorials import guests
from tutorials.context import resume_url
from tutorials.limits import Limit
from tutorials.models import Sandbox
from tutorials.progress import attempts

PASSWORD_BACKEND = "django.contrib.auth.backends.ModelBackend"
ADMIN_SCOPE = "admin-link"

# Wrong codes only: a class behind one address types a hundred right ones in a minute.
WRONG_CODES = Limit("wrong-codes", times=100, seconds=600)
WRONG_LINKS = Limit("wrong-links", times=100, seconds=600)


def address_of(request: HttpRequest) -> str:
    """The client's network address. X-Forwarded-For is not believed: anybody can send it."""
    return str(request.META.get("REMOTE_ADDR", ""))


@never_cache
@ensure_csrf_cookie
@require_http_methods(["GET", "HEAD", "POST"])
def resume(request: HttpRequest, code: str = "") -> HttpResponse:
    """A form for the code; sending it logs the guest in. Opening the link alone does not: chats and mail open links."""
    if request.method != "POST":
        return render(request, "resume.html", {"code": code, "error": ""})
    if code:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    code = request.POST.get("code", "")[:100]
    who, now = address_of(request), time.time()
    if WRONG_CODES.exhausted(who, now=now):
        error = _("There were too many wrong codes. Try again in ten minutes.")
        return render(request, "resume.html", {"code": code, "error": error}, status=429)
    user = guests.find(code)
    if user is None:
        WRONG_CODES.spend(who, now=now)
        error = _("No learner has this code. Check it sign by sign.")
        return render(request, "resume.html", {"code": code, "error": error}, status=404)
    login(request, user, backend=PASSWORD_BACKEND)
    return redirect("catalogue")


@never_cache
@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    """End the learner's shell, login and cookies on this computer."""
    code = guests.code_of(request.user)
    if not isinstance(request.user, AnonymousUser):
        attempts.end_all(request.user, reason=Sandbox.Reason.LEFT, now=timezone.now())
    logout(request)
    rotate_token(request)
    response = render(request, "left.html", {"resume_code": code, "resume_url": resume_url(request, code)})
    response.delete_cookie(settings.SESSION_COOKIE_NAME, samesite="Lax")
    response["Clear-Site-Data"] = '"storage"'
    return response


@never_cache
@ensure_csrf_cookie
@require_http_methods(["GET", "HEAD", "POST"])
def admin_link(request: HttpRequest, token: str) -> HttpResponse:
    """One button that logs the host in, once."""
    error, status = "", 200
    if request.method == "POST":
        who, now = address_of(request), time.time()
        if WRONG_LINKS.exhausted(who, now=now):
            return render(
                request, "admin_link.html", {"error": _("Try again in ten minutes."), "token": ""}, status=429
            )
        user = sesame.utils.get_user(token, scope=ADMIN_SCOPE, update_last_login=False)
        if user is not None and user.is_staff:
            login(request, user)
            return redirect("admin:index")
        WRONG_LINKS.spend(who, now=now)
        error, status = _("This link has been used or is too old. Make a new one: ./quayside admin-link"), 403
    return render(request, "admin_link.html", {"error": error, "token": token}, status=status)
