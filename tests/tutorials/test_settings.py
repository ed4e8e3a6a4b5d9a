"""Settings are read in a process of their own: that is what an environment is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHOW = (
    "import json; from tutorials import settings as s;"
    "print(json.dumps({'hosts': s.ALLOWED_HOSTS, 'origins': s.ORIGINS, 'debug': s.DEBUG, 'secret': s.SECRET_KEY,"
    "'secure': s.SESSION_COOKIE_SECURE, 'engine': s.DATABASES['default']['ENGINE'],"
    "'database': {k: v for k, v in s.DATABASES['default'].items() if k in ('HOST', 'PORT', 'USER', 'PASSWORD')}}))"
)


def read(data: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QUAYSIDE_")}
    mine = {f"QUAYSIDE_{name}": value for name, value in ({"DATA": str(data)} | environment).items()}
    return subprocess.run(
        [sys.executable, "-c", SHOW], cwd=ROOT, env=kept | mine, capture_output=True, text=True, timeout=30
    )


def values(data: Path, **environment: str) -> Any:
    done = read(data, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_with_nothing_set_it_is_a_safe_site_on_this_machine(tmp_path: Path) -> None:
    found = values(tmp_path)
    assert found["debug"] is False
    assert found["hosts"] == ["127.0.0.1", "localhost"]
    assert found["secret"] == (tmp_path / "secret").read_text()
    assert found["engine"] == "django.db.backends.sqlite3"


def test_origins_decide_hosts_and_cookies(tmp_path: Path) -> None:
    found = values(tmp_path, ORIGINS="https://Class.Example.org:443/,https://[fd00::1]:8443")
    assert found["origins"] == ["https://class.example.org", "https://[fd00::1]:8443"]
    assert found["hosts"] == ["[fd00::1]", "class.example.org"]
    assert found["secure"] is True


def test_a_database_server_is_named_by_its_address(tmp_path: Path) -> None:
    found = values(tmp_path, DATABASE="postgres://u:p%40ss@db:6543/site")
    assert found["engine"] == "django.db.backends.postgresql"
    assert found["database"] == {"HOST": "db", "PORT": "6543", "USER": "u", "PASSWORD": "p@ss"}


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"ORIGINS": "localhost"}, "no origin"),
        ({"ORIGINS": "http://localhost/path"}, "no origin"),
        ({"ORIGINS": "https://*.example.org"}, "wildcards"),
        ({"ORIGINS": ""}, "names no origin"),
        ({"MODE": "cluster"}, "must be one of"),
        ({"MODE": "compose"}, "needs QUAYSIDE_BROKER"),
        ({"DEBUG": "1", "ORIGINS": "http://192.168.1.5:8000"}, "refused"),
        ({"DEBUG": "yes"}, "must be one of"),
        ({"SECRET": "short"}, "shorter than 50"),
        ({"IDLE_MINUTES": "0"}, "whole number"),
        ({"IDLE_MINUTES": "5"}, "must be less than"),
        ({"DATABASE": "mysql://x"}, "must look like"),
        ({"BACKEND": "none"}, "must be one of"),
    ],
)
def test_a_bad_value_is_refused_with_its_name(tmp_path: Path, environment: dict[str, str], said: str) -> None:
    done = read(tmp_path, **environment)
    assert done.returncode != 0
    assert said in done.stderr


def test_django_has_nothing_to_say_about_a_public_site(tmp_path: Path) -> None:
    environment = os.environ | {"QUAYSIDE_DATA": str(tmp_path), "QUAYSIDE_ORIGINS": "https://class.example.org"}
    environment.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)  # the browser's tests need it, a host must not
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_migrations_are_those_of_the_models(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"],
        cwd=ROOT, env=os.environ | {"QUAYSIDE_DATA": str(tmp_path)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
