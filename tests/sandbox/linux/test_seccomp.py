from __future__ import annotations

import platform

import pytest

from sandbox.linux import seccomp


def test_only_the_running_architecture_is_listed() -> None:
    assert len(seccomp.profile()["architectures"]) == 1


def test_an_unknown_architecture_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    with pytest.raises(ValueError, match="vax"):
        seccomp.profile()


def test_no_call_is_both_free_and_conditional() -> None:
    free: list[str] = []
    conditional: set[str] = set()
    for rule in seccomp.profile()["syscalls"]:
        if rule.get("args") or rule["action"] != "SCMP_ACT_ALLOW":
            conditional.update(rule["names"])
        else:
            free += rule["names"]
    assert len(free) == len(set(free))
    assert not conditional & set(free)
