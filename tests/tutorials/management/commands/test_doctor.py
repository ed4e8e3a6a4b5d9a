"""`manage.py doctor` as people and programs read it."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import call_command

from sandbox.doctor import Step
from tutorials.management.commands import doctor

FIT = Step("sandbox", ok=True, detail="stands")
LOOSE = Step("cgroups", ok=False, detail="none", remedy="be root", needed=False)
UNFIT = Step("sandbox", ok=False, detail="clone: EPERM", remedy="allow it")


def told(monkeypatch: pytest.MonkeyPatch, steps: list[Step], *options: str) -> str:
    monkeypatch.setattr(doctor, "probe", lambda: steps)
    out = io.StringIO()
    call_command("doctor", *options, stdout=out)
    return out.getvalue()


def test_what_works_and_what_is_looser_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = told(monkeypatch, [FIT, LOOSE]).splitlines()
    assert lines[0].split() == ["ok", "sandbox", "stands"]
    assert lines[1].split() == ["warn", "cgroups", "none"]
    assert lines[2].split() == ["->", "be", "root"]


def test_an_unfit_machine_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as ended:
        told(monkeypatch, [UNFIT])
    assert ended.value.code == 1


def test_programs_get_json(monkeypatch: pytest.MonkeyPatch) -> None:
    said = json.loads(told(monkeypatch, [FIT, LOOSE], "--json"))
    assert [(step["name"], step["ok"], step["needed"]) for step in said] == [
        ("sandbox", True, True),
        ("cgroups", False, False),
    ]
