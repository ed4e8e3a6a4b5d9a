"""Puts a cluster together: store, registry, control plane, nodes, API server; and takes it down again."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import random
import signal
import socket

from sandbox.cluster.admission.service_accounts import ServiceAccounts
from sandbox.cluster.admission.service_addresses import ServiceAddresses
from sandbox.cluster.api.clock import Clock, SystemClock
from sandbox.cluster.apiserver import openapi
from sandbox.cluster.apiserver.api import Api, Endpoints
from sandbox.cluster.apiserver.authentication import Tokens
from sandbox.cluster.apiserver.authorization import Authorizer
from sandbox.cluster.apiserver.containers import Containers
from sandbox.cluster.apiserver.documents import Documents
from sandbox.cluster.apiserver.kind_schemas import KindSchemas
from sandbox.cluster.apiserver.listener import Listener
from sandbox.cluster.apiserver.nodes import NodeAgent
from sandbox.cluster.apiserver.proxying import Proxy
from sandbox.cluster.apiserver.questions import Questions
from sandbox.cluster.apiserver.stored import Schemas, StoredResources
from sandbox.cluster.apiserver.subresources import Subresources
from sandbox.cluster.bootstrap import bootstrap
from sandbox.cluster.config import ClusterConfig
from sandbox.cluster.pki import Authority, TokenSigner, kubeconfig, public_kubeconfig, write_kubeconfig
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources import reviews
from sandbox.cluster.resources.all import RESOURCES
from sandbox.cluster.store import Store

log = logging.getLogger(__name__)

_NAMES = ("minikube", "localhost", "control-plane.minikube.internal", "kubernetes")
_SERVICE_NAMES = ("kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")


class ControlPlane:
    """Everything that belongs to one running cluster, made in order and without starting anything."""

    def __init__(self, config: ClusterConfig, *, address: tuple[str, int], clock: Clock, schemas: Schemas) -> None:
        self.config = config
        self.clock = clock
        self.address = address
        config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        chance = random.SystemRandom()
        self.store = Store(config.store)
        self.registry = Registry(
            self.store,
            RESOURCES,
            clock=clock,
            chance=chance,
            merging=schemas.merging,
            admission=(
                ServiceAddresses(config.service_cidr, config.node_ports, chance=chance),
                ServiceAccounts(chance=chance),
            ),
        )
        self.authority = Authority(config.pki)
        self.tokens = Tokens(TokenSigner(config.pki), registry=self.registry, clock=clock)
        self.agents: dict[str, NodeAgent] = {}
        self.api = self._api(schemas)

    @property
    def server(self) -> str:
        """The URL that kubectl is told."""
        host, port = self.address
        return self.config.server or f"https://{host}:{port}"

    @property
    def service_ip(self) -> str:
        """The address of Service default/kubernetes: the first of the range."""
        return str(ipaddress.IPv4Network(self.config.service_cidr)[1])

    def hosts(self) -> list[str]:
        """The names and addresses that the server's certificate is for."""
        listening = [] if self.address[0] in ("", "0.0.0.0", "::") else [self.address[0]]
        found = [*_NAMES, *_SERVICE_NAMES, "127.0.0.1", self.config.node_ip, self.service_ip, *listening]
        return list(dict.fromkeys(found))

    def bootstrap(self) -> None:
        """Make sure of the objects that every cluster has."""
        where = (self.config.node_ip, self.address[1])
        public = public_kubeconfig(self.server, self.authority)
        bootstrap(self.registry, service_ip=self.service_ip, api_server=where, kubeconfig=public)

    def _api(self, schemas: Schemas) -> Api:
        authorizer = Authorizer(self.registry)
        stored = StoredResources(self.registry, schemas=schemas)
        containers = Containers(self.registry, self.agents.get)
        proxy = Proxy(self.registry, containers)
        parts = Subresources(stored, tokens=self.tokens)
        questions = Questions(tokens=self.tokens, authorizer=authorizer)
        endpoints = Endpoints(
            stored=stored,
            subresources={
                "*/status": parts.status,
                "*/scale": parts.scale,
                "pods/resize": parts.resize,
                "pods/ephemeralcontainers": parts.ephemeral_containers,
                "pods/binding": parts.binding,
                "pods/eviction": parts.eviction,
                "pods/log": containers.log,
                "pods/exec": containers.exec,
                "pods/attach": containers.attach,
                "pods/portforward": containers.port_forward,
                "pods/proxy": proxy.pod,
                "services/proxy": proxy.service,
                "namespaces/finalize": parts.finalize,
                "serviceaccounts/token": parts.token,
            },
            questions={
                reviews.SELF_SUBJECT_REVIEWS.qualified: questions.who_am_i,
                reviews.SELF_SUBJECT_ACCESS_REVIEWS.qualified: questions.may_i,
                reviews.SUBJECT_ACCESS_REVIEWS.qualified: questions.may_they,
                reviews.LOCAL_SUBJECT_ACCESS_REVIEWS.qualified: questions.may_they,
                reviews.SELF_SUBJECT_RULES_REVIEWS.qualified: questions.what_may_i,
                reviews.TOKEN_REVIEWS.qualified: questions.whose_token,
            },
            question_resources=_REVIEWS,
        )
        address = f"{self.config.node_ip}:{self.address[1]}"
        documents = Documents(lambda: [*self.registry.resources(), *_REVIEWS], address=address, openapi=openapi.answer)
        return Api(self.registry, tokens=self.tokens, authorizer=authorizer, endpoints=endpoints, documents=documents)


_REVIEWS = (
    reviews.TOKEN_REVIEWS,
    reviews.SELF_SUBJECT_REVIEWS,
    reviews.LOCAL_SUBJECT_ACCESS_REVIEWS,
    reviews.SELF_SUBJECT_ACCESS_REVIEWS,
    reviews.SELF_SUBJECT_RULES_REVIEWS,
    reviews.SUBJECT_ACCESS_REVIEWS,
)


def listening_socket(address: tuple[str, int]) -> socket.socket:
    """A listening TCP socket. Raises OSError."""
    return socket.create_server(address, backlog=256)


async def run(config: ClusterConfig, listener: socket.socket) -> None:
    """Run a cluster until SIGTERM or SIGINT."""
    address = listener.getsockname()[:2]
    plane = ControlPlane(config, address=(address[0], address[1]), clock=SystemClock(), schemas=KindSchemas())
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    server = Listener(plane.api.handle)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(plane.store.close)
        stack.push_async_callback(server.close)
        plane.bootstrap()
        await server.listen_unix(config.socket_path)
        await server.listen_tls(listener, plane.authority.server_context(plane.hosts()))
        # Last, because whoever sees it expects an answer.
        write_kubeconfig(config.kubeconfig_path, kubeconfig(plane.server, plane.authority))
        await stopping.wait()
