from __future__ import annotations

import io

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from tests.tutorials.conftest import NOW, Post, Queue, page_client, sandbox_of
from tests.tutorials.fakes import FakeBackend
from tutorials import guests
from tutorials.limits import Limit
from tutorials.models import Attempt
from tutorials.views import people

pytestmark = pytest.mark.django_db(transaction=True)


def is_in(client: Client) -> str | None:
    return client.session.get("_auth_user_id")


def test_a_guest_comes_back_on_another_computer(client: Client, post: Post) -> None:
    started = post(client, "/course/first/start").json()
    other = Client()
    page = other.get(f"/resume/{started['guest']['code']}")
    assert started["guest"]["code"] in page.content.decode()
    assert is_in(other) is None, "opening the link alone logs nobody in"
    assert other.post("/resume/", {"code": started["guest"]["code"]}).status_code == 302
    assert other.get(f"/attempts/{started['attempt']}/state").status_code == 200


def test_a_wrong_code_is_said_and_guessing_is_stopped(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "WRONG_CODES", Limit("wrong-codes", times=5, seconds=600))
    user = guests.create(NOW)
    codes = [client.post("/resume/", {"code": f"{number:012}"}).status_code for number in range(6)]
    assert codes == [404] * 5 + [429]
    assert client.post("/resume/", {"code": guests.code_of(user)}).status_code == 429
    assert is_in(client) is None


def test_a_class_behind_one_address_comes_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "WRONG_CODES", Limit("wrong-codes", times=5, seconds=600))
    for _ in range(8):
        user = guests.create(NOW)
        assert Client().post("/resume/", {"code": guests.code_of(user)}).status_code == 302


def test_what_is_typed_is_shown_as_text(client: Client) -> None:
    page = client.get("/resume/<script>alert(1)<script>")
    assert b"<script>alert" not in page.content


def test_leaving_ends_shell_login_and_cookie(
    running: Attempt, learner: User, queue: Queue, backend: FakeBackend
) -> None:
    client = page_client(learner)
    client.get("/")
    token = client.cookies["quayside_csrf"].value
    answer = client.post("/leave")
    queue.work()
    assert answer.status_code == 200
    assert sandbox_of(running).reason == "left"
    assert backend.specs == {}
    assert client.cookies["quayside_session"].value == ""
    assert client.cookies["quayside_csrf"].value != token
    assert client.get(f"/attempts/{running.pk}/state").status_code == 404


def test_who_leaves_is_told_how_to_come_back(client: Client, post: Post) -> None:
    code = post(client, "/course/first/start").json()["guest"]["code"]
    assert code in client.post("/leave").content.decode()


def test_the_next_pupil_starts_as_somebody_else(client: Client, post: Post) -> None:
    first = post(client, "/course/first/start").json()
    client.post("/leave")
    second = post(client, "/course/first/start").json()
    assert second["attempt"] != first["attempt"]
    assert second["guest"]["code"] != first["guest"]["code"]


def admin_link() -> str:
    printed = io.StringIO()
    call_command("admin_link", url="http://testserver/", stdout=printed)
    return printed.getvalue().split()[-1].removeprefix("http://testserver")


def test_the_admin_link_works_once(client: Client) -> None:
    link = admin_link()
    assert client.get(link).status_code == 200
    assert is_in(client) is None, "a chat that unfurls the link must not use it up"
    assert client.post(link)["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200
    assert Client().post(link).status_code == 403


def test_a_second_link_is_for_the_same_host() -> None:
    admin_link()
    admin_link()
    (host,) = User.objects.all()
    assert host.is_superuser
    assert not host.has_usable_password()


def test_a_link_for_somebody_who_is_no_longer_staff_is_refused(client: Client) -> None:
    link = admin_link()
    User.objects.update(is_staff=False)
    assert client.post(link).status_code == 403


def test_guests_do_not_get_into_the_administration(client: Client, post: Post) -> None:
    post(client, "/course/first/start")
    assert client.get("/admin/").status_code == 302
