from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from tests.tutorials.conftest import NOW
from tutorials import guests
from tutorials.models import Guest

pytestmark = pytest.mark.django_db


def test_a_guest_is_found_by_their_code_however_it_is_typed() -> None:
    user = guests.create(NOW)
    code = guests.code_of(user)
    assert re.fullmatch(r"([2-9a-hjkmnp-tv-z]{4}-){2}[2-9a-hjkmnp-tv-z]{4}", code)
    for typed in (code, code.upper(), code.replace("-", ""), f" {code.replace('-', ' ')} "):
        assert guests.find(typed) == user


@pytest.mark.parametrize("typed", ["", "abcd", "abcd-efgh-jkmn", "x" * 10_000, "한글한글한글한글한글한글"])
def test_a_wrong_code_finds_nobody(typed: str) -> None:
    guests.create(NOW)
    assert guests.find(typed) is None


def test_codes_differ_and_stand_nowhere_in_the_database() -> None:
    codes = {guests.code_of(guests.create(NOW)) for _ in range(20)}
    assert len(codes) == 20
    stored = str(list(Guest.objects.values())) + str(list(User.objects.values()))
    assert not any(code in stored or code.replace("-", "") in stored for code in codes)


def test_a_guest_has_no_password() -> None:
    assert not guests.create(NOW).has_usable_password()
    assert not guests.create(NOW).check_password("")


def test_a_blocked_guest_is_not_found() -> None:
    user = guests.create(NOW)
    code = guests.code_of(user)
    User.objects.update(is_active=False)
    assert guests.find(code) is None


def test_with_a_new_site_secret_no_wrong_code_is_shown(settings: Settings) -> None:
    user = guests.create(NOW)
    settings.SECRET_KEY = "y" * 60
    assert guests.code_of(user) == ""
