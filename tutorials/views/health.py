"""For whoever watches the site: is the process alive, and can it do its work?"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time

from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from sandbox.backend import SandboxError
from tutorials import backends
from tutorials.progress.reaping import LAST_SWEEP

log = logging.getLogger(__name__)

ANSWER = 2.0
LEAST_FREE = 32 << 20


@never_cache
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse("ok", content_type="text/plain")


@never_cache
@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """Database and sandboxes answer, the sweep has run lately, the disk has room. Details stay in the log."""
    found = {"database": _database(), "sandboxes": _sandboxes(), "sweep": _sweep(), "disk": _disk()}
    return JsonResponse(
        {name: "ok" if ok else "failing" for name, ok in found.items()}, status=200 if all(found.values()) else 503
    )


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        log.error("not ready: the database: %s", error)
        return False
    return True


def _sandboxes() -> bool:
    async def ask() -> None:
        async with asyncio.timeout(ANSWER):
            await backends.backend().list()

    try:
        async_to_sync(ask)()
    except (SandboxError, OSError, TimeoutError) as error:
        log.error("not ready: the sandbox backend: %s", error)
        return False
    return True


def _sweep() -> bool:
    last = cache.get(LAST_SWEEP)
    return last is not None and time.time() - last < max(30, 3 * settings.SWEEP_SECONDS)


def _disk() -> bool:
    free = shutil.disk_usage(settings.DATA_DIR).free
    if free < LEAST_FREE:
        log.error("not ready: %d MiB are free in the data folder", free >> 20)
    return free >= LEAST_FREE
