"""What the parts of the control plane write down, a log each: `kubectl logs -n kube-system kube-scheduler-minikube`.

They have no containers, so nothing else would have their logs. Whatever they say through `logging` is sorted by the
module it comes from, in the layout of klog, into files as container runtimes write them; so they are read, followed
and cut like any container's log.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.events import EVENTS

LIMIT = 256 * 1024
"""Bytes of a log that are kept, and once more as much of the one before."""
_LONGEST_LINE = 4096
_ROOT = "sandbox.cluster"

_WRITERS = {
    "apiserver": "kube-apiserver",
    "admission": "kube-apiserver",
    "registry": "kube-apiserver",
    "store": "etcd",
    "controllers": "kube-controller-manager",
    "controller": "kube-controller-manager",
    "scheduler": "kube-scheduler",
    "proxy": "kube-proxy",
    "dns": "coredns",
    "kubelet": "kubelet",
}
"""Whose log a module's lines belong to, by the part of its name after `sandbox.cluster.`."""
_OTHERS = "kubelet"
_SCHEDULER = "default-scheduler"


class Journal(logging.Handler):
    """Keeps the logs below one directory, each of limited size."""

    def __init__(self, directory: Path) -> None:
        super().__init__(logging.INFO)
        self._directory = directory
        self._files: dict[str, BinaryIO] = {}

    def open(self) -> Callable[[], None]:
        """Take down what the cluster's modules say from now on, until the returned function is called."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        logger = logging.getLogger(_ROOT)
        before = logger.level
        logger.addHandler(self)
        logger.setLevel(logging.DEBUG if logger.isEnabledFor(logging.DEBUG) else logging.INFO)

        def close() -> None:
            logger.removeHandler(self)
            logger.setLevel(before)
            self.close()

        return close

    def path(self, component: str) -> Path:
        """Where the log of `kube-apiserver`, `etcd`, … lies; it comes with the first line."""
        return self._directory / f"{component}.log"

    def follow_events(self, registry: Registry) -> Callable[[], None]:
        """Write down each event that a component records, as Kubernetes' own do."""
        return registry.watch(EVENTS, self._event)

    def emit(self, record: logging.LogRecord) -> None:
        """One line, or one with a traceback."""
        try:
            part = record.name.removeprefix(f"{_ROOT}.").partition(".")[0]
            source = f"{record.filename}:{record.lineno}"
            self._write(_WRITERS.get(part, _OTHERS), record.levelname[0], record.created, source, self.format(record))
        except OSError:  # the disk is full: the cluster goes on without its logs
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing: there is nowhere to say it."""

    def close(self) -> None:
        """Close the files."""
        files, self._files = self._files, {}
        for file in files.values():
            file.close()
        super().close()

    def _event(self, change: Change) -> None:
        event = change.object
        if change.type != "ADDED" or change.stored_before is not None:
            return
        about = event.get("involvedObject") or {}
        name = "/".join(part for part in (about.get("namespace"), about.get("name")) if part)
        writer = event.get("reportingComponent") or (event.get("source") or {}).get("component", "")
        component = "kube-scheduler" if writer == _SCHEDULER else "kubelet" if writer == "kubelet" else ""
        if not component and not writer.endswith("controller"):
            return  # the learner's own events are nobody's log
        said = {
            "object": name,
            "kind": about.get("kind", ""),
            "apiVersion": about.get("apiVersion", ""),
            "type": event.get("type", ""),
            "reason": event.get("reason", ""),
            "message": event.get("message", ""),
        }
        text = '"Event occurred" ' + " ".join(f"{key}={quoted(value)}" for key, value in said.items())
        level = "W" if event.get("type") == "Warning" else "I"
        now = datetime.now(UTC).timestamp()
        self._write(component or "kube-controller-manager", level, now, "event.go:389", text)

    def _write(self, component: str, level: str, at: float, source: str, text: str) -> None:
        moment = datetime.fromtimestamp(at, UTC)
        prefix = f"{moment:%Y-%m-%dT%H:%M:%S.%f}000Z stderr F ".encode()
        head = f"{level}{moment:%m%d %H:%M:%S.%f} {1:7d} {source}] "
        lines = (head + text).encode("utf-8", "replace").split(b"\n")
        data = b"".join(prefix + line[:_LONGEST_LINE] + b"\n" for line in lines)
        file = self._files.get(component)
        if file is None:
            file = self._files[component] = self.path(component).open("ab", buffering=0)
        elif file.tell() > LIMIT:
            file.close()
            self.path(component).replace(self.path(f"{component}.1"))
            file = self._files[component] = self.path(component).open("ab", buffering=0)
        file.write(data)


def quoted(value: object) -> str:
    """A value as klog quotes it; what a client sent never breaks a line."""
    return json.dumps(str(value)[:1024], ensure_ascii=True)
