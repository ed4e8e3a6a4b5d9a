"""The list of controllers. A controller is a file beside this one and an entry here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.controller import Controller
from sandbox.cluster.controllers.cronjob import CronJobController
from sandbox.cluster.controllers.daemonset import DaemonSetController
from sandbox.cluster.controllers.deployment import DeploymentController
from sandbox.cluster.controllers.disruption import DisruptionController
from sandbox.cluster.controllers.endpoints import EndpointsController
from sandbox.cluster.controllers.endpointslice import EndpointSliceController
from sandbox.cluster.controllers.event_expiry import EventExpiry
from sandbox.cluster.controllers.garbage import GarbageCollector
from sandbox.cluster.controllers.job import JobController
from sandbox.cluster.controllers.job_expiry import JobExpiry
from sandbox.cluster.controllers.namespace import NamespaceController
from sandbox.cluster.controllers.namespace_contents import RootCAController, ServiceAccountController
from sandbox.cluster.controllers.node import NodeController, NodeTimes, PodGarbageCollector
from sandbox.cluster.controllers.pod_views import PodViews
from sandbox.cluster.controllers.replicaset import ReplicaSetController
from sandbox.cluster.controllers.replicationcontroller import REPLICATION_CONTROLLER
from sandbox.cluster.controllers.resourcequota import ResourceQuotaController
from sandbox.cluster.controllers.role_aggregation import RoleAggregationController
from sandbox.cluster.controllers.statefulset import StatefulSetController
from sandbox.cluster.controllers.token_secrets import SecretTokenIssuer, TokenSecretController
from sandbox.cluster.controllers.volume_binder import NoTree, Tree, VolumeBinder
from sandbox.cluster.controllers.volume_reclaim import ClaimProtection, VolumeReclaimer
from sandbox.cluster.registry import Registry


@dataclass(frozen=True)
class ControllersConfig:
    """What the controllers must be told."""

    ca_certificate: str
    """PEM, for kube-root-ca.crt."""
    pod_cidr: str = "10.244.0.0/16"
    node_times: NodeTimes = field(default_factory=NodeTimes)
    tree: Tree = field(default_factory=NoTree)
    """Where provisioned volumes lie."""
    issue_for_secret: SecretTokenIssuer | None = None
    """Makes the tokens of secrets; without it such secrets stay empty."""


def _token_secrets(registry: Registry, config: ControllersConfig) -> Sequence[Controller]:
    if config.issue_for_secret is None:
        return ()
    return (TokenSecretController(registry, issue=config.issue_for_secret, certificate=config.ca_certificate),)


def controllers(registry: Registry, *, clock: Clock, config: ControllersConfig) -> Sequence[Controller]:
    """Every controller of the cluster, ready to run; the scheduler is not among them."""
    views = PodViews(registry)
    return (
        ServiceAccountController(registry),
        RoleAggregationController(registry),
        ResourceQuotaController(registry),
        VolumeBinder(registry, tree=config.tree, clock=clock),
        VolumeReclaimer(registry, tree=config.tree, clock=clock),
        ClaimProtection(registry),
        *_token_secrets(registry, config),
        RootCAController(registry, certificate=config.ca_certificate),
        NodeController(registry, clock=clock, times=config.node_times, pod_cidr=config.pod_cidr),
        DeploymentController(registry, views=views, clock=clock),
        ReplicaSetController(registry, views=views, clock=clock),
        ReplicaSetController(registry, views=views, clock=clock, of=REPLICATION_CONTROLLER),
        DaemonSetController(registry, views=views, clock=clock),
        StatefulSetController(registry, clock=clock),
        DisruptionController(registry, views=views, clock=clock),
        JobController(registry, views=views, clock=clock),
        JobExpiry(registry, clock=clock),
        CronJobController(registry, clock=clock),
        EndpointsController(registry, views=views, clock=clock),
        EndpointSliceController(registry, views=views, clock=clock),
        PodGarbageCollector(registry),
        EventExpiry(registry, clock=clock),
        NamespaceController(registry, clock=clock),
        GarbageCollector(registry),
    )
