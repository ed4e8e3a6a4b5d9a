"""Builds the catalogue of container images that learners can run: once, at set-up, so that no pod ever downloads.

`<data>/images` then holds `layers/<hash>` (unpacked root trees, shared by all sandboxes read-only) and `index.json`,
which `sandbox/cluster/kubelet/images.py` reads. Building again what is there costs milliseconds.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sandbox.image import debian, definition
from sandbox.image.definition import Definition, Object

CATALOGUE = Path(__file__).parent / "catalogue"
FORMAT = 2
"""Raised when layers must be built anew though no definition changed."""
RETRY_AFTER = 3600.0

Say = Callable[[str], None]


def build(
    directory: Path, say: Say, *, catalogue: Path = CATALOGUE, now: Callable[[], float] = time.time
) -> Sequence[str]:
    """Bring `directory` to what the catalogue says; returns a sentence for each image that now could not be had.

    What could not be had is not tried again for an hour: without internet that takes long. Raises BadDefinition and
    OSError.
    """
    layers = directory / "layers"
    layers.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        # `up` and `sandbox run` may both set up: one would sweep away what the other has just built.
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _build(directory, layers, say, catalogue, now)


def _build(directory: Path, layers: Path, say: Say, catalogue: Path, now: Callable[[], float]) -> Sequence[str]:
    index = _read_index(directory)
    old = {image["folder"]: image for image in index["images"]}
    tried = {one["source"]: one["tried_at"] for one in index["missing"]}
    images, missing, problems = [], [], []
    new = []
    for wanted in definition.read_all(catalogue):
        source = _source_hash(wanted)
        entry = old.get(wanted.name)
        if entry is None and 0 <= now() - tried.get(source, -RETRY_AFTER) < RETRY_AFTER:
            missing.append({"source": source, "tried_at": tried[source]})
            continue
        if entry is None or entry["source"] != source or not all((layers / name).is_dir() for name in entry["layers"]):
            try:
                layer, size = _build_layer(wanted, directory)
            except debian.PackageUnavailable as error:
                problems.append(f"The image {wanted.name} is left out: {error}.")
                missing.append({"source": source, "tried_at": now()})
                continue
            new.append(size)
            entry = _entry(wanted, source=source, layer=layer, size=size)
        images.append(entry)
    _write_index(directory, {"format": FORMAT, "images": images, "missing": missing})
    _sweep(layers, kept={name for image in images for name in image["layers"]})
    if new:
        say(f"  {len(new)} container images, {_megabytes(sum(new))} MB")
    return problems


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}"


def _read_index(directory: Path) -> Object:
    nothing: Object = {"images": (), "missing": ()}
    try:
        index: Object = json.loads((directory / "index.json").read_text())
    except (OSError, ValueError):
        return nothing
    return index if index.get("format") == FORMAT else nothing


def _write_index(directory: Path, index: Object) -> None:
    text = json.dumps(index, indent=1)
    path = directory / "index.json"
    if path.is_file() and path.read_text() == text:
        return
    partial = directory / ".index.json.new"
    partial.write_text(text)
    partial.rename(path)


def _sweep(layers: Path, *, kept: set[str]) -> None:
    for path in layers.iterdir():
        if path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)


def _entry(wanted: Definition, *, source: str, layer: str, size: int) -> Object:
    config = {
        "entrypoint": list(wanted.entrypoint),
        "command": list(wanted.command),
        "environment": list(wanted.environment),
        "working_dir": wanted.working_dir,
        "user": wanted.user,
        "ports": list(wanted.ports),
        "base": wanted.base,
        "layers": [layer],
    }
    identity = _sha256(json.dumps(config, sort_keys=True).encode())
    return {
        "folder": wanted.name,
        "about": wanted.about,
        "source": source,
        "names": [{"repository": name, "tags": tags} for name, tags in wanted.names.items()],
        "id": f"sha256:{identity}",
        "digest": f"sha256:{_sha256(identity.encode())}",
        "size": size,
        **config,
    }


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _source_hash(wanted: Definition) -> str:
    """Of everything that the layer is made from, but the packages and busybox, which the host has."""
    digest = hashlib.sha256(b"%d\n" % FORMAT)
    digest.update((wanted.folder / "image.json").read_bytes())
    digest.update(repr(wanted).encode())
    files = wanted.folder / wanted.files
    for path in _walk(files):
        mode = path.lstat().st_mode
        content = path.read_bytes() if stat.S_ISREG(mode) else b""
        digest.update(f"\n{path.relative_to(files)} {mode & 0o111:o} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _build_layer(wanted: Definition, directory: Path) -> tuple[str, int]:
    """Build the layer beside the others and rename it to what it contains; its name and size."""
    with tempfile.TemporaryDirectory(prefix=".building-", dir=directory) as building:
        root = Path(building) / "root"
        root.mkdir(mode=0o755)
        if wanted.packages:
            debian.unpack(wanted.packages, root, state=directory.parent / "apt")
        if wanted.busybox:
            _add_busybox(root, directory)
        _add_files(wanted, root)
        name, size = _describe(root)
        target = directory / "layers" / name
        if not target.is_dir():
            root.rename(target)
    return name, size


def _add_files(wanted: Definition, root: Path) -> None:
    files = wanted.folder / wanted.files
    for path in _walk(files):
        target = root / path.relative_to(files)
        if path.is_dir():
            target.mkdir(exist_ok=True)
            continue
        content = path.read_bytes()
        for old, new in wanted.replace.get(str(path.relative_to(files)), {}).items():
            content = content.replace(old.encode(), new.encode())
        target.unlink(missing_ok=True)
        target.write_bytes(content)
        # Whatever the checkout's umask was; a program keeps its x.
        target.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
    for name, mode in wanted.directories.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(int(mode, 8))
    for name, link in wanted.links.items():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.symlink_to(link)


def _add_busybox(root: Path, directory: Path) -> None:
    program = Path("/usr/bin/busybox")
    if not _is_static(program):
        with tempfile.TemporaryDirectory(dir=directory, prefix=".building-") as unpacked:
            debian.unpack(["busybox-static"], Path(unpacked), state=directory.parent / "apt")
            _install_busybox(Path(unpacked) / "usr/bin/busybox", root)
        return
    _install_busybox(program, root)


def _is_static(program: Path) -> bool:
    """Whether it runs without the system's libraries: a program that names no loader."""
    return program.is_file() and b"/ld-linux" not in program.read_bytes()[:4096]


