"""Learners without an account: made at the first *Start*, found again by a short code that they can write down."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db import transaction

from tutorials.models import Guest

ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"
"""Thirty signs that nobody mixes up: no 0 and o, no 1, l and i, no u beside v."""
LENGTH = 12
"""30 ** 12 is 59 bits: with the limit on guesses (views/people.py) a thousand guests are safe for centuries."""


def create(now: datetime) -> User:
    """A new guest."""
    salt = secrets.token_hex(16)
    code = _code(salt)
    with transaction.atomic():
        user = get_user_model().objects.create(username=f"guest-{secrets.token_hex(8)}", password="!", date_joined=now)
        Guest.objects.create(user=user, salt=salt, digest=_digest(code), created=now)
    return user


def code_of(user: AbstractBaseUser | AnonymousUser) -> str:
    """The user's resume code as it is shown (`abcd-efgh-jkmn`), or "" for who is no guest."""
    if not user.is_authenticated:
        return ""
    guest = Guest.objects.filter(user_id=user.pk).first()
    if guest is None:
        return ""
    code = _code(guest.salt)
    if _digest(code) != guest.digest:  # the site's secret has been replaced since: that code no longer opens anything
        return ""
    return "-".join(code[i : i + 4] for i in range(0, LENGTH, 4))


def find(code: str) -> User | None:
    """The guest whose code this is, however it was typed."""
    plain = "".join(sign for sign in code.lower()[:100] if sign.isalnum())
    if len(plain) != LENGTH:
        return None
    guest = Guest.objects.select_related("user").filter(digest=_digest(plain), user__is_active=True).first()
    return guest.user if guest else None


def _code(salt: str) -> str:
    number = int.from_bytes(hmac.digest(settings.SECRET_KEY.encode(), f"guest:{salt}".encode(), "sha256"), "big")
    signs = []
    for _ in range(LENGTH):
        number, rest = divmod(number, len(ALPHABET))
        signs.append(ALPHABET[rest])
    return "".join(signs)


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
