from __future__ import annotations

import pytest
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


def test_the_500_page_needs_no_database() -> None:
    assert errors.server_error(RequestFactory().get("/")).status_code == 500


def test_a_form_without_token_gets_a_page_that_says_so() -> None:
    answer = Client(enforce_csrf_checks=True).post("/leave")
    assert answer.status_code == 403
    assert b"<html" in answer.content
