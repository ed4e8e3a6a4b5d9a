"""Lifecycle hooks: what a pod wants done after a container has started and before it is stopped."""

from __future__ import annotations

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.api.objects import Object
from sandbox.cluster.kubelet.probes import Dialler, probe_once
from sandbox.cluster.kubelet.runtime import Container


class HookFailed(Exception):
    """The hook did not end well; the message is the one of the event."""


async def run_hook(hook: Object, *, spec: Object, container: Container, pod: Dialler, clock: Clock) -> None:
    """Do what the hook says. Raises HookFailed."""
    if "sleep" in hook:
        await clock.sleep(float(hook["sleep"].get("seconds") or 0))
        return
    handler: Object = {key: hook[key] for key in ("exec", "httpGet", "tcpSocket") if key in hook}
    try:
        verdict = await probe_once(handler, spec=spec, container=container, pod=pod)
    except (OSError, ValueError) as error:
        raise HookFailed(str(error)) from error
    if not verdict.ok:
        raise HookFailed(verdict.output)
