from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client

from tests.tutorials.conftest import NOW, page_client
from tutorials import access
from tutorials.models import Attempt


@pytest.fixture
def attempt(learner: User) -> Attempt:
    return Attempt.objects.create(user=learner, course="course", lesson="first", created=NOW)


def session_key(client: Client) -> str:
    return str(client.session.session_key)


def test_only_the_owner_has_an_attempt(attempt: Attempt, learner: User, stranger: User) -> None:
    assert access.owned_attempt(learner, attempt.pk) == attempt
    assert access.owned_attempt(learner, str(attempt.pk)) == attempt
    assert access.owned_attempt(stranger, attempt.pk) is None
    assert access.owned_attempt(AnonymousUser(), attempt.pk) is None
    assert access.owned_attempt(learner, uuid.uuid4()) is None
    assert access.owned_attempt(learner, "1 OR 1=1") is None


def test_a_blocked_owner_has_none(attempt: Attempt, learner: User) -> None:
    learner.is_active = False
    assert access.owned_attempt(learner, attempt.pk) is None


def test_a_socket_may_stay_while_its_session_lives(attempt: Attempt, learner: User, stranger: User) -> None:
    client = page_client(learner)
    key = session_key(client)
    assert access.still_allowed(key, learner.pk, attempt.pk)
    assert not access.still_allowed(key, stranger.pk, attempt.pk)
    assert not access.still_allowed(session_key(page_client(stranger)), stranger.pk, attempt.pk)
    assert not access.still_allowed(None, learner.pk, attempt.pk)
    client.logout()
    assert not access.still_allowed(key, learner.pk, attempt.pk)


def test_blocking_a_learner_ends_their_sockets(attempt: Attempt, learner: User) -> None:
    key = session_key(page_client(learner))
    User.objects.update(is_active=False)
    assert not access.still_allowed(key, learner.pk, attempt.pk)