def _install_busybox(program: Path, root: Path) -> None:
    (root / "bin").mkdir(exist_ok=True)
    target = root / "bin/busybox"
    shutil.copyfile(program, target)
    target.chmod(0o755)
    listed = subprocess.run([target, "--list-full"], capture_output=True, text=True, check=True, timeout=10)
    for path in listed.stdout.split():
        link = root / path
        if link == target:
            continue
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to("/bin/busybox")


def _walk(root: Path) -> Iterator[Path]:
    """Everything below `root`, parents first, in one order everywhere; what Python leaves behind is not ours."""
    if not root.is_dir():
        return
    for path in sorted(root.iterdir()):
        if path.name == "__pycache__":
            continue
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)


def _describe(root: Path) -> tuple[str, int]:
    """A hash of names, kinds, modes and contents (no owner, no time: they differ by host), and the bytes in it."""
    digest, size = hashlib.sha256(), 0
    for path in _walk(root):
        status = path.lstat()
        content = b""
        if path.is_symlink():
            content = os.fsencode(path.readlink())
        elif path.is_file():
            content = path.read_bytes()
            size += len(content)
        line = f"{path.relative_to(root)}\0{status.st_mode:o}\0{len(content)}\0"
        digest.update(line.encode("utf-8", "surrogateescape") + content)
    return digest.hexdigest(), size
