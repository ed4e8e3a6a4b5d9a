"""What every minikube command is made of, and the questions that most of them ask first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.minikube.console import Console, Exit, Fatal, Style
from sandbox.minikube.flags import Flag, Parsed
from sandbox.minikube.machine import Machine, Object, Status
from sandbox.minikube.request import Request, Send

VERSION = "v1.36.0-quayside.0.1.0"
KUBERNETES = "v1.33.1"
PROFILE = "minikube"
DRIVER = "quayside"


@dataclass(frozen=True)
class Call:
    """One command being carried out."""

    request: Request
    parsed: Parsed
    machine: Machine
    console: Console
    send: Send

    @property
    def profile(self) -> str:
        """The profile that is meant."""
        return self.parsed.text("profile", PROFILE)


@dataclass(frozen=True)
class Command:
    """One of minikube's commands."""

    name: str
    group: str
    summary: str
    run: Callable[[Call], Awaitable[int]]
    flags: Sequence[Flag] = ()
    usage: str = ""


class Answered(Exception):
    """Ends a command whose last words are printed already."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


async def existing(call: Call) -> Status:
    """The cluster's status; ends the command when there is no cluster of that profile."""
    status = await call.machine.status()
    if call.profile != PROFILE or status.state == "absent":
        message = f'Profile "{call.profile}" not found. Run "minikube profile list" to view all profiles.'
        await _start_hint(call, message, "start", Exit.GUEST_NOT_FOUND)
    return status


async def running(call: Call) -> Status:
    """The cluster's status; ends the command when it is not running."""
    status = await existing(call)
    if status.state == "stopped":
        message = f"The control-plane node {PROFILE} host is not running: state=Stopped"
        await _start_hint(call, message, "start", Exit.GUEST_NOT_RUNNING)
    if status.state == "paused":
        message = f"The control-plane node {PROFILE} apiserver is paused"
        await _start_hint(call, message, "unpause", Exit.CONTROL_PLANE_PAUSED)
    if status.state == "starting":
        message = f"The control-plane node {PROFILE} apiserver is not running: (state=Stopped)"
        await _start_hint(call, message, "start", Exit.CONTROL_PLANE_PAUSED)
    return status


async def get(call: Call, path: str) -> Object | None:
    """An object from the API server, or None when it is not there. Ends the command when nobody answers."""
    try:
        code, found = await call.machine.request("GET", path)
    except OSError as error:
        message = f"The API server does not answer: {error}"
        raise Fatal("GUEST_APISERVER", message, Exit.GUEST) from error
    return found if code == 200 else None


async def items(call: Call, path: str) -> Sequence[Any]:
    """The objects of a list; none when the list does not exist."""
    found = await get(call, path)
    return found.get("items", []) if found else []


async def _start_hint(call: Call, message: str, verb: str, code: int) -> None:
    await call.console.step(Style.SHRUG, message)
    profile = "" if call.profile == PROFILE else f" -p {call.profile}"
    await call.console.step(Style.WORKAROUND, f'To start a cluster, run: "minikube {verb}{profile}"')
    raise Answered(code)
