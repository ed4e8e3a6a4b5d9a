"""Watches: the registry's changes as a stream of JSON lines, selected, resumable, bounded."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.api.errors import Gone
from sandbox.cluster.api.objects import Object
from sandbox.cluster.api.selectors import FieldSelector, LabelSelector
from sandbox.cluster.apiserver import tables
from sandbox.cluster.apiserver.formats import Accept, compact
from sandbox.cluster.apiserver.messages import Stream
from sandbox.cluster.apiserver.views import head_of, whole
from sandbox.cluster.change import decode
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.resource import Resource
from sandbox.cluster.store import Stored

_WAITING_LIMIT = 20_000
"""Changes that a slow client may be behind before it has to list again."""
_CHUNK_BYTES = 256 * 1024
"""What is made ready for a client at a time: a slow one must not hold a copy of everything that exists."""
_BOOKMARK_SECONDS = 60.0
_SHORTEST, _LONGEST = 1800, 3600


@dataclass(frozen=True)
class WatchOptions:
    """What is watched, and how it is shown."""

    resource: Resource
    namespace: str
    labels: LabelSelector
    fields: FieldSelector
    revision: str
    """Where to begin: empty or 0 for what exists now."""
    bookmarks: bool
    seconds: float | None
    how: Accept
    include: str = ""


class _Feed:
    """Changes between the registry, which never waits, and one client, which may be slow."""

    def __init__(self, changes: Iterable[Change]) -> None:
        self._waiting = deque(changes)
        self._wakeup = asyncio.Event()
        if self._waiting:
            self._wakeup.set()
        self.overrun = False

    def put(self, change: Change) -> None:
        if len(self._waiting) >= _WAITING_LIMIT:
            self.overrun = True
            self._waiting.clear()
        if not self.overrun:
            self._waiting.append(change)
        self._wakeup.set()

    def take(self) -> Change | None:
        """The next change, or None when there is none."""
        if self._waiting:
            return self._waiting.popleft()
        self._wakeup.clear()
        return None

    async def wait(self, seconds: float) -> None:
        """Until there is something, or that long."""
        try:
            async with asyncio.timeout(max(seconds, 0.001)):
                await self._wakeup.wait()
        except TimeoutError:
            return


def open_watch(registry: Registry, options: WatchOptions) -> Stream:
    """The stream of a watch; of a revision that is forgotten it says only that (410)."""
    try:
        return _Watch(registry, options)
    except Gone as error:
        return _only(compact({"type": "ERROR", "object": error.status()}) + b"\n")


async def _only(line: bytes) -> AsyncGenerator[bytes, None]:
    yield line


def _beginning(registry: Registry, options: WatchOptions) -> Sequence[Change]:
    if options.revision in ("", "0"):
        return registry.snapshot(options.resource, namespace=options.namespace)
    return registry.since(options.resource, int(options.revision))


class _Watch:
    """One client's watch: subscribed when made, so that nothing falls between list and watch, until it is closed."""

    def __init__(self, registry: Registry, options: WatchOptions) -> None:
        self._clock = registry.clock
        self._registry = registry
        self._bookmarks = options.bookmarks
        self._feed = _Feed(_beginning(registry, options))
        self._view = _View(options, registry.clock)
        self._seen = registry.revision
        now = self._clock.monotonic()
        self._end = now + (options.seconds or random.uniform(_SHORTEST, _LONGEST))
        self._bookmark_at = now + _BOOKMARK_SECONDS
        self._ended = False
        self._stop = registry.watch(options.resource, self._feed.put)

    def __aiter__(self) -> _Watch:
        return self

    async def __anext__(self) -> bytes:
        while not self._feed.overrun and not self._ended:
            lines = self._lines()
            if lines:
                return lines
            self._seen = self._registry.revision
            now = self._clock.monotonic()
            if now >= self._end:
                self._ended = True
                if self._bookmarks:
                    return self._view.bookmark(self._seen)
            elif self._bookmarks and now >= self._bookmark_at:
                self._bookmark_at = now + _BOOKMARK_SECONDS
                return self._view.bookmark(self._seen)
            else:
                until = min(self._end, self._bookmark_at) if self._bookmarks else self._end
                await self._feed.wait(until - now)
        raise StopAsyncIteration

    def _lines(self) -> bytes:
        """The next lines for the client, about as many as fit in a chunk."""
        lines, size = [], 0
        while size < _CHUNK_BYTES and (change := self._feed.take()) is not None:
            line = self._view.line(change)
            if line is not None:
                lines.append(line)
                size += len(line)
        return b"".join(lines)

    async def aclose(self) -> None:
        self._stop()


class _View:
    """Turns changes into lines."""

    def __init__(self, options: WatchOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._columns = True
        self._head = head_of(options.resource)

    def line(self, change: Change) -> bytes | None:
        """The line for a change, or None when the watcher does not care."""
        kind = self._kind(change)
        if kind is None:
            return None
        how = self._options.how
        if not how.view:
            body = whole(self._options.resource, change.stored.body)
            return b'{"type":"' + kind.encode() + b'","object":' + body + b"}\n"
        return self._dress(kind, change.object)

    def _dress(self, kind: str, obj: Object) -> bytes:
        resource, how = self._options.resource, self._options.how
        if how.view == "Table":
            shown = self._table(resource, obj, self._clock.now())
        else:
            shown = tables.partial(resource, obj, version=how.version)
        return compact({"type": kind, "object": shown}) + b"\n"

    def _table(self, resource: Resource, obj: Object, now: datetime) -> Object:
        columns, self._columns = self._columns, False
        return tables.table(
            resource,
            [obj],
            now=now,
            metadata={"resourceVersion": obj["metadata"]["resourceVersion"]},
            include=self._options.include or "Metadata",
            version=self._options.how.version,
            columns=columns,
        )

    def _kind(self, change: Change) -> str | None:
        """What the change is to somebody who sees only what the selectors select."""
        options = self._options
        if options.namespace and change.key.namespace != options.namespace:
            return None
        if options.labels.everything and options.fields.everything:
            return change.type
        before = change.stored_before
        was = before is not None and self._selects(before)
        if change.type == "DELETED":
            return "DELETED" if was else None
        if self._selects(change.stored):
            return "MODIFIED" if was else "ADDED"
        return "DELETED" if was else None

    def _selects(self, stored: Stored) -> bool:
        options = self._options
        if not options.labels.matches(dict(stored.indexed.labels)):
            return False
        return options.fields.everything or options.fields.matches(decode(options.resource, stored))

    def bookmark(self, revision: int) -> bytes:
        """A line that says how far the watcher has seen."""
        resource = self._options.resource
        obj = {
            "kind": resource.kind,
            "apiVersion": resource.api_version,
            "metadata": {"resourceVersion": str(revision), "creationTimestamp": None},
        }
        return compact({"type": "BOOKMARK", "object": obj}) + b"\n"
