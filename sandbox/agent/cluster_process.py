"""The cluster's process: what the starter forks when the learner types `minikube start`."""

from __future__ import annotations

from typing import Any

from sandbox.agent import shell
from sandbox.cluster.__main__ import serve as serve_cluster
from sandbox.cluster.config import ClusterConfig
from sandbox.linux import layout, syscalls

Object = dict[str, Any]

NAME = "cluster"
LOG = layout.CLUSTER / "cluster.log"


def serve(config: Object) -> int:
    """Run the cluster of this sandbox until it is told to end; `config` says which `nodes` and `addons`."""
    syscalls.set_process_name(NAME)
    return serve_cluster(
        ClusterConfig(
            data=layout.CLUSTER,
            listen=(layout.NODE_ADDRESS, layout.API_PORT),
            unix_socket=layout.CLUSTER_SOCKET,
            kubeconfig=layout.CLUSTER_KUBECONFIG,
            runtime="crun",
            nodes=tuple(config["nodes"]),
            addons=frozenset(config["addons"]),
            node_name=layout.HOSTNAME,
            node_ip=layout.NODE_ADDRESS,
            images=layout.IMAGES,
            pods=layout.PODS,
            containers_socket=layout.STARTER_SOCKET,
            node_root=shell.ROOT,
        )
    )
