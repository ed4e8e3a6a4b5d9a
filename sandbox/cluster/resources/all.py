"""The list of kinds that the API serves. A kind that no controller implements is not in it."""

from __future__ import annotations

from sandbox.cluster.resources.configmaps import CONFIGMAPS
from sandbox.cluster.resources.controllerrevisions import CONTROLLERREVISIONS
from sandbox.cluster.resources.cronjobs import CRONJOBS
from sandbox.cluster.resources.daemonsets import DAEMONSETS
from sandbox.cluster.resources.deployments import DEPLOYMENTS
from sandbox.cluster.resources.endpoints import ENDPOINTS
from sandbox.cluster.resources.endpointslices import ENDPOINTSLICES
from sandbox.cluster.resources.events import EVENTS
from sandbox.cluster.resources.jobs import JOBS
from sandbox.cluster.resources.leases import LEASES
from sandbox.cluster.resources.limitranges import LIMITRANGES
from sandbox.cluster.resources.namespaces import NAMESPACES
from sandbox.cluster.resources.nodes import NODES
from sandbox.cluster.resources.persistentvolumeclaims import PERSISTENTVOLUMECLAIMS
from sandbox.cluster.resources.persistentvolumes import PERSISTENTVOLUMES
from sandbox.cluster.resources.poddisruptionbudgets import PODDISRUPTIONBUDGETS
from sandbox.cluster.resources.pods import PODS
from sandbox.cluster.resources.priorityclasses import PRIORITYCLASSES
from sandbox.cluster.resources.rbac import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES
from sandbox.cluster.resources.replicasets import REPLICASETS
from sandbox.cluster.resources.replicationcontrollers import REPLICATIONCONTROLLERS
from sandbox.cluster.resources.resource import Resource
from sandbox.cluster.resources.resourcequotas import RESOURCEQUOTAS
from sandbox.cluster.resources.secrets import SECRETS
from sandbox.cluster.resources.serviceaccounts import SERVICEACCOUNTS
from sandbox.cluster.resources.services import SERVICES
from sandbox.cluster.resources.statefulsets import STATEFULSETS
from sandbox.cluster.resources.storageclasses import STORAGECLASSES

__all__ = [
    "CLUSTERROLEBINDINGS",
    "CLUSTERROLES",
    "CONFIGMAPS",
    "CONTROLLERREVISIONS",
    "CRONJOBS",
    "DAEMONSETS",
    "DEPLOYMENTS",
    "ENDPOINTS",
    "ENDPOINTSLICES",
    "EVENTS",
    "JOBS",
    "LEASES",
    "LIMITRANGES",
    "NAMESPACES",
    "NODES",
    "PERSISTENTVOLUMECLAIMS",
    "PERSISTENTVOLUMES",
    "PODDISRUPTIONBUDGETS",
    "PODS",
    "PRIORITYCLASSES",
    "REPLICASETS",
    "REPLICATIONCONTROLLERS",
    "RESOURCEQUOTAS",
    "RESOURCES",
    "ROLEBINDINGS",
    "ROLES",
    "SECRETS",
    "SERVICEACCOUNTS",
    "SERVICES",
    "STATEFULSETS",
    "STORAGECLASSES",
]

RESOURCES: tuple[Resource, ...] = (
    CONFIGMAPS,
    ENDPOINTS,
    EVENTS,
    LIMITRANGES,
    NAMESPACES,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODS,
    REPLICATIONCONTROLLERS,
    RESOURCEQUOTAS,
    SECRETS,
    SERVICEACCOUNTS,
    SERVICES,
    CONTROLLERREVISIONS,
    DAEMONSETS,
    DEPLOYMENTS,
    REPLICASETS,
    STATEFULSETS,
    CRONJOBS,
    JOBS,
    PODDISRUPTIONBUDGETS,
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    ROLEBINDINGS,
    ROLES,
    STORAGECLASSES,
    PRIORITYCLASSES,
    LEASES,
    ENDPOINTSLICES,
)
"""Served, in the order of discovery."""
