"""Holds the fake of this folder's tests to the promises of sandbox/backend.py."""

from __future__ import annotations

import pytest

from sandbox.backend import HostFull, SandboxGone, SandboxSpec
from tests.tutorials.fakes import FakeBackend

SPEC = SandboxSpec()


async def test_starting_what_runs_is_no_error(backend: FakeBackend) -> None:
    await backend.start("learner-a", SPEC)
    await backend.start("learner-a", SPEC)
    assert [(state.name, state.running) for state in (await backend.list()).values()] == [("learner-a", True)]


async def test_stopping_what_is_gone_is_no_error(backend: FakeBackend) -> None:
    await backend.stop("learner-a")
    assert await backend.list() == {}


async def test_only_what_runs_can_be_reached(backend: FakeBackend) -> None:
    with pytest.raises(SandboxGone):
        await backend.connect("learner-a")
    await backend.start("learner-a", SPEC)
    await backend.connect("learner-a")
    with pytest.raises(SandboxGone):
        await backend.client("learner-b").run("true")


async def test_a_full_host_says_so(backend: FakeBackend) -> None:
    backend.room = 0
    with pytest.raises(HostFull):
        await backend.start("learner-a", SPEC)
