"""How stored objects are shown: as themselves (spliced from bytes), as tables, as bare metadata."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sandbox.cluster.api.errors import BadRequest
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.apiserver import tables
from sandbox.cluster.apiserver.formats import JSON, Accept, respond
from sandbox.cluster.apiserver.messages import Response
from sandbox.cluster.apiserver.room import SMALL
from sandbox.cluster.change import decode
from sandbox.cluster.resources.resource import Resource
from sandbox.cluster.store import Stored

_TABLE = "application/json"
_READABLE_BYTES = 8 * 1024 * 1024
"""A list that is shown indented or as YAML is decoded as a whole, at ten times its size."""


def head_of(resource: Resource) -> bytes:
    """The beginning of an encoded object, which the store leaves out."""
    return f'{{"kind":"{resource.kind}","apiVersion":"{resource.api_version}",'.encode()


def whole(resource: Resource, body: bytes) -> bytes:
    """The object's JSON with kind and apiVersion."""
    return head_of(resource) + body[1:]


def one(
    resource: Resource, obj: Object, how: Accept, *, now: datetime, include: str = "", status: int = 200
) -> Response:
    """The answer that is one object."""
    if how.view == "Table":
        metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        shown = tables.table(
            resource, [obj], now=now, metadata=metadata, include=include or "Metadata", version=how.version
        )
        return respond(shown, how, status=status)
    if how.view == "PartialObjectMetadata":
        return respond(tables.partial(resource, obj, version=how.version), how, status=status)
    return respond(obj, how, status=status)


def one_stored(resource: Resource, stored: Stored, how: Accept, *, now: datetime, include: str = "") -> Response:
    """The same for an encoded object, without decoding it where nobody looks inside."""
    if how.view or how.yaml or how.pretty:
        return one(resource, decode(resource, stored), how, now=now, include=include)
    return Response(body=whole(resource, stored.body) + b"\n", content_type=JSON)


@dataclass(frozen=True)
class Page:
    """A list, or the part of it that was asked for."""

    found: Sequence[Stored]
    revision: str
    next: str = ""
    """The token that continues it."""
    remaining: int | None = None

    @property
    def metadata(self) -> Object:
        """The list's metadata."""
        metadata: Object = {"resourceVersion": self.revision}
        if self.next:
            metadata["continue"] = self.next
        if self.remaining:
            metadata["remainingItemCount"] = self.remaining
        return metadata


def many(resource: Resource, page: Page, how: Accept, *, now: datetime, include: str = "") -> Response:
    """The answer that is a list."""
    if how.view == "Table":
        objects = (decode(resource, stored) for stored in page.found)
        shown = tables.table(
            resource, objects, now=now, metadata=page.metadata, include=include or "Metadata", version=how.version
        )
        return respond(shown, how)
    if how.view:
        items = [tables.partial(resource, decode(resource, stored), version=how.version) for stored in page.found]
        api_version = f"meta.k8s.io/{how.version}"
        return respond(_list("PartialObjectMetadataList", api_version, page, items), how)
    size = sum(len(stored.body) for stored in page.found) if how.yaml or how.pretty else 0
    if how.yaml and size > _READABLE_BYTES:
        raise BadRequest("the list is too large for YAML: ask for JSON, or for less with limit")
    if how.yaml or (how.pretty and size <= _READABLE_BYTES):
        items = [json.loads(_item(resource, stored)) for stored in page.found]
        return respond(_list(f"{resource.kind}List", resource.api_version, page, items), how)
    frame = _list(f"{resource.kind}List", resource.api_version, page, [])
    opening = json.dumps(frame, separators=(",", ":")).encode().removesuffix(b"]}")
    pieces = _spliced(opening, resource, page.found)
    if sum(len(stored.body) for stored in page.found) > SMALL:
        return Response(stream=_in_chunks(pieces), content_type=JSON)
    return Response(body=b"".join(pieces), content_type=JSON)


def _spliced(opening: bytes, resource: Resource, found: Sequence[Stored]) -> Iterator[bytes]:
    yield opening
    for number, stored in enumerate(found):
        if number:
            yield b","
        yield _item(resource, stored)
    yield b"]}\n"


async def _in_chunks(pieces: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Join pieces to chunks when they are sent: a large list never exists as a whole, however many ask for it."""
    chunk: list[bytes] = []
    size = 0
    for piece in pieces:
        chunk.append(piece)
        size += len(piece)
        if size > SMALL:
            yield b"".join(chunk)
            chunk, size = [], 0
    yield b"".join(chunk)


def _item(resource: Resource, stored: Stored) -> bytes:
    # Items of Kubernetes' own typed lists have no kind; those of custom resources do.
    return whole(resource, stored.body) if "." in resource.group and not _built_in(resource) else stored.body


def _built_in(resource: Resource) -> bool:
    return resource.group.endswith(".k8s.io")


def _list(kind: str, api_version: str, page: Page, items: list[Object]) -> Object:
    return {"kind": kind, "apiVersion": api_version, "metadata": page.metadata, "items": items}


def continue_token(revision: str, after: Key) -> str:
    """A token to go on behind a key."""
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": int(revision), "start": "/".join(after)}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_token(token: str) -> tuple[str, Key]:
    """(revision, key) of a token. Raises BadRequest."""
    try:
        value = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, _, name = str(value["start"]).partition("/")
        return str(int(value["rv"])), Key(namespace, name)
    except (binascii.Error, ValueError, TypeError, KeyError) as error:
        raise BadRequest("continue key is not valid: illegal base64 data or unknown format") from error
