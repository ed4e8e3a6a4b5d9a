"""What only the sandbox's own agent may ask of a running cluster: which nodes and addons there shall be.

Nodes are switched on and off from outside, as machines are; the API that learners have knows no such thing.
"""

from __future__ import annotations

import json

from sandbox.cluster.addons import Addons
from sandbox.cluster.api.errors import BadRequest
from sandbox.cluster.apiserver.formats import Accept, respond, status_response
from sandbox.cluster.apiserver.messages import ADMIN, Handler, Request, Response, Takeover
from sandbox.cluster.node_pool import NodePool

PATH = "/quayside/machine"
_MOST_NODES = 100


class Machine:
    """Answers `PUT /quayside/machine` on the agent's own socket, and hands everything else on."""

    def __init__(self, handler: Handler, pool: NodePool, addons: Addons) -> None:
        self._handler = handler
        self._pool = pool
        self._addons = addons

    async def handle(self, request: Request) -> Response | Takeover:
        """The answer to a request."""
        # That very object is only given to who comes by the unix socket: a certificate makes one of its own.
        if request.path != PATH or request.user is not ADMIN or request.method != "PUT":
            return await self._handler(request)
        try:
            numbers, addons = _wanted(request.body)
        except (ValueError, KeyError, TypeError):
            return status_response(BadRequest("nodes are a list of numbers, addons one of names"), how=Accept())
        await self._pool.become(numbers)
        await self._addons.become(addons)
        return respond({"nodes": list(self._pool.names())}, Accept())


def _wanted(body: bytes) -> tuple[list[int], list[str]]:
    given = json.loads(body)
    nodes, addons = given["nodes"], given["addons"]
    if not all(isinstance(one, int) and 1 <= one <= _MOST_NODES for one in nodes):
        raise ValueError("not a list of node numbers")
    if not isinstance(addons, list) or not all(isinstance(one, str) for one in addons):
        raise ValueError("not a list of addons")
    return list(nodes), addons
