"""The subresources of a pod that reach into its containers: log, exec, attach, portforward."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

from sandbox.cluster.api.clock import parse_time
from sandbox.cluster.api.errors import ApiError, BadRequest, InternalError, NotFound
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.apiserver import streams
from sandbox.cluster.apiserver.call import Call
from sandbox.cluster.apiserver.messages import Response, Takeover
from sandbox.cluster.apiserver.nodes import Nodes, agent_of, container_name
from sandbox.cluster.apiserver.streams import Upgrade
from sandbox.cluster.kubelet.logs import LogOptions, LogUnavailable
from sandbox.cluster.kubelet.runtime import Container, PodSandbox, Process
from sandbox.cluster.registry import Registry

_Found = TypeVar("_Found")


class Containers:
    """Answers those calls by way of the kubelets."""

    def __init__(self, registry: Registry, nodes: Nodes) -> None:
        self._registry = registry
        self._nodes = nodes

    async def log(self, call: Call) -> Response:
        """`kubectl logs`."""
        pod = self._pod(call)
        options = self._log_options(call)
        name = container_name(pod, call.request.parameter("container"))
        if not pod["spec"].get("nodeName"):
            return Response(content_type="text/plain")
        agent = agent_of(pod, self._nodes)
        try:
            pieces = agent.logs(*_key(pod), name, options)
            # The first piece is waited for here, so that a log that cannot be had is a 400 and not an empty 200.
            first = await _first(pieces, follow=options.follow)
        except LogUnavailable as error:
            raise BadRequest(str(error)) from error
        except LookupError as error:
            raise NotFound(call.resource, pod["metadata"]["name"]) from error
        return Response(content_type="text/plain", stream=_chain(first, pieces))

    async def exec(self, call: Call) -> Takeover:
        """`kubectl exec`."""
        command = call.request.query.get("command", ())
        if not command:
            raise BadRequest("you must specify at least 1 command for the container")
        container = self._container(call)
        stdin, tty = call.request.flag("stdin"), call.request.flag("tty")

        async def start() -> Process:
            return await container.exec(list(command), stdin=stdin, tty=tty)

        async def run(upgrade: Upgrade) -> None:
            await streams.serve_process(upgrade, start)

        return Takeover(run)

    async def attach(self, call: Call) -> Takeover:
        """`kubectl attach` and `kubectl run -i`."""
        container = self._container(call)
        stdin = call.request.flag("stdin")

        async def start() -> Process:
            return await container.attach(stdin=stdin)

        async def run(upgrade: Upgrade) -> None:
            await streams.serve_process(upgrade, start, attached=True)

        return Takeover(run)

    async def port_forward(self, call: Call) -> Takeover:
        """`kubectl port-forward`."""
        sandbox = self.sandbox(self._pod(call))

        async def run(upgrade: Upgrade) -> None:
            await streams.serve_portforward(upgrade, sandbox.dial)

        return Takeover(run)

    def sandbox(self, pod: Object) -> PodSandbox:
        """A pod's sandbox. Raises BadRequest, InternalError."""
        agent = agent_of(pod, self._nodes)
        try:
            return agent.pod(*_key(pod))
        except LookupError as error:
            raise InternalError(_message(error)) from error

    def _container(self, call: Call) -> Container:
        pod = self._pod(call)
        phase = (pod.get("status") or {}).get("phase")
        if phase in ("Succeeded", "Failed"):
            raise ContainerEnded(f"cannot exec into a container in a completed pod; current phase is {phase}")
        name = container_name(pod, call.request.parameter("container"), choose_first=True)
        agent = agent_of(pod, self._nodes)
        try:
            return agent.container(*_key(pod), name)
        except LookupError as error:
            raise InternalError(_message(error)) from error

    def _pod(self, call: Call) -> Object:
        return self._registry.get(call.resource, call.key)

    def _log_options(self, call: Call) -> LogOptions:
        request = call.request
        since = call.number("sinceSeconds")
        since_time = request.parameter("sinceTime")
        moment = None if since is None else self._registry.clock.now().timestamp() - since
        if since_time:
            try:
                moment = parse_time(since_time).timestamp()
            except ValueError as error:
                raise BadRequest(f"invalid sinceTime: {since_time}") from error
        return LogOptions(
            follow=request.flag("follow"),
            previous=request.flag("previous"),
            timestamps=request.flag("timestamps"),
            tail_lines=call.number("tailLines"),
            limit_bytes=call.number("limitBytes"),
            since=moment,
        )


class ContainerEnded(ApiError):
    """There is nothing to run a command in any more."""

    code = 400
    reason = "BadRequest"


def _key(pod: Object) -> Key:
    return Key(pod["metadata"]["namespace"], pod["metadata"]["name"])


def _message(error: LookupError) -> str:
    return str(error.args[0]) if error.args else str(error)


async def _first(pieces: AsyncIterator[bytes], *, follow: bool) -> asyncio.Future[bytes] | None:
    """The first piece: there (finished), on its way (a log that is followed and silent), or None at the end."""
    task = asyncio.ensure_future(anext(pieces))
    await asyncio.wait((task,), timeout=0.5 if follow else None)
    if task.done() and isinstance(task.exception(), StopAsyncIteration):
        return None
    if task.done():
        task.result()
    return task


async def _chain(first: asyncio.Future[bytes] | None, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    if first is None:
        return
    try:
        yield await first
        async for piece in pieces:
            yield piece
    except StopAsyncIteration:
        return
    finally:
        first.cancel()
