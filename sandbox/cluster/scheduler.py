"""The scheduler: finds each pod a node that fits, or says in Kubernetes' words why none does."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from sandbox.cluster import volumes
from sandbox.cluster.api import quantity
from sandbox.cluster.api.clock import Clock, stamp
from sandbox.cluster.api.errors import ApiError, Conflict
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.controller import Watch
from sandbox.cluster.events import scheduling_event
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.events import EVENTS
from sandbox.cluster.resources.nodes import NODES
from sandbox.cluster.resources.persistentvolumeclaims import PERSISTENTVOLUMECLAIMS
from sandbox.cluster.resources.persistentvolumes import PERSISTENTVOLUMES
from sandbox.cluster.resources.pods import PODS

log = logging.getLogger(__name__)

NAME = "default-scheduler"
_RETRY = 300.0
"""Seconds after which a pod that fits nowhere is tried again even when nothing changed."""


@dataclass
class Load:
    """What the pods of a node ask for together."""

    amounts: Counter[str] = field(default_factory=Counter)
    """In the units of `requests_of`: thousandths of cores, bytes, pods."""
    host_ports: Counter[tuple[int, str]] = field(default_factory=Counter)
    owners: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Placed:
    """What one pod takes of its node."""

    node: str
    amounts: Counter[str]
    host_ports: tuple[tuple[int, str], ...]
    owner: str


@dataclass(frozen=True)
class NodeFacts:
    """A node, with what it has in the units of `requests_of`."""

    name: str
    node: Object
    allocatable: Counter[str]


def node_facts(node: Object) -> NodeFacts:
    """The facts of one node; one that does not say how many pods it takes, takes 110."""
    status = node.get("status") or {}
    amounts = {"pods": "110"} | (status.get("allocatable") or {})
    allocatable = Counter({resource: _amount(resource, value) for resource, value in amounts.items()})
    # Images, the largest part of a node, play no role here.
    return NodeFacts(node["metadata"]["name"], {key: node[key] for key in ("metadata", "spec")}, allocatable)


class Scheduler:
    """Binds pods. It runs as a controller whose keys are pods without a node."""

    name = NAME

    def __init__(self, registry: Registry, *, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._placed: dict[str, Placed] = {}
        self._loads: dict[str, Load] = {}
        self._waiting: dict[Key, str] = {}
        """Pods that fit nowhere, with the message that was last said."""
        self._nodes: Sequence[NodeFacts] | None = None

    def watches(self) -> Sequence[Watch]:
        """Nodes first: the pods that exist at the start are judged with them in sight."""
        return (
            Watch(NODES, self._node_changed),
            Watch(PODS, self._pod_changed),
            Watch(PERSISTENTVOLUMECLAIMS, self._claim_changed),
            Watch(PERSISTENTVOLUMES, self._claim_changed),
        )

    def _claim_changed(self, _change: Change) -> Iterable[Key]:
        return tuple(self._waiting)

    def _node_changed(self, change: Change) -> Iterable[Key]:
        self._nodes = None
        return tuple(self._waiting)

    def _pod_changed(self, change: Change) -> Iterable[Key]:
        """Keep the books, and name who must be looked at."""
        uid = change.stored.indexed.uid
        if not change.stored.indexed.node:
            if change.type == "DELETED":
                self._waiting.pop(change.key, None)
                return ()
            return (change.key,)
        self._waiting.pop(change.key, None)
        over = change.type == "DELETED" or _has_ended(change)
        if over:
            return tuple(self._waiting) if self._forget(uid) else ()
        if uid not in self._placed:
            self._remember(change.object)
        return ()

    def _remember(self, pod: Object) -> None:
        placed = Placed(pod["spec"]["nodeName"], requests_of(pod["spec"]), host_ports_of(pod["spec"]), _owner(pod))
        self._placed[pod["metadata"]["uid"]] = placed
        load = self._loads.setdefault(placed.node, Load())
        load.amounts.update(placed.amounts)
        load.host_ports.update(placed.host_ports)
        load.owners[placed.owner] += 1

    def _forget(self, uid: str) -> bool:
        placed = self._placed.pop(uid, None)
        if placed is None:
            return False
        load = self._loads[placed.node]
        load.amounts.subtract(placed.amounts)
        load.host_ports.subtract(placed.host_ports)
        load.owners[placed.owner] -= 1
        return True

    async def reconcile(self, key: Key) -> float | None:
        """Bind one pod, or say why it cannot be."""
        pod = self._registry.find(PODS, key)
        if pod is None or pod["spec"].get("nodeName") or "deletionTimestamp" in pod["metadata"]:
            self._waiting.pop(key, None)
            return None
        if pod["spec"].get("schedulerName", NAME) != NAME:
            return None
        if pod["spec"].get("schedulingGates"):
            message = "Scheduling is blocked due to non-empty scheduling gates"
            self._refuse(key, "SchedulingGated", message)
            return None
        if not self._has_volumes(pod, key):
            return _RETRY
        nodes = self._known_nodes()
        wanted = requests_of(pod["spec"])
        faults = {node.name: self._faults(pod, node, wanted) for node in nodes}
        fitting = [node for node in nodes if not faults[node.name]]
        if not fitting:
            self._say(pod, key, explanation(faults))
            return _RETRY
        best = min(fitting, key=lambda node: self._cost(pod, node))
        self._bind(pod, key, best.name, evaluated=(len(nodes), len(fitting)))
        return None

    def _has_volumes(self, pod: Object, key: Key) -> bool:
        """Whether every claim of the pod is bound; else it waits, and what it waits for is said."""
        obstacle = volumes.obstacle(self._registry, pod)
        if obstacle:
            total = len(self._known_nodes())
            counted = f"{total} {obstacle}" if obstacle == volumes.UNAVAILABLE else obstacle
            available = f"0/{total} nodes are available: "
            why = f"{available}{counted}. preemption: {available}{total} Preemption is not helpful for scheduling."
            self._say(pod, key, why)
        elif obstacle is not None:
            # The binder has seen the pod and is about to bind.
            self._waiting.setdefault(key, "")
        return obstacle is None

    def _known_nodes(self) -> Sequence[NodeFacts]:
        if self._nodes is None:
            self._nodes = [node_facts(node) for node in self._registry.list(NODES)]
        return self._nodes

    def _bind(self, pod: Object, key: Key, node: str, *, evaluated: tuple[int, int]) -> None:
        try:
            self._registry.bind(PODS, key, node)
        except Conflict:
            return
        self._waiting.pop(key, None)
        found, fitting = evaluated
        log.info(
            '"Successfully bound pod to node" pod="%s/%s" node="%s" evaluatedNodes=%d feasibleNodes=%d',
            *(key.namespace, key.name, node, found, fitting),
        )
        message = f"Successfully assigned {key.namespace}/{key.name} to {node}"
        self._record(pod, "Normal", "Scheduled", message)

    def _say(self, pod: Object, key: Key, message: str) -> None:
        said = self._waiting.get(key)
        self._waiting[key] = message
        if said != message:
            self._refuse(key, "Unschedulable", message)
            self._record(pod, "Warning", "FailedScheduling", message)

    def _refuse(self, key: Key, reason: str, message: str) -> None:
        now = stamp(self._clock.now())

        def change(pod: Object) -> None:
            status = pod.setdefault("status", {})
            old = next((c for c in status.get("conditions") or () if c["type"] == "PodScheduled"), None)
            since = old["lastTransitionTime"] if old is not None and old["status"] == "False" else now
            others = [one for one in status.get("conditions") or () if one["type"] != "PodScheduled"]
            status["conditions"] = [
                *others,
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "lastProbeTime": None,
                    "lastTransitionTime": since,
                    "reason": reason,
                    "message": message,
                },
            ]

        self._registry.patch_status(PODS, key, change)

    def _record(self, pod: Object, type_: str, reason: str, message: str) -> None:
        event = scheduling_event(pod, type_=type_, reason=reason, message=message, clock=self._clock)
        try:
            self._registry.create(EVENTS, event, namespace=pod["metadata"]["namespace"])
        except ApiError:
            return  # a second event in the same microsecond, or a namespace that is going

    def _cost(self, pod: Object, facts: NodeFacts) -> tuple[object, ...]:
        """Smaller is better: few siblings, soft wishes met, little requested, the first by name."""
        node, name = facts.node, facts.name
        load = self._loads.get(name) or Load()
        wishes = sum(1 for t in node["spec"].get("taints") or () if t["effect"] == "PreferNoSchedule")
        owner = _owner(pod)
        siblings = load.owners[owner] if owner else 0
        used = [
            load.amounts[resource] / amount for resource in ("cpu", "memory") if (amount := facts.allocatable[resource])
        ]
        return (wishes - preference(pod, node), siblings, round(sum(used), 3), load.amounts["pods"], name)

    # Filters, in the order in which Kubernetes runs them; the first that fails speaks.

    def _faults(self, pod: Object, facts: NodeFacts, wanted: Counter[str]) -> list[str]:
        """Why the pod cannot run on this node; empty when it can."""
        spec, node = pod["spec"], facts.node
        if node["spec"].get("unschedulable") and not _tolerates(spec, _UNSCHEDULABLE):
            return ["node(s) were unschedulable"]
        for taint in node["spec"].get("taints") or ():
            if taint["effect"] in ("NoSchedule", "NoExecute") and not _tolerates(spec, taint):
                return [f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"]
        if not matches_affinity(spec, node):
            return ["node(s) didn't match Pod's node affinity/selector"]
        if not all(_matches_any(required, node) for required in volumes.affinities(self._registry, pod)):
            return ["node(s) didn't match PersistentVolume's node affinity"]
        load = self._loads.get(facts.name) or Load()
        if any(load.host_ports[port] > 0 for port in host_ports_of(spec)):
            return ["node(s) didn't have free ports for the requested pod ports"]
        return insufficient(wanted, load.amounts, facts.allocatable)


_UNSCHEDULABLE: Object = {"key": "node.kubernetes.io/unschedulable", "value": "", "effect": "NoSchedule"}
_FIXABLE = ("Insufficient ", "Too many pods", "node(s) didn't have free ports")
"""Reasons that the removal of other pods could mend."""


def explanation(faults: dict[str, list[str]]) -> str:
    """`0/1 nodes are available: 1 Insufficient cpu. preemption: …`."""
    total = len(faults)
    if not total:
        return "no nodes available to schedule pods"
    reasons = Counter(reason for found in faults.values() for reason in found)
    listed = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    fixable = sum(1 for found in faults.values() if all(reason.startswith(_FIXABLE) for reason in found))
    verdicts = []
    if fixable:
        verdicts.append(f"{fixable} No preemption victims found for incoming pod")
    if total - fixable:
        verdicts.append(f"{total - fixable} Preemption is not helpful for scheduling")
    preemption = ", ".join(sorted(verdicts))
    available = f"0/{total} nodes are available: "
    return f"{available}{listed}. preemption: {available}{preemption}."


def insufficient(wanted: Counter[str], used: Counter[str], allocatable: Counter[str]) -> list[str]:
    """Which resources there is not enough of."""
    faults = []
    if used["pods"] + 1 > allocatable["pods"]:
        faults.append("Too many pods")
    for resource, amount in sorted(wanted.items()):
        free = allocatable[resource] - used[resource]
        if resource != "pods" and amount > 0 and amount > free:
            faults.append(f"Insufficient {resource}")
    return faults


def requests_of(spec: Object) -> Counter[str]:
    """What a pod asks of a node: its containers together, or its greediest init container if that is more."""
    together: Counter[str] = Counter()
    for container in spec.get("containers") or ():
        together.update(_requests(container))
    greediest: Counter[str] = Counter()
    sidecars: Counter[str] = Counter()
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            sidecars.update(_requests(container))
            greediest |= sidecars
        else:
            greediest |= _requests(container) + sidecars
    together.update(sidecars)
    together |= greediest
    for resource, amount in (spec.get("overhead") or {}).items():
        together[resource] += _amount(resource, amount)
    together["pods"] = 1
    return together


def _requests(container: Object) -> Counter[str]:
    requests = (container.get("resources") or {}).get("requests") or {}
    return Counter({resource: _amount(resource, value) for resource, value in requests.items()})


def _amount(resource: str, value: object) -> int:
    """Thousandths for cpu, whole units for the rest."""
    try:
        parsed: Decimal = quantity.parse(value)
    except ValueError:
        return 0
    return int(parsed * 1000) if resource == "cpu" else int(parsed)


def host_ports_of(spec: Object) -> tuple[tuple[int, str], ...]:
    """The ports of the node itself that a pod wants."""
    return tuple(
        (int(port["hostPort"]), port.get("protocol", "TCP"))
        for container in spec.get("containers") or ()
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )


def _owner(pod: Object) -> str:
    references = pod["metadata"].get("ownerReferences") or ()
    return next((str(one["uid"]) for one in references if one.get("controller")), "")


def _has_ended(change: Change) -> bool:
    return b'"phase":"Succeeded"' in change.stored.body or b'"phase":"Failed"' in change.stored.body


def _tolerates(spec: Object, taint: Object) -> bool:
    for toleration in spec.get("tolerations") or ():
        if toleration.get("effect") and toleration["effect"] != taint["effect"]:
            continue
        if toleration.get("key") and toleration["key"] != taint["key"]:
            continue
        if toleration.get("operator", "Equal") == "Exists":
            return True
        if toleration.get("key") and toleration.get("value", "") == taint.get("value", ""):
            return True
    return False


def matches_affinity(spec: Object, node: Object) -> bool:
    """nodeSelector and the required part of node affinity."""
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if affinity is None:
        return True
    return _matches_any(affinity, node)


def _matches_any(selector: Object, node: Object) -> bool:
    """Whether one term of a NodeSelector holds for a node."""
    return any(_matches_term(term, node) for term in selector.get("nodeSelectorTerms") or ())


def preference(pod: Object, node: Object) -> int:
    """The weight of the preferred node affinities that the node meets."""
    affinity = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "preferredDuringSchedulingIgnoredDuringExecution"
    )
    return sum(int(one.get("weight", 1)) for one in affinity or () if _matches_term(one.get("preference") or {}, node))


def _matches_term(term: Object, node: Object) -> bool:
    labels = node["metadata"].get("labels") or {}
    fields = {"metadata.name": node["metadata"]["name"]}
    expressions, on_fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not on_fields:
        return False  # an empty term matches nothing
    return all(_matches(one, labels) for one in expressions) and all(_matches(one, fields) for one in on_fields)


def _matches(expression: Object, labels: dict[str, str]) -> bool:
    value, values = labels.get(expression["key"]), list(expression.get("values") or ())
    match expression.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return value is not None and value.isdigit() and int(value) > int(values[0])
        case "Lt":
            return value is not None and value.isdigit() and int(value) < int(values[0])
    return False
