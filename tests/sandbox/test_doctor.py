"""What the doctor finds here, and what it advises elsewhere."""

from __future__ import annotations

import errno
from pathlib import Path

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


def test_where_apparmor_restricts_users_it_writes_the_profile_that_cures_it(tmp_path: Path) -> None:
    switch = tmp_path / "switch"
    switch.write_text("1\n")
    python = Path("/usr/bin/python3.12")
    remedy = doctor.restricted_remedy(tmp_path, python=python, switch=switch, root=False)
    profile = tmp_path / "apparmor-quayside"
    assert f"'{profile}' /etc/apparmor.d/quayside" in remedy
    assert "profile quayside /usr/bin/python3.12 flags=(unconfined) {\n  userns,\n}" in profile.read_text()


@pytest.mark.parametrize(("said", "root"), [("0\n", False), ("1\n", True), (None, False)])
def test_elsewhere_no_profile_is_written(tmp_path: Path, said: str | None, root: bool) -> None:
    switch = tmp_path / "switch"
    if said is not None:
        switch.write_text(said)
    assert doctor.restricted_remedy(tmp_path, python=Path("/usr/bin/python3"), switch=switch, root=root) == ""
    assert not (tmp_path / "apparmor-quayside").exists()
