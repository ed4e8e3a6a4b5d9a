"""The door that only the sandbox's agent has: nodes and addons, on and off."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, cast

import pytest

from sandbox.cluster.addons import Addons
from sandbox.cluster.apiserver.messages import ADMIN, Request, Response, Takeover, User
from sandbox.cluster.machine import PATH, Machine
from sandbox.cluster.node_pool import NodePool


class Recorder:
    """Stands for the pool and the addons."""

    def __init__(self) -> None:
        self.wanted: list[Any] = []

    async def become(self, wanted: Collection[Any]) -> None:
        self.wanted.append(list(wanted))

    def names(self) -> Sequence[str]:
        return ("minikube",)


async def api(_request: Request) -> Response | Takeover:
    return Response(418)


def asked(body: object, *, user: User | None = ADMIN, method: str = "PUT", path: str = PATH) -> Request:
    return Request(method, path, path, {}, (), json.dumps(body).encode(), user)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


async def status(recorder: Recorder, request: Request) -> int:
    machine = Machine(api, cast("NodePool", recorder), cast("Addons", recorder))
    answer = await machine.handle(request)
    assert isinstance(answer, Response)
    return answer.status


async def test_the_agent_says_what_there_shall_be(recorder: Recorder) -> None:
    assert await status(recorder, asked({"nodes": [1, 3], "addons": ["metrics-server"]})) == 200
    assert recorder.wanted == [[1, 3], ["metrics-server"]]


@pytest.mark.parametrize("user", [None, User(ADMIN.name, ADMIN.groups)])
async def test_nobody_else_does(recorder: Recorder, user: User | None) -> None:
    assert await status(recorder, asked({"nodes": [1], "addons": []}, user=user)) == 418
    assert recorder.wanted == []


@pytest.mark.parametrize(
    "body", [{}, [], {"nodes": 1, "addons": []}, {"nodes": ["x"], "addons": []}, {"nodes": [0], "addons": []}]
)
async def test_nonsense_changes_nothing(recorder: Recorder, body: object) -> None:
    assert await status(recorder, asked(body)) == 400
    assert recorder.wanted == []


async def test_all_else_is_the_apis(recorder: Recorder) -> None:
    assert await status(recorder, asked({}, path="/api")) == 418
    assert await status(recorder, asked({}, method="GET")) == 418
