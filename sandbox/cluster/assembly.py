"""Puts a cluster together: store, registry, control plane, nodes, API server; and takes it down again."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import random
import signal
import socket

from sandbox.cluster.addons import Addons
from sandbox.cluster.admission.limits import Limits
from sandbox.cluster.admission.priorities import Priorities
from sandbox.cluster.admission.quotas import Quotas
from sandbox.cluster.admission.service_accounts import ServiceAccounts
from sandbox.cluster.admission.service_addresses import ServiceAddresses
from sandbox.cluster.admission.storage import Storage
from sandbox.cluster.api.clock import Clock, SystemClock
from sandbox.cluster.apiserver import openapi
from sandbox.cluster.apiserver.api import Api, Endpoints
from sandbox.cluster.apiserver.authentication import Tokens
from sandbox.cluster.apiserver.authorization import Authorizer
from sandbox.cluster.apiserver.containers import Containers
from sandbox.cluster.apiserver.documents import Documents
from sandbox.cluster.apiserver.escalation import Escalation
from sandbox.cluster.apiserver.kind_schemas import KindSchemas
from sandbox.cluster.apiserver.listener import Listener
from sandbox.cluster.apiserver.metrics import Metrics
from sandbox.cluster.apiserver.proxying import Proxy
from sandbox.cluster.apiserver.questions import Questions
from sandbox.cluster.apiserver.stored import Schemas, StoredResources
from sandbox.cluster.apiserver.subresources import Subresources
from sandbox.cluster.bootstrap import bootstrap
from sandbox.cluster.config import ClusterConfig
from sandbox.cluster.controller import ControllerLoop
from sandbox.cluster.controllers.all import ControllersConfig, controllers
from sandbox.cluster.controllers.node import NodeTimes
from sandbox.cluster.controllers.volume_binder import NoTree
from sandbox.cluster.default_roles import ensure_default_roles
from sandbox.cluster.dns import DnsServer, Names
from sandbox.cluster.journal import Journal
from sandbox.cluster.kubelet import crun
from sandbox.cluster.kubelet.crun import CrunRuntime
from sandbox.cluster.kubelet.runtime import ContainerRuntime
from sandbox.cluster.kubelet.simulated import SimulatedRuntime
from sandbox.cluster.machine import Machine
from sandbox.cluster.node_pool import NodePool, identity, kept_running
from sandbox.cluster.node_tree import NodeTree
from sandbox.cluster.pki import Authority, TokenSigner, kubeconfig, public_kubeconfig, write_kubeconfig
from sandbox.cluster.proxy import ServiceProxy
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources import reviews
from sandbox.cluster.resources.all import RESOURCES
from sandbox.cluster.resources.metrics import NODE_METRICS, POD_METRICS
from sandbox.cluster.scheduler import Scheduler
from sandbox.cluster.service_health import ServiceHealth
from sandbox.cluster.store import Store
from sandbox.cluster.usage import Sampler

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
                Priorities(),
                Storage(),
                Limits(),
                Quotas(),
            ),
        )
        self.authority = Authority(config.pki)
        self.tokens = Tokens(TokenSigner(config.pki), registry=self.registry, clock=clock)
        self.pool = NodePool(
            self.registry, config=config, clock=clock, tokens=self.tokens, runtime_of=Runtimes(config, clock=clock).of
        )
        sampler = Sampler(self.pool, clock=clock)
        self.served = [*_REVIEWS]
        """What the API serves besides stored resources."""
        self.addons = Addons(self.registry, node=identity(config, 1), sampler=sampler, served=self.served, clock=clock)
        self.api = self._api(schemas, Metrics(self.registry, sampler, clock=clock))

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
        ensure_default_roles(self.registry)
        bootstrap(self.registry, service_ip=self.service_ip, api_server=where, kubeconfig=public)

    def _api(self, schemas: Schemas, metrics: Metrics) -> Api:
        authorizer = Authorizer(self.registry)
        stored = StoredResources(self.registry, schemas=schemas, guard=Escalation(self.registry, authorizer).check)
        containers = Containers(self.registry, self.pool.agent)
        proxy = Proxy(self.registry, containers)
        parts = Subresources(stored, tokens=self.tokens)
        questions = Questions(tokens=self.tokens, authorizer=authorizer, clock=self.clock)
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
                NODE_METRICS.qualified: metrics.nodes,
                POD_METRICS.qualified: metrics.pods,
            },
            question_resources=self.served,
        )
        address = f"{self.config.node_ip}:{self.address[1]}"
        documents = Documents(
            lambda: [*self.registry.resources(), *self.served], address=address, openapi=openapi.answer
        )
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
    """Run a cluster until SIGTERM or SIGINT. Raises what keeps it from starting."""
    address = listener.getsockname()[:2]
    clock = SystemClock()
    journal = Journal(config.logs)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(ending, stopping.set)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(journal.open())
        plane = ControlPlane(config, address=(address[0], address[1]), clock=clock, schemas=KindSchemas())
        stack.callback(plane.store.close)
        stack.callback(journal.follow_events(plane.registry))
        server = Listener(Machine(plane.api.handle, plane.pool, plane.addons).handle)
        plane.bootstrap()
        parts = asyncio.create_task(_run_parts(plane, clock))
        stack.push_async_callback(_cancelled, parts)
        await plane.pool.take_over(config.nodes)
        await plane.addons.become(config.addons)
        stack.push_async_callback(plane.addons.close)
        stack.push_async_callback(plane.pool.close, containers=not config.keep_containers)
        stack.push_async_callback(server.close)
        await server.listen_unix(config.socket_path)
        context = plane.authority.server_context(plane.hosts())
        await server.listen_tls(listener, context)
        if config.runtime == "crun" and address[0] != config.node_ip:
            # The other socket was made outside: pods reach the API at the node's own address.
            await server.listen_tls(listening_socket((config.node_ip, address[1])), context)
        # Last, because whoever sees it expects an answer.
        text = kubeconfig(plane.server, plane.authority)
        write_kubeconfig(config.kubeconfig_path, text)
        if config.on_ready is not None:
            config.on_ready(text)
        await stopping.wait()


async def _run_parts(plane: ControlPlane, clock: Clock) -> None:
    """The control plane's loops: each on its own, so that the failure of one is not the end of the others."""
    config = plane.config
    registry = plane.registry
    times = NodeTimes(config.node_grace, config.eviction_seconds)
    listed = controllers(
        registry,
        clock=clock,
        config=ControllersConfig(
            ca_certificate=plane.authority.certificate.decode(),
            pod_cidr=config.pod_cidr,
            node_times=times,
            tree=NodeTree(config.node_root) if config.runtime == "crun" else NoTree(),
            issue_for_secret=plane.tokens.issue_for_secret,
        ),
    )
    async with asyncio.TaskGroup() as group:
        for controller in (*listed, Scheduler(registry, clock=clock)):
            work = ControllerLoop(controller, registry=registry, clock=clock)
            group.create_task(kept_running(controller.name, work.run, clock), name=controller.name)
        if config.runtime == "crun":
            proxy = ServiceProxy(registry, clock=clock, service_cidr=config.service_cidr)
            group.create_task(kept_running("service proxy", proxy.run, clock))
            health = ServiceHealth(registry, clock=clock)
            group.create_task(kept_running("service health", health.run, clock))
            dns = DnsServer(Names(registry, chance=random.SystemRandom()))
            group.create_task(kept_running("dns", dns.run, clock))


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Runtimes:
    """What runs the nodes' pods: one crun for all, or a simulation for each."""

    def __init__(self, config: ClusterConfig, *, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._crun: CrunRuntime | None = None

    async def of(self, number: int) -> ContainerRuntime:
        """The runtime of a node. Raises StarterGone."""
        if self._config.runtime == "simulated":
            prefix = str(ipaddress.IPv4Network(self._config.pod_cidr)[(number - 1) * 256]).rpartition(".")[0]
            return SimulatedRuntime(
                clock=self._clock, pods=self._config.pods or self._config.data / "pods", network=f"{prefix}."
            )
        if self._crun is None:
            self._crun = await crun.connect(self._config)
        self._crun.network.add_node_address(identity(self._config, number).ip)
        return self._crun
