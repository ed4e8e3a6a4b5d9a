"""What the doctor finds here, and what it advises elsewhere."""

from __future__ import annotations

import errno

import pytest

from sandbox import doctor
from sandbox.doctor import Step, remedy_for


@pytest.mark.sandbox
def test_this_machine_is_found_fit_by_trying() -> None:
    steps = doctor.probe()
    assert not [step for step in steps if step.needed and not step.ok]
    assert {"kernel", "ids", "sandbox", "overlay", "system", "veth", "nft", "run crun", "cgroups", "mode"} <= {
        step.name for step in steps
    }
    assert steps[-1].name == "mode"
    assert doctor.summary(steps).startswith("local sandboxes with user ids of their own")


@pytest.mark.sandbox
def test_a_machine_without_namespaces_is_found_unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tried for real: the probe runs where no user namespace may be made."""
    command = ["unshare", "-Urm", "sh", "-c", 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"', "sh"]
    real = doctor.subprocess.run

    def refused(words: list[str], **options: object) -> object:
        return real([*command, *words], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(doctor.subprocess, "run", refused)
    steps = doctor.probe()
    failed = [step for step in steps if step.needed and not step.ok]
    assert failed
    assert all(step.remedy for step in failed)


@pytest.mark.parametrize(
    ("stage", "number", "words"),
    [
        ("clone", errno.EPERM, "user namespaces"),
        ("clone", errno.ENOSPC, "max_user_namespaces"),
        ("take the mapped ids", errno.EPERM, "uidmap"),
        ("mount proc", errno.EPERM, "systempaths=unconfined"),
        ("mount a tmpfs", errno.EACCES, "AppArmor"),
        ("overlay", errno.EOVERFLOW, "run as root"),
        ("nft", None, "nftables"),
        ("cgroups", None, "Delegate=yes"),
    ],
)
def test_every_failure_that_is_known_has_its_remedy(stage: str, number: int | None, words: str) -> None:
    assert words in remedy_for(stage, number)


def test_an_unknown_failure_leads_to_the_handbook() -> None:
    assert "docs/self-hosting.md" in remedy_for("something new", 99)


def test_without_a_mode_there_are_no_sandboxes() -> None:
    assert doctor.summary([Step("kernel", ok=False, detail="old")]) == "no sandboxes"
