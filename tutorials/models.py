"""What the site remembers: who learns what, which steps are passed, which sandboxes are *wanted* (never what is)."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q


class Guest(models.Model):
    """A learner without an account: a Django user made at the first *Start*, who can come back with a resume code."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="guest")
    salt = models.CharField(max_length=32)
    digest = models.CharField(max_length=64, unique=True)
    """SHA-256 of the code, which is derived from the site's secret and `salt`: a copied database opens nothing."""
    created = models.DateTimeField()

    def __str__(self) -> str:
        return f"guest {self.user_id}"


class Attempt(models.Model):
    """A learner working through a lesson. A lesson that was finished and is started again is a new attempt."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="attempts")
    course = models.CharField(max_length=100)
    lesson = models.CharField(max_length=100)
    current_step = models.CharField(max_length=100, blank=True)
    """The step that the learner looks at; empty for the lesson's last page."""
    generation = models.PositiveIntegerField(default=0)
    """Counts the sandboxes this attempt has had: a verdict from an earlier one counts for nothing."""
    created = models.DateTimeField()
    finished = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "course", "lesson"], condition=Q(finished=None), name="one_unfinished_attempt_a_lesson"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["user", "course", "lesson"], name="attempt_of_learner")]

    def __str__(self) -> str:
        return f"{self.course}/{self.lesson} of {self.user_id}"


class PassedStep(models.Model):
    """A step that a learner has passed in an attempt. Passing twice is once."""

    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="passed")
    step = models.CharField(max_length=100)
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["attempt", "step"], name="a_step_is_passed_once")]

    def __str__(self) -> str:
        return self.step


class Sandbox(models.Model):
    """A sandbox that is or was wanted. Whether it runs is for the backend to say; see progress/reaping.py."""

    class State(models.TextChoices):
        REQUESTED = "requested"
        STARTING = "starting"
        READY = "ready"
        FAILED = "failed"
        ENDED = "ended"

    WANTED = (State.REQUESTED, State.STARTING, State.READY)

    class Reason(models.TextChoices):
        """Why a sandbox is no longer wanted."""

        NONE = ""
        ENDED = "ended"
        LEFT = "left"
        REPLACED = "replaced"
        RESET = "reset"
        IDLE = "idle"
        DEADLINE = "deadline"
        LOST = "lost"
        FAILED = "failed"

    name = models.CharField(max_length=40, unique=True)
    """Random; the backend knows the sandbox by it."""
    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, null=True, related_name="sandboxes")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="sandboxes")
    """The attempt's learner, repeated here so that the database itself allows each only one."""
    backend = models.CharField(max_length=20)
    language = models.CharField(max_length=10, default="en")
    """In which the learner is told how it goes while no request of theirs is at hand."""
    generation = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State.choices, default=State.REQUESTED)
    stage = models.CharField(max_length=120, blank=True)
    """What the set-up is doing: see progress/provision.py."""
    start_at = models.CharField(max_length=100, blank=True)
    """The step in whose state the sandbox is to start."""
    reason = models.CharField(max_length=10, choices=Reason.choices, default=Reason.NONE, blank=True)
    error = models.TextField(blank=True)
    """A sentence for the learner when the state is failed."""
    tries = models.PositiveIntegerField(default=0)
    """Counts the workers that took the set-up on; only the last may write."""
    crashes = models.PositiveIntegerField(default=0)
    """Counts the workers that fell silent during the set-up."""
    touched = models.DateTimeField()
    """When a worker last reported on the set-up."""
    created = models.DateTimeField()
    ended = models.DateTimeField(null=True, blank=True)
    deadline = models.DateTimeField()
    last_activity = models.DateTimeField()
    """When the learner last did something; the idle time runs from here."""
    last_seen = models.DateTimeField(null=True, blank=True)
    """When a page last watched the checks itself; without one the sweep asks."""
    warned = models.DateTimeField(null=True, blank=True)
    warned_of = models.CharField(max_length=10, choices=Reason.choices, default=Reason.NONE, blank=True)

    class Meta:
        verbose_name_plural = "sandboxes"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user"],
                condition=Q(state__in=("requested", "starting", "ready")),
                name="one_wanted_sandbox_a_learner",
            ),
            models.UniqueConstraint(fields=["attempt", "generation"], name="a_generation_is_one_sandbox"),
        ]
        indexes: ClassVar = [models.Index(fields=["state"], name="sandbox_state")]

    def __str__(self) -> str:
        return self.name

    @property
    def wanted(self) -> bool:
        """Whether it should run."""
        return self.state in self.WANTED


class Ticket(models.Model):
    """The right to open one WebSocket, once, soon: see tickets.py."""

    digest = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE)
    origin = models.CharField(max_length=255)
    expires = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"ticket until {self.expires}"


class StartedScript(models.Model):
    """A step's background script that has been started in a sandbox: it runs once, however often the step is opened."""

    sandbox = models.ForeignKey(Sandbox, on_delete=models.CASCADE)
    step = models.CharField(max_length=100)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["sandbox", "step"], name="a_script_starts_once")]

    def __str__(self) -> str:
        return self.step
