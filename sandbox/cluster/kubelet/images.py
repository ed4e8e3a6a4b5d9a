"""Which images there are on this node: the catalogue's index, read once, and the names that people give them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.cluster.kubelet.runtime import Image, ImageNotFound

Object = dict[str, Any]

_REFERENCE = re.compile(
    r"(?P<repository>[a-z0-9][a-z0-9._-]*(?::\d+(?=/))?(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


class InvalidImageName(ImageNotFound):
    """The name cannot be that of any image (Kubernetes: InvalidImageName)."""


@dataclass(frozen=True)
class Reference:
    """An image name, taken apart and completed as Docker does."""

    repository: str
    """With its registry: `docker.io/library/nginx`."""
    tag: str
    """Empty when only a digest was given."""
    digest: str

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"


def parse(name: str) -> Reference:
    """Take an image name apart: `nginx` is docker.io/library/nginx:latest. Raises InvalidImageName."""
    match = _REFERENCE.fullmatch(name)
    if match is None:
        raise InvalidImageName(
            f'Failed to apply default image tag "{name}": couldn\'t parse image name "{name}": invalid reference format'
        )
    repository, tag, digest = match["repository"], match["tag"] or "", match["digest"] or ""
    first, slash, rest = repository.partition("/")
    if not slash:
        repository = f"docker.io/library/{repository}"
    elif first in ("docker.io", "index.docker.io"):
        repository = f"docker.io/{rest}" if "/" in rest else f"docker.io/library/{rest}"
    elif "." not in first and ":" not in first and first != "localhost":
        repository = f"docker.io/{repository}"
    if not tag and not digest:
        tag = "latest"
    return Reference(repository, tag, digest)


@dataclass(frozen=True)
class StoredImage:
    """An image of the catalogue: what the kubelet is told, and where its files are."""

    image: Image
    layers: tuple[Path, ...]
    """Unpacked, topmost first."""
    on_system: bool
    """Whether the layers lie over the system root or stand alone."""


@dataclass(frozen=True)
class _Entry:
    repository: str
    tags: re.Pattern[str]
    stored: Object


class ImageStore:
    """The images of one directory (see sandbox/image/catalogue.py for what is in it)."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._entries: Sequence[_Entry] = ()
        self._seen: tuple[int, int] | None = None
        self._refresh()

    def _refresh(self) -> None:
        index = self._directory / "index.json"
        try:
            status = index.stat()
        except FileNotFoundError:
            self._entries, self._seen = (), None
            return
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp == self._seen:
            return
        self._seen = stamp
        self._entries = [
            _Entry(name["repository"], re.compile(name["tags"]), image)
            for image in json.loads(index.read_text())["images"]
            for name in image["names"]
        ]

    def find(self, name: str) -> StoredImage:
        """The image of that name. Raises ImageNotFound with the words that Kubernetes has for it."""
        reference = parse(name)
        self._refresh()
        for entry in self._entries:
            if entry.repository == reference.repository and _answers(entry, reference):
                return self._stored(reference, entry.stored)
        raise ImageNotFound(not_found(reference))

    def has(self, name: str) -> bool:
        """Whether `find` would find it."""
        try:
            self.find(name)
        except ImageNotFound:
            return False
        return True

    def _stored(self, reference: Reference, stored: Object) -> StoredImage:
        image = Image(
            name=str(reference),
            id=stored["id"],
            digest=f"{reference.repository}@{stored['digest']}",
            size=stored["size"],
            entrypoint=tuple(stored.get("entrypoint", ())),
            command=tuple(stored.get("command", ())),
            environment=tuple(stored.get("environment", ())),
            working_dir=stored.get("working_dir") or "/",
            user=stored.get("user", ""),
            seconds_to_pull=stored.get("seconds_to_pull", 0.0),
        )
        layers = tuple(self._directory / "layers" / layer for layer in stored["layers"])
        return StoredImage(image, layers, on_system=stored["base"] == "system")


def _answers(entry: _Entry, reference: Reference) -> bool:
    if reference.digest:
        return bool(reference.digest == entry.stored["digest"])
    return entry.tags.fullmatch(reference.tag) is not None


def not_found(reference: Reference) -> str:
    """What containerd says of an image that its registry does not have."""
    return (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{reference}": '
        f'failed to resolve reference "{reference}": {reference}: not found'
    )
