from __future__ import annotations

import errno

import pytest
from django.db import OperationalError
from django.test import Client, RequestFactory

from tutorials.views import errors, pages

pytestmark = pytest.mark.django_db


def test_scripts_get_json_and_people_a_page(client: Client) -> None:
    assert client.get("/none/", headers={"accept": "application/json"}).json()["error"] == "not-found"
    assert b"<html" in client.get("/none/").content


def test_a_failure_says_nothing_of_its_cause(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(pages, "_course", fail)
    client.raise_request_exception = False
    answer = client.get("/course/")
    assert answer.status_code == 500
    assert b"secret detail" not in answer.content
    assert client.get("/course/", headers={"accept": "application/json"}).json()["error"] == "failed"


@pytest.mark.parametrize(
    "cause", [OperationalError("database or disk is full"), OSError(errno.ENOSPC, "No space left on device")]
)
def test_a_full_disk_is_said_and_passes(client: Client, monkeypatch: pytest.MonkeyPatch, cause: Exception) -> None:
    def fail(*_: object) -> None:
        raise cause

    monkeypatch.setattr(pages, "_course", fail)
    client.raise_request_exception = False
    answer = client.get("/course/", headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (503, "disk-full")
    assert "disk is full" in answer.json()["message"]


def test_the_500_page_needs_no_database() -> None:
    assert errors.server_error(RequestFactory().get("/")).status_code == 500


def test_a_form_without_token_gets_a_page_that_says_so() -> None:
    answer = Client(enforce_csrf_checks=True).post("/leave")
    assert answer.status_code == 403
    assert b"<html" in answer.content
