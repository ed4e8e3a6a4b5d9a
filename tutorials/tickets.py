"""Tickets for WebSockets. A browser sends cookies with any page's WebSocket; a ticket shows that *our* page asked."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from tutorials.models import Attempt, Ticket

LIFETIME = timedelta(seconds=60)


def issue(attempt: Attempt, *, origin: str, now: datetime) -> str:
    """A ticket for one WebSocket of the attempt's learner from a page of `origin`."""
    stale = Ticket.objects.filter(expires__lt=now)
    if stale.exists():  # a DELETE waits for the database's one writer also when it finds nothing
        stale.delete()
    ticket = secrets.token_urlsafe(32)
    Ticket.objects.create(
        digest=_digest(ticket), user_id=attempt.user_id, attempt=attempt, origin=origin, expires=now + LIFETIME
    )
    return ticket


def redeem(
    ticket: str, *, user: AbstractBaseUser | AnonymousUser, attempt_id: UUID | str, origin: str, now: datetime
) -> bool:
    """Use the ticket up. True once, for the user, attempt and origin it was issued to, while it is fresh."""
    if not user.is_authenticated or len(ticket) > 100:
        return False
    deleted, _ = Ticket.objects.filter(
        digest=_digest(ticket), user_id=user.pk, attempt_id=attempt_id, origin=origin, expires__gte=now
    ).delete()
    return deleted == 1


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()
