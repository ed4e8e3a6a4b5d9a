from __future__ import annotations

import re

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


def directives(header: str) -> dict[str, list[str]]:
    return {part.split()[0]: part.split()[1:] for part in header.split(";")}


def test_a_page_runs_only_our_scripts_and_its_own_nonce(client: Client) -> None:
    page = client.get("/")
    policy = directives(page["Content-Security-Policy"])
    (nonce,) = re.findall(r"nonce-([\w-]+)", " ".join(policy["script-src"]))
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == ["'self'", f"'nonce-{nonce}'"]
    assert policy["style-src-elem"] == ["'self'", f"'nonce-{nonce}'"]
    assert policy["object-src"] == policy["base-uri"] == policy["frame-ancestors"] == ["'none'"]
    assert "ws://localhost:8000" in policy["connect-src"]
    assert f'nonce="{nonce}"' in page.content.decode()


def test_every_script_and_style_of_a_page_carries_the_nonce(client: Client) -> None:
    for path in ("/", "/course/", "/course/first/", "/course/first/do/", "/resume/"):
        page = client.get(path)
        assert page.status_code == 200
        for tag in re.findall(r"<(?:script|style)\b[^>]*>", page.content.decode()):
            assert "nonce=" in tag or 'type="application/json"' in tag, (path, tag)
        assert not re.findall(r"<[^>]*\son\w+=", page.content.decode()), "no inline handlers"


def test_no_two_answers_share_a_nonce(client: Client) -> None:
    found = {client.get("/")["Content-Security-Policy"] for _ in range(5)}
    assert len(found) == 5


@pytest.mark.parametrize("path", ["/", "/no-such-course/", "/healthz", "/admin/login/"])
def test_every_answer_has_the_security_headers(client: Client, path: str) -> None:
    answer = client.get(path)
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
