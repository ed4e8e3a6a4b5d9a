"""Decides whether what a lesson asks for is true in this sandbox (docs/protocol.md 1.4)."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.agent import jsonpath
from sandbox.agent.cluster import Cluster
from sandbox.agent.conversation import BadRequest
from sandbox.agent.happenings import Happenings
from sandbox.agent.resources import Resources
from sandbox.agent.scripts import SCRIPT_BYTES, Scripts

Object = dict[str, Any]

KINDS = ("resource", "command", "cluster", "port", "script")
_OPERATORS = ("equals", "matches", "at-least", "exists")
_CHECKS = 64
_ACTUAL_BYTES = 2048
_PATTERN_LENGTH = 1000
_SEARCHED_LENGTH = 8192
_SCRIPT_SECONDS = 20.0
_PORT_SECONDS = 1.0
_PRINTS_DONE = re.compile(r"\becho\b[^\n;|&]*\bdone\b")


@dataclass(frozen=True)
class Verdict:
    """What a check found."""

    passed: bool
    reason: str = ""
    actual: str = ""

    def wire(self) -> Object:
        """As it is sent."""
        return {"passed": self.passed, "reason": self.reason, "actual": self.actual}


class Evaluator:
    """Evaluates checks, each by its kind."""

    def __init__(self, cluster: Cluster, happenings: Happenings, scripts: Scripts) -> None:
        self._cluster = cluster
        self._happenings = happenings
        self._scripts = scripts
        self.resources = Resources(cluster)

    async def evaluate(self, checks: Sequence[Object]) -> list[Verdict]:
        """A verdict for each check, in order."""
        return list(await asyncio.gather(*(self._evaluate(check) for check in checks)))

    async def _evaluate(self, check: Object) -> Verdict:
        kind = check["kind"]
        try:
            if kind == "resource":
                return await self._resource(check)
            if kind == "command":
                return self._command(check)
            if kind == "cluster":
                return self._cluster_state(check)
            if kind == "port":
                return await self._port(check)
            return await self._script(check)
        except (jsonpath.PathError, re.error) as error:
            return Verdict(passed=False, reason="error", actual=str(error)[:_ACTUAL_BYTES])

    async def _resource(self, check: Object) -> Verdict:
        name, selector = check.get("name", ""), check.get("selector", "")
        try:
            namespace = check.get("namespace", "default")
            path = await self.resources.path(check["resource"], namespace=namespace, name=name, selector=selector)
            status, found = (404, {}) if path is None else await self._cluster.request("GET", path)
        except OSError:
            return Verdict(passed=False, reason="absent")
        if status == 404 or (not name and not found.get("items")):
            return Verdict(passed=False, reason="absent")
        if status != 200:
            return Verdict(passed=False, reason="error", actual=str(found.get("message", status))[:_ACTUAL_BYTES])
        expression = check.get("expression", "")
        if not expression:
            return Verdict(passed=True)
        actual = jsonpath.evaluate(expression, found)
        return _judge(check, actual)

    def _command(self, check: Object) -> Verdict:
        pattern, status = re.compile(check["pattern"]), check.get("status")
        typed = [command for command in self._happenings.commands if pattern.search(command.text)]
        if any(status is None or command.status == status for command in typed):
            return Verdict(passed=True)
        if not typed:
            return Verdict(passed=False, reason="absent")
        actual = str(typed[-1].status)
        return Verdict(passed=False, reason=_reason(check, actual), actual=actual)

    def _cluster_state(self, check: Object) -> Verdict:
        state = self._cluster.state
        wanted = check["state"]
        if state == wanted or (wanted == "stopped" and state == "absent"):
            return Verdict(passed=True)
        return Verdict(passed=False, reason="absent" if state == "absent" else _reason(check, state), actual=state)

    async def _port(self, check: Object) -> Verdict:
        try:
            async with asyncio.timeout(_PORT_SECONDS):
                _, writer = await asyncio.open_connection("127.0.0.1", check["port"])
        except (OSError, TimeoutError):
            return Verdict(passed=False, reason="absent")
        writer.close()
        return Verdict(passed=True)

    async def _script(self, check: Object) -> Verdict:
        printed = bytearray()

        async def keep(data: bytes) -> None:
            printed.extend(data)

        text = check["script"]
        where = "learner" if check.get("where") == "learner" else "clean"
        ended = await self._scripts.run(text, keep, where=where, environment={}, timeout=_SCRIPT_SECONDS)  # type: ignore[arg-type]
        output = bytes(printed[-_ACTUAL_BYTES:]).decode(errors="replace").strip()
        if ended.timed_out:
            return Verdict(passed=False, reason="error", actual=f"The check took longer than {_SCRIPT_SECONDS:g} s.")
        passed = ended.status == 0 and (b"done" in printed or not _PRINTS_DONE.search(text))
        return Verdict(
            passed=passed, reason="" if passed else _reason(check, output, otherwise="script"), actual=output
        )


def _judge(check: Object, actual: str) -> Verdict:
    """Compare what an expression found with what was wanted."""
    value, operator = check.get("value", ""), check.get("op", "exists")
    if operator == "at-least":
        actual = actual or "0"  # Kubernetes leaves out counters that are zero
        passed = _number(actual) >= _number(value)
    elif operator == "equals":
        passed = actual == value
    elif operator == "matches":
        passed = re.search(value, actual[:_SEARCHED_LENGTH]) is not None
    else:
        passed = actual != ""
    shown = actual.encode()[:_ACTUAL_BYTES].decode(errors="ignore")
    return (
        Verdict(passed=True, actual=shown)
        if passed
        else Verdict(passed=False, reason=_reason(check, actual), actual=shown)
    )


def _reason(check: Object, actual: str, *, otherwise: str = "otherwise") -> str:
    for index, pattern in enumerate(check.get("cases") or ()):
        if re.search(pattern, actual[:_SEARCHED_LENGTH]):
            return f"case:{index}"
    return otherwise


def _number(text: str) -> float:
    with contextlib.suppress(ValueError):
        return float(text)
    return float("-inf")


def read_checks(request: Object) -> list[Object]:
    """The checks of a request. Raises BadRequest."""
    checks = request.get("checks")
    if not isinstance(checks, list) or len(checks) > _CHECKS or not all(isinstance(check, dict) for check in checks):
        raise BadRequest(f"checks must be a list of at most {_CHECKS} objects")
    for check in checks:
        _validate(check)
    return checks


def _validate(check: Object) -> None:
    kind = check.get("kind")
    if kind not in KINDS:
        raise BadRequest(f"there is no kind of check {str(kind)[:40]!r}")
    needed = {"resource": "resource", "command": "pattern", "cluster": "state", "script": "script"}.get(str(kind))
    if needed and not isinstance(check.get(needed), str):
        raise BadRequest(f"a {kind} check needs {needed}")
    if kind == "port" and (not isinstance(check.get("port"), int) or not 1 <= check["port"] <= 65535):
        raise BadRequest("a port check needs a port from 1 to 65535")
    for name in ("name", "selector", "namespace", "expression", "value", "pattern", "op", "where"):
        if not isinstance(check.get(name, ""), str) or len(check.get(name, "")) > _PATTERN_LENGTH:
            raise BadRequest(f"{name} of a check must be a text of at most {_PATTERN_LENGTH} characters")
    if check.get("op", "exists") not in _OPERATORS:
        raise BadRequest(f"there is no comparison {check['op']!r}")
    if len(check.get("script", "")) > SCRIPT_BYTES:
        raise BadRequest("the script of a check is too long")
    cases = check.get("cases", [])
    if not isinstance(cases, list) or not all(isinstance(case, str) and len(case) <= _PATTERN_LENGTH for case in cases):
        raise BadRequest("cases of a check must be a list of patterns")
