"""What staff see and may change. Sandboxes are only looked at: what is wanted is changed through progress/attempts."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from tutorials.models import Attempt, Guest, PassedStep, Sandbox
from tutorials.progress import attempts


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that the site writes and people read."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class PassedSteps(admin.TabularInline):  # type: ignore[type-arg]
    """The steps of an attempt."""

    model = PassedStep
    extra = 0
    can_delete = False
    readonly_fields = ("step", "at")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Attempt)
class AttemptAdmin(ReadOnly):
    """Learners' ways through lessons."""

    list_display = ("user", "course", "lesson", "current_step", "created", "finished")
    list_filter = ("course", "lesson")
    inlines = (PassedSteps,)


@admin.register(Guest)
class GuestAdmin(ReadOnly):
    """Learners without an account."""

    list_display = ("user", "created")
    fields = ("user", "created")


@admin.register(Sandbox)
class SandboxAdmin(ReadOnly):
    """Sandboxes that are or were wanted."""

    list_display = ("name", "user", "state", "stage", "reason", "created", "last_activity", "deadline")
    list_filter = ("state", "reason")
    actions = ("end_sandboxes",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None  # the list with its action, but no form

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.action(description="End the selected sandboxes")
    def end_sandboxes(self, request: HttpRequest, queryset: QuerySet[Sandbox]) -> None:
        """They are no longer wanted; learners are told that the environment was ended."""
        for sandbox in queryset:
            attempts.finish(sandbox, Sandbox.Reason.ENDED, now=timezone.now())
