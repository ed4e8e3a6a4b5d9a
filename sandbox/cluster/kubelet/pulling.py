"""Getting a container's image, with the events and back-off that learners see when there is none."""

from __future__ import annotations

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.api.objects import Object
from sandbox.cluster.events import EventRecorder
from sandbox.cluster.kubelet.backoff import BackOff, go_duration
from sandbox.cluster.kubelet.images import InvalidImageName
from sandbox.cluster.kubelet.runtime import ContainerRuntime, Image, ImageNotFound

SHOWN_BEFORE_BACK_OFF = 1.0
"""Seconds that ErrImagePull is shown before it becomes ImagePullBackOff."""


class NotStartable(Exception):
    """The container waits: reason and message of its waiting state, and when to look again."""

    def __init__(self, reason: str, message: str, *, again: float) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.again = again


class ImagePuller:
    """Pulls the images of one node's pods."""

    def __init__(
        self, runtime: ContainerRuntime, *, recorder: EventRecorder, back_off: BackOff, resync: float, clock: Clock
    ) -> None:
        self._runtime = runtime
        self._events = recorder
        self._back_off = back_off
        self._resync = resync
        self._clock = clock
        self._failed: dict[str, tuple[float, str]] = {}

    async def pull(self, pod: Object, container: Object, *, field: str) -> Image:
        """The image, pulled when the policy says so. Raises NotStartable."""
        name, policy = container["image"], container.get("imagePullPolicy") or "IfNotPresent"
        present = self._runtime.cached(name)
        if policy == "Never" and not present:
            message = f'Container image "{name}" is not present with pull policy of Never'
            self._events.warning(pod, "ErrImageNeverPull", message, field=field)
            self._events.warning(pod, "Failed", "Error: ErrImageNeverPull", field=field)
            raise NotStartable("ErrImageNeverPull", message, again=self._resync)
        if present and policy != "Always":
            image = await self._present(pod, name, field)
            if image is not None:
                self._events.normal(pod, "Pulled", f'Container image "{name}" already present on machine', field=field)
                return image
        self._check_back_off(pod, name, field)
        return await self._pull(pod, name, field)

    async def _present(self, pod: Object, name: str, field: str) -> Image | None:
        try:
            return await self._runtime.pull(name)
        except InvalidImageName as error:
            self._invalid(pod, error, field)
        except ImageNotFound:
            pass
        return None

    def forget(self, uid: str) -> None:
        """A pod is gone."""
        for id_ in [id_ for id_ in self._failed if id_.startswith(f"{uid}_")]:
            del self._failed[id_]
            self._back_off.forget(id_)

    def _check_back_off(self, pod: Object, name: str, field: str) -> None:
        id_ = f"{pod['metadata']['uid']}_{name}"
        at, message = self._failed.get(id_, (0.0, ""))
        left = self._back_off.left(id_, at)
        if left <= 0:
            return
        text = f'Back-off pulling image "{name}"'
        self._events.normal(pod, "BackOff", text, field=field)
        self._events.warning(pod, "Failed", "Error: ImagePullBackOff", field=field)
        raise NotStartable("ImagePullBackOff", f"{text}: ErrImagePull: {message}", again=min(left, self._resync))

    async def _pull(self, pod: Object, name: str, field: str) -> Image:
        id_ = f"{pod['metadata']['uid']}_{name}"
        self._events.normal(pod, "Pulling", f'Pulling image "{name}"', field=field)
        began = self._clock.monotonic()
        try:
            image = await self._runtime.pull(name)
        except InvalidImageName as error:
            self._invalid(pod, error, field)
        except ImageNotFound as error:
            self._events.warning(pod, "Failed", f'Failed to pull image "{name}": {error}', field=field)
            self._events.warning(pod, "Failed", "Error: ErrImagePull", field=field)
            now = self._clock.now().timestamp()
            self._back_off.failed(id_, now)
            self._failed[id_] = (now, str(error))
            raise NotStartable("ErrImagePull", str(error), again=SHOWN_BEFORE_BACK_OFF) from error
        self._back_off.forget(id_)
        self._failed.pop(id_, None)
        took = go_duration(self._clock.monotonic() - began)
        message = (
            f'Successfully pulled image "{name}" in {took} ({took} including waiting). Image size: {image.size} bytes.'
        )
        self._events.normal(pod, "Pulled", message, field=field)
        return image

    def _invalid(self, pod: Object, error: InvalidImageName, field: str) -> None:
        self._events.warning(pod, "InspectFailed", str(error), field=field)
        self._events.warning(pod, "Failed", "Error: InvalidImageName", field=field)
        raise NotStartable("InvalidImageName", str(error), again=self._resync) from error
