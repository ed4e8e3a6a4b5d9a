"""Worker and clock in threads of the web process, so that one command runs the whole site without a broker."""

from __future__ import annotations

import logging
import sys
import threading
from dataclasses import dataclass
from typing import Any

from celery.beat import EmbeddedService, Scheduler
from django.conf import settings
from django.utils import timezone

from tutorials.celery import app, enqueue
from tutorials.progress import reaping

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workers:
    """The running threads."""

    worker: Any
    beat: Any
    thread: threading.Thread

    def stop(self, timeout: float = 5.0) -> None:
        """Take no more work and wait a moment for what is under way. The next start's sweep repeats what is cut off."""
        self.beat.stop()
        self.worker.stop(in_sighandler=False)
        self.thread.join(timeout)


def start_workers() -> Workers:
    """Start a worker and beat in threads. Call it once, in the process that serves, with Django set up."""
    # A thread that computes would else hold the terminals' loop back for 5 ms at a time (echo 24 ms instead of 3.5).
    sys.setswitchinterval(0.001)
    # app.Worker would install signal handlers, which works in the main thread only.
    worker = app.WorkController(
        pool_cls="threads",
        concurrency=settings.WORKER_THREADS,
        without_mingle=True,
        without_gossip=True,
        without_heartbeat=True,
    )
    thread = threading.Thread(target=worker.start, name="celery-worker", daemon=True)
    thread.start()
    beat = EmbeddedService(app, thread=True, scheduler_cls=Scheduler)
    beat.start()
    reaping.disown(timezone.now())
    enqueue("sweep")
    return Workers(worker, beat, thread)
