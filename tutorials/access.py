"""Who may see and do what with an attempt: the one place that decides, for pages and WebSockets alike."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.sessions.backends.db import SessionStore

from tutorials.models import Attempt


def owned_attempt(user: AbstractBaseUser | AnonymousUser, attempt_id: UUID | str) -> Attempt | None:
    """The attempt, if it is the user's; None for a stranger's as for one that never was."""
    if not user.is_authenticated or not user.is_active:
        return None
    try:
        return Attempt.objects.filter(user_id=user.pk, id=UUID(str(attempt_id))).first()
    except ValueError:
        return None


def still_allowed(session_key: str | None, user_id: int, attempt_id: UUID | str) -> bool:
    """Whether a socket opened earlier may stay: its session is alive and still the owner's."""
    if not session_key:
        return False
    session = SessionStore(session_key)
    if session.get(SESSION_KEY) != str(user_id):
        return False
    user = get_user_model().objects.filter(pk=user_id, is_active=True).first()
    return user is not None and owned_attempt(user, attempt_id) is not None
