"""ReplicationControllers are kept as ReplicaSets are; only their selector is written otherwise."""

from __future__ import annotations

from sandbox.cluster.api.objects import Object
from sandbox.cluster.api.selectors import LabelSelector, from_map
from sandbox.cluster.controllers.replicaset import Replicated
from sandbox.cluster.resources.replicationcontrollers import REPLICATIONCONTROLLERS


def _selector(rc: Object) -> LabelSelector:
    return from_map(rc["spec"].get("selector"))


REPLICATION_CONTROLLER = Replicated("replication-controller", REPLICATIONCONTROLLERS, _selector)
