"""The Celery application, and the one way to hand it work. The database holds what is to be done; this only wakes."""

from __future__ import annotations

import logging
import os

from celery import Celery
from django.db import transaction
from kombu.exceptions import OperationalError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tutorials.settings")

log = logging.getLogger(__name__)

app = Celery("tutorials")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["tutorials"])


def enqueue(task: str, *arguments: int | str) -> None:
    """Have the task run soon, once the running transaction is committed. A broker that is down only costs time."""
    transaction.on_commit(lambda: _send(task, arguments))


def _send(task: str, arguments: tuple[int | str, ...]) -> None:
    try:
        app.send_task(f"tutorials.{task}", list(arguments), retry=False)
    except (OperationalError, OSError) as error:
        log.warning("task %s%s was not queued, the next sweep finds it: %s", task, arguments, error)
