"""Every address of the site. Contexts and answers behind them: docs/site.md."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path
from django.views.i18n import set_language

from tutorials.views import attempts, files, health, pages, people

urlpatterns = [
    path("", pages.catalogue, name="catalogue"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("language", set_language, name="language"),
    path("resume/", people.resume, name="resume"),
    path("resume/<str:code>", people.resume, name="resume-code"),
    path("leave", people.leave, name="leave"),
    path("admin-link/<str:token>", people.admin_link, name="admin-link"),
    path("admin/", admin.site.urls),
    path("attempts/<uuid:attempt_id>/state", attempts.state, name="state"),
    path("attempts/<uuid:attempt_id>/reset", attempts.reset, name="reset"),
    path("attempts/<uuid:attempt_id>/end", attempts.end, name="end"),
    path("attempts/<uuid:attempt_id>/extend", attempts.extend, name="extend"),
    path("attempts/<uuid:attempt_id>/step", attempts.step, name="step"),
    path("attempts/<uuid:attempt_id>/check", attempts.check, name="check"),
    path("attempts/<uuid:attempt_id>/answer", attempts.answer, name="answer"),
    path("attempts/<uuid:attempt_id>/ticket", attempts.ticket, name="ticket"),
    path("<str:course_id>/", pages.course, name="course"),
    path("<str:course_id>/<str:lesson_id>/", pages.lesson, name="lesson"),
    path("<str:course_id>/<str:lesson_id>/do/", pages.workbench, name="workbench"),
    path("<str:course_id>/<str:lesson_id>/start", attempts.start, name="start"),
    path("<str:course_id>/<str:lesson_id>/files/<path:file>", files.lesson_file, name="lesson-file"),
]

handler404 = "tutorials.views.errors.not_found"
handler500 = "tutorials.views.errors.server_error"
