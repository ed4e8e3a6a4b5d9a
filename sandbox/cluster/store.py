"""Objects as encoded bytes, with revisions: in memory for reading, in SQLite for not losing an acknowledged write.

Every write is one transaction that is committed before the call returns, so a killed process loses nothing that it
said was done. The database is this process' alone. The last changes are remembered for watches, in memory only: after
a restart old revisions are gone (410) and clients list again.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.cluster.api.objects import Key

log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    revision INTEGER NOT NULL, uid TEXT NOT NULL, owners TEXT NOT NULL, node TEXT NOT NULL, labels TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (resource, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS revision (id INTEGER PRIMARY KEY CHECK (id = 1), value INTEGER NOT NULL);
INSERT OR IGNORE INTO revision VALUES (1, 0);
"""
_HISTORY_EVENTS = 4096
_HISTORY_BYTES = 8 * 1024 * 1024

_OBJECT_LIMIT = 1536 * 1024
"""Bytes of one object: what etcd takes."""
_SPACE = 64 * 1024 * 1024
"""Bytes of all objects together: they are held in memory, and whoever may create Pods may try to fill it."""

Labels = tuple[tuple[str, str], ...]


class Exists(Exception):
    """There is an object with this key."""


class Missing(Exception):
    """There is no object with this key."""


class Changed(Exception):
    """The object has another revision than the caller expected."""


class TooLarge(Exception):
    """The object is larger than one may be."""


class Full(Exception):
    """There is no room for more; deleting still works."""


class Compacted(Exception):
    """The revision asked for is older than what is remembered; `oldest` is the first that is."""

    def __init__(self, oldest: int) -> None:
        super().__init__(oldest)
        self.oldest = oldest


@dataclass(frozen=True, slots=True)
class Indexed:
    """What the store must know of an object without decoding it."""

    uid: str
    owners: tuple[str, ...] = ()
    node: str = ""
    labels: Labels = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """An object at a revision."""

    key: Key
    revision: int
    body: bytes
    indexed: Indexed


@dataclass(frozen=True, slots=True)
class Event:
    """One change. `before` is None for ADDED; for DELETED `after` is the last state at the deletion's revision."""

    type: str
    resource: str
    revision: int
    after: Stored
    before: Stored | None

    @property
    def size(self) -> int:
        """Bytes that remembering it costs, roughly."""
        return len(self.after.body) + 200


class _Table:
    """The objects of one resource with their indexes."""

    def __init__(self) -> None:
        self.objects: dict[Key, Stored] = {}
        self.by_namespace: dict[str, set[Key]] = {}
        self.by_node: dict[str, set[Key]] = {}
        self.by_owner: dict[str, set[Key]] = {}

    def _entries(self, stored: Stored) -> Iterator[tuple[dict[str, set[Key]], str]]:
        yield self.by_namespace, stored.key.namespace
        if stored.indexed.node:
            yield self.by_node, stored.indexed.node
        for owner in stored.indexed.owners:
            yield self.by_owner, owner

    def put(self, stored: Stored) -> None:
        self.remove(stored.key)
        self.objects[stored.key] = stored
        for index, value in self._entries(stored):
            index.setdefault(value, set()).add(stored.key)

    def remove(self, key: Key) -> None:
        stored = self.objects.pop(key, None)
        if stored is None:
            return
        for index, value in self._entries(stored):
            index[value].discard(key)
            if not index[value]:
                del index[value]


def _pack(values: Iterable[str]) -> str:
    # Owners' uids and labels hold no control characters.
    return "\x1f".join(values)


def _unpack(text: str) -> tuple[str, ...]:
    return tuple(text.split("\x1f")) if text else ()


