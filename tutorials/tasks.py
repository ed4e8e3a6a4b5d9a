"""What Celery runs. Every task may be lost, late or run twice: the database says what is to be done."""

from __future__ import annotations

import asyncio
import logging

from asgiref.sync import async_to_sync
from django.contrib.sessions.models import Session
from django.utils import timezone

from sandbox.backend import SandboxError
from tutorials import backends
from tutorials.celery import app
from tutorials.models import Sandbox, Ticket
from tutorials.progress import overview, provision, reaping, scripts, unwatched

log = logging.getLogger(__name__)

STOP = 30.0


def provision_sandbox(sandbox_id: int) -> None:
    """Bring a requested sandbox up."""
    async_to_sync(provision.bring_up)(
        sandbox_id, backend=backends.backend(), client_for=backends.client, clock=timezone.now
    )


def stop_sandbox(name: str) -> None:
    """Stop a sandbox that is no longer wanted; what fails here, the sweep repeats."""
    if not Sandbox.objects.filter(name=name, state__in=Sandbox.WANTED).exists():
        async_to_sync(_stop)(name)


async def _stop(name: str) -> None:
    try:
        async with asyncio.timeout(STOP):
            await backends.backend().stop(name)
    except (SandboxError, OSError, TimeoutError) as error:
        log.warning("%s could not be stopped yet: %s", name, error)


def start_scripts(sandbox_id: int, opened: str) -> None:
    """Start the scripts of a page that the learner has opened."""
    sandbox = Sandbox.objects.select_related("attempt").filter(pk=sandbox_id, state=Sandbox.State.READY).first()
    lesson = overview.lesson_of(sandbox.attempt) if sandbox and sandbox.attempt else None
    page = scripts.page_of(lesson, opened) if lesson else None
    if sandbox is None or page is None:
        return
    try:
        async_to_sync(scripts.start)(backends.client(sandbox.name), page)
    except (SandboxError, OSError, TimeoutError) as error:
        log.warning("%s: the scripts of %s were not started: %s", sandbox.name, opened, error)


def sweep() -> None:
    """Make what runs like what is wanted."""
    async_to_sync(reaping.sweep)(backends.backend(), now=timezone.now())


def check_without_page() -> None:
    """Check the steps that no page watches."""
    async_to_sync(unwatched.check_without_page)(backends.client, now=timezone.now())


def tidy() -> None:
    """Remove what has run out: sessions and tickets."""
    now = timezone.now()
    Session.objects.filter(expire_date__lt=now).delete()
    Ticket.objects.filter(expires__lt=now).delete()


TASKS = {
    "provision": provision_sandbox,
    "stop": stop_sandbox,
    "scripts": start_scripts,
    "sweep": sweep,
    "check_without_page": check_without_page,
    "tidy": tidy,
}

for _name, _task in TASKS.items():
    app.task(_task, name=f"tutorials.{_name}")
