"""What an image of the catalogue is: one small `image.json` in a folder of its own, checked when it is read."""

from __future__ import annotations

import json
import platform
import string
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

Object = dict[str, Any]


class BadDefinition(Exception):
    """A definition cannot be read; the message names the file and the fault."""


@dataclass(frozen=True)
class Definition:
    """One image."""

    folder: Path
    about: str
    """What it is, in a sentence, and how it differs from the image whose name it answers to."""
    names: Mapping[str, str]
    """Repository with its registry → regular expression of the tags that it answers to."""
    base: Literal["system", "none"] = "system"
    """Whether its files lie over the small Debian that every sandbox has, or are all there is."""
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Sequence[str] = ()
    working_dir: str = "/"
    user: str = ""
    ports: Sequence[int] = ()
    files: str = "files"
    """Folder of its files, beside image.json."""
    replace: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """File → text → other text: how a second version differs from the first."""
    packages: Sequence[str] = ()
    """Debian packages unpacked into it."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Symbolic links: path → target."""
    directories: Mapping[str, str] = field(default_factory=dict)
    """Empty directories: path → mode in octal."""
    busybox: bool = False
    """Whether it gets the host's static busybox under all its names."""

    @property
    def name(self) -> str:
        """The folder's name, as progress and errors call it."""
        return self.folder.name


def read_all(catalogue: Path) -> Sequence[Definition]:
    """Every definition of the catalogue, by name. Raises BadDefinition."""
    return [read(path.parent) for path in sorted(catalogue.glob("*/image.json"))]


def read(folder: Path) -> Definition:
    """The definition in a folder. Raises BadDefinition."""
    path = folder / "image.json"
    try:
        text = string.Template(path.read_text()).safe_substitute(_host())
        stored: Object = json.loads(text)
    except (OSError, ValueError) as error:
        raise BadDefinition(f"{path}: {error}") from error
    known = {one.name for one in fields(Definition)} - {"folder"}
    unknown = set(stored) - known
    if unknown:
        raise BadDefinition(f"{path}: unknown {', '.join(sorted(unknown))}")
    missing = {"about", "names"} - set(stored)
    if missing:
        raise BadDefinition(f"{path}: {', '.join(sorted(missing))} missing")
    if stored.get("base", "system") not in ("system", "none"):
        raise BadDefinition(f"{path}: base is neither system nor none")
    return Definition(folder, **stored)


def _host() -> Mapping[str, str]:
    """What a definition may say as $ID, $VERSION_ID, …: the image of the system itself is whatever the host runs."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    return {
        "ID": release.get("ID", "linux"),
        "VERSION_ID": release.get("VERSION_ID", "0"),
        "VERSION_CODENAME": release.get("VERSION_CODENAME", "unknown"),
        "PYTHON": f"{sys.version_info[0]}.{sys.version_info[1]}",
    }
