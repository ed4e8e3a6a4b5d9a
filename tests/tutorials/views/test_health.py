from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.utils import timezone

from sandbox.backend import SandboxError
from tests.tutorials.fakes import FakeBackend
from tutorials.progress import reaping
from tutorials.views import health

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_is_ready_once_a_sweep_has_run(client: Client, backend: FakeBackend) -> None:
    assert client.get("/readyz").json() == {"database": "ok", "sandboxes": "ok", "sweep": "failing", "disk": "ok"}
    async_to_sync(reaping.sweep)(backend, now=timezone.now())
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["sweep"]) == (200, "ok")


def test_a_hung_backend_is_told_without_details(client: Client, backend: FakeBackend) -> None:
    backend.breaks["list"] = SandboxError("/secret/path is broken")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["sandboxes"] == "failing"
    assert b"secret" not in answer.content


def test_alive_needs_nothing(client: Client, backend: FakeBackend) -> None:
    backend.breaks["list"] = SandboxError("broken")
    assert client.get("/healthz").content == b"ok"


def test_a_full_disk_is_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LEAST_FREE", 1 << 60)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["disk"] == "failing"