class Store:
    """Compare-and-swap on encoded objects, lists by index, and the last changes."""

    def __init__(self, path: Path | str = ":memory:", *, space: int = _SPACE) -> None:
        self._space = space
        self._used = 0
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        # A killed process loses nothing: what is committed is with the kernel. Waiting for the disk (NORMAL) made 1,000
        # deletions take 18 s instead of 2; a power cut ends the pods too, and a cluster can be made anew in a second.
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("PRAGMA cache_size=-256")
        self._db.executescript(_SCHEMA)
        self._tables: dict[str, _Table] = {}
        self._interned: dict[Labels, Labels] = {}
        self._history: deque[Event] = deque()
        self._history_bytes = 0
        self._listeners: list[Callable[[Event], None]] = []
        self._load()

    def _load(self) -> None:
        self.revision: int = self._db.execute("SELECT value FROM revision").fetchone()[0]
        self._oldest = self.revision
        rows = self._db.execute(
            "SELECT resource, namespace, name, revision, uid, owners, node, labels, body FROM objects"
        )
        for resource, namespace, name, revision, uid, owners, node, labels, body in rows:
            flat = _unpack(labels)
            pairs = self._intern(tuple(zip(flat[::2], flat[1::2], strict=True)))
            stored = Stored(Key(namespace, name), revision, body, Indexed(uid, _unpack(owners), node, pairs))
            self._table(resource).put(stored)
            self._used += len(body)
        log.info('"opened backend db" revision=%d bytes=%d', self.revision, self._used)

    def close(self) -> None:
        """Close the database; nothing may be called afterwards."""
        self._db.close()

    def _table(self, resource: str) -> _Table:
        return self._tables.setdefault(resource, _Table())

    def _intern(self, labels: Labels) -> Labels:
        if len(self._interned) > 10_000:
            self._interned.clear()
        return self._interned.setdefault(labels, labels)

    def find(self, resource: str, key: Key) -> Stored | None:
        """The object, or None."""
        return self._table(resource).objects.get(key)

    def count(self, resource: str, namespace: str = "") -> int:
        """How many there are (in one namespace, or in all)."""
        table = self._table(resource)
        return len(table.by_namespace.get(namespace, ())) if namespace else len(table.objects)

    def select(self, resource: str, *, namespace: str = "", owner: str = "", node: str = "") -> list[Stored]:
        """The objects, sorted by key, of a namespace, an owner and a node where given."""
        table = self._table(resource)
        sets = []
        if owner:
            sets.append(table.by_owner.get(owner, set()))
        if node:
            sets.append(table.by_node.get(node, set()))
        if namespace:
            sets.append(table.by_namespace.get(namespace, set()))
        keys = set.intersection(*sets) if sets else table.objects.keys()
        return [table.objects[key] for key in sorted(keys)]

    def resources(self) -> list[str]:
        """The resources that have objects."""
        return sorted(name for name, table in self._tables.items() if table.objects)

    def owned_by(self, uid: str) -> list[tuple[str, Stored]]:
        """Objects of any resource that name this owner."""
        return [
            (name, table.objects[key])
            for name, table in sorted(self._tables.items())
            for key in sorted(table.by_owner.get(uid, ()))
        ]

    def create(self, resource: str, key: Key, encode: Callable[[int], tuple[bytes, Indexed]]) -> Stored:
        """Store a new object; `encode` is given its revision. Raises Exists, TooLarge, Full."""
        if key in self._table(resource).objects:
            raise Exists
        return self._write("ADDED", resource, key, None, encode)

    def update(
        self, resource: str, key: Key, encode: Callable[[int], tuple[bytes, Indexed]], *, expected: int
    ) -> Stored:
        """Replace the object if it is still at revision `expected`. Raises Missing, Changed, TooLarge, Full."""
        return self._write("MODIFIED", resource, key, self._expect(resource, key, expected), encode)

    def delete(
        self, resource: str, key: Key, encode: Callable[[int], tuple[bytes, Indexed]], *, expected: int
    ) -> Stored:
        """Remove the object if it is at revision `expected`; `encode` gives its last state. Raises Missing, Changed."""
        return self._write("DELETED", resource, key, self._expect(resource, key, expected), encode)

    def _expect(self, resource: str, key: Key, expected: int) -> Stored:
        before = self._table(resource).objects.get(key)
        if before is None:
            raise Missing
        if before.revision != expected:
            raise Changed
        return before

    def _write(
        self, kind: str, resource: str, key: Key, before: Stored | None, encode: Callable[[int], tuple[bytes, Indexed]]
    ) -> Stored:
        revision = self.revision + 1
        body, indexed = encode(revision)
        growth = (0 if kind == "DELETED" else len(body)) - (0 if before is None else len(before.body))
        if growth > 0:
            self._check_space(len(body), growth)
        labels = self._intern(indexed.labels)
        stored = Stored(key, revision, body, Indexed(indexed.uid, indexed.owners, indexed.node, labels))
        self._commit(resource, stored, gone=kind == "DELETED")
        self.revision = revision
        self._used += growth
        if kind == "DELETED":
            self._table(resource).remove(key)
        else:
            self._table(resource).put(stored)
        self._remember(Event(kind, resource, revision, stored, before))
        return stored

    def _check_space(self, size: int, growth: int) -> None:
        if size > _OBJECT_LIMIT:
            raise TooLarge
        if self._used + growth > self._space:
            raise Full

    def _commit(self, resource: str, stored: Stored, *, gone: bool) -> None:
        namespace, name = stored.key
        self._db.execute("BEGIN IMMEDIATE")
        try:
            if gone:
                self._db.execute(
                    "DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?", (resource, namespace, name)
                )
            else:
                indexed = stored.indexed
                labels = _pack(part for pair in indexed.labels for part in pair)
                columns = (indexed.uid, _pack(indexed.owners), indexed.node, labels)
                self._db.execute(
                    "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (resource, namespace, name, stored.revision, *columns, stored.body),
                )
            self._db.execute("UPDATE revision SET value = ?", (stored.revision,))
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _remember(self, event: Event) -> None:
        self._history.append(event)
        self._history_bytes += event.size
        while len(self._history) > _HISTORY_EVENTS or self._history_bytes > _HISTORY_BYTES:
            oldest = self._history.popleft()
            self._history_bytes -= oldest.size
            self._oldest = oldest.revision
        for listener in tuple(self._listeners):
            listener(event)

    def since(self, revision: int, resource: str = "") -> list[Event]:
        """The changes after a revision, oldest first. Raises Compacted."""
        if revision < self._oldest:
            raise Compacted(self._oldest)
        found = []
        for event in reversed(self._history):
            if event.revision <= revision:
                break
            if not resource or event.resource == resource:
                found.append(event)
        return found[::-1]

    def compact(self) -> None:
        """Forget all changes so far: watches from older revisions are refused."""
        self._history.clear()
        self._history_bytes = 0
        self._oldest = self.revision
        log.info('"finished compaction" compact-revision=%d', self.revision)

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` after each change, before the write returns; returns the way to stop."""
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop
