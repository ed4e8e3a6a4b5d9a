from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connections

from tests.tutorials.conftest import NOW
from tutorials import tickets
from tutorials.models import Attempt, Ticket

ORIGIN = "http://localhost:8000"


@pytest.fixture
def attempt(learner: User) -> Attempt:
    return Attempt.objects.create(user=learner, course="course", lesson="first", created=NOW)


def redeem(ticket: str, attempt: Attempt, **other: Any) -> bool:
    return tickets.redeem(
        ticket, **({"user": attempt.user, "attempt_id": attempt.pk, "origin": ORIGIN, "now": NOW} | other)
    )


def test_a_ticket_opens_once(attempt: Attempt) -> None:
    ticket = tickets.issue(attempt, origin=ORIGIN, now=NOW)
    assert redeem(ticket, attempt)
    assert not redeem(ticket, attempt)


@pytest.mark.parametrize("ticket", ["", "x", "x" * 43, "x" * 10_000])
def test_an_invented_ticket_opens_nothing(attempt: Attempt, ticket: str) -> None:
    assert not redeem(ticket, attempt)


def test_it_is_bound_to_user_attempt_origin_and_time(attempt: Attempt, stranger: User) -> None:
    other = Attempt.objects.create(user=attempt.user, course="course", lesson="second", created=NOW)
    ticket = tickets.issue(attempt, origin=ORIGIN, now=NOW)
    assert not redeem(ticket, attempt, user=stranger)
    assert not redeem(ticket, attempt, user=AnonymousUser())
    assert not redeem(ticket, attempt, attempt_id=other.pk)
    assert not redeem(ticket, attempt, origin="http://localhost:8001")
    assert not redeem(ticket, attempt, now=NOW + timedelta(seconds=61))
    assert redeem(ticket, attempt, now=NOW + timedelta(seconds=60))


def test_of_two_sockets_with_one_ticket_one_opens(attempt: Attempt) -> None:
    ticket = tickets.issue(attempt, origin=ORIGIN, now=NOW)
    user = attempt.user

    def open_(_: int) -> bool:
        try:
            return redeem(ticket, attempt, user=user)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as sockets:
        assert sorted(sockets.map(open_, range(8))) == [False] * 7 + [True]


def test_the_database_holds_no_ticket(attempt: Attempt) -> None:
    ticket = tickets.issue(attempt, origin=ORIGIN, now=NOW)
    assert ticket not in str(list(Ticket.objects.values()))


def test_old_tickets_do_not_pile_up(attempt: Attempt) -> None:
    tickets.issue(attempt, origin=ORIGIN, now=NOW)
    tickets.issue(attempt, origin=ORIGIN, now=NOW + timedelta(minutes=5))
    assert Ticket.objects.count() == 1
