"""Rebuilding what a worker knew from the status it wrote before its process ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sandbox.cluster.api.clock import parse_time
from sandbox.cluster.api.objects import Object
from sandbox.cluster.kubelet.status import ContainerRecord, Kind, Running, State, Terminated, Waiting, statuses


def kind_of(key: str, container: Object) -> Kind:
    """Which kind of container stands in that list of a pod's spec."""
    if key == "ephemeralContainers":
        return "ephemeral"
    if key == "containers":
        return "main"
    return "sidecar" if container.get("restartPolicy") == "Always" else "init"


def restore(pod: Object, records: Mapping[str, ContainerRecord]) -> None:
    """Fill the records from the pod's stored status."""
    for status in statuses(pod):
        record = records.get(status["name"])
        if record is None:
            continue
        record.state = _state(status.get("state") or {})
        last = _state(status.get("lastState") or {})
        record.last = last if isinstance(last, Terminated) else None
        record.restarts = int(status.get("restartCount") or 0)
        record.ready = bool(status.get("ready"))
        record.started = bool(status.get("started"))
        record.image, record.image_id = status.get("image", ""), status.get("imageID", "")
        record.container_id = _bare(status.get("containerID", ""))


def lost(record: ContainerRecord, now: float) -> None:
    """It was running and is not there any more: nobody saw how it ended."""
    if not isinstance(record.state, Running):
        return
    record.state = Terminated(137, "Error", record.state.started_at, now, record.container_id)
    record.ready = record.started = False


def initialise_again(records: Iterable[ContainerRecord]) -> None:
    """The pod's sandbox is gone: in the new one its init containers run once more, before anything else."""
    for record in records:
        if record.kind == "init" and record.ended is not None:
            record.restarts += 1
            record.state, record.last = Waiting("PodInitializing"), None


def _state(state: Object) -> State:
    if "running" in state:
        return Running(_seconds(state["running"].get("startedAt")))
    if "terminated" in state:
        end = state["terminated"]
        return Terminated(
            int(end.get("exitCode") or 0),
            end.get("reason", ""),
            _seconds(end.get("startedAt")),
            _seconds(end.get("finishedAt")),
            _bare(end.get("containerID", "")),
            end.get("message", ""),
        )
    waiting = state.get("waiting") or {}
    return Waiting(waiting.get("reason", "ContainerCreating"), waiting.get("message", ""))


def _seconds(text: str | None) -> float:
    return parse_time(text).timestamp() if text else 0.0


def _bare(identifier: str) -> str:
    return identifier.rpartition("://")[2]
