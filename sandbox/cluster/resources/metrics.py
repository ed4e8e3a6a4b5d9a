"""What nodes and pods use, as metrics-server says it: computed when asked, never stored."""

from __future__ import annotations

from sandbox.cluster.resources.resource import Resource

GROUP = "metrics.k8s.io"
_VERBS = ("get", "list")

NODE_METRICS = Resource(
    kind="NodeMetrics",
    plural="nodes",
    group=GROUP,
    version="v1beta1",
    namespaced=False,
    verbs=_VERBS,
)
POD_METRICS = Resource(kind="PodMetrics", plural="pods", group=GROUP, version="v1beta1", verbs=_VERBS)
