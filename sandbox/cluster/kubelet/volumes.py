"""Volumes: directories on the node made from a pod's spec, kept up to date, and taken away again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.kubelet import environment as env
from sandbox.cluster.kubelet.paths import PathFault, kind_of, resolve_inside
from sandbox.cluster.kubelet.runtime import Mount
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.configmaps import CONFIGMAPS
from sandbox.cluster.resources.persistentvolumeclaims import PERSISTENTVOLUMECLAIMS
from sandbox.cluster.resources.persistentvolumes import PERSISTENTVOLUMES
from sandbox.cluster.resources.resource import Resource
from sandbox.cluster.resources.secrets import SECRETS

TokenIssuer = Callable[[Object, str, int], str]
"""(pod, audience or "", seconds that it lives) → a token of the pod's service account."""

_LARGEST_FILE = 1 << 20
_HOST_PATH_TYPES = {
    "Directory": "directory",
    "DirectoryOrCreate": "directory",
    "File": "file",
    "FileOrCreate": "file",
    "Socket": "socket",
    "CharDevice": "character device",
    "BlockDevice": "block device",
}


class VolumeFault(Exception):
    """A volume cannot be set up yet; the message is the one of the FailedMount event."""


@dataclass(frozen=True)
class File:
    """One file of a volume that the kubelet writes."""

    content: bytes
    mode: int


class Volumes:
    """The volumes of one pod."""

    def __init__(
        self, directory: Path, *, registry: Registry, node: env.Node, node_root: Path, issue_token: TokenIssuer
    ) -> None:
        self._directory = directory
        self._registry = registry
        self._node = node
        self._node_root = node_root
        self._issue_token = issue_token
        self._paths: dict[str, Path] = {}
        self._read_only: set[str] = set()
        self._written: dict[str, Mapping[str, File]] = {}
        self._tokens: dict[str, tuple[float, str]] = {}

    def prepare(self, pod: Object, *, pod_ip: str, now: datetime) -> None:
        """Make or renew every volume; doing it twice changes only what changed. Raises VolumeFault."""
        for volume in pod["spec"].get("volumes") or ():
            name = volume["name"]
            try:
                self._prepare(volume, pod, pod_ip=pod_ip, now=now)
            except (env.ConfigError, PathFault) as error:
                raise VolumeFault(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error

    def mounts(self, container: Object, variables: Mapping[str, str]) -> list[Mount]:
        """What the container mounts. Raises VolumeFault."""
        return [self._mount(mount, variables) for mount in container.get("volumeMounts") or ()]

    def termination_log(self, container: str, attempt: int) -> Path:
        """The file behind /dev/termination-log, empty."""
        path = self._directory / "termination" / f"{container}-{attempt}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.chmod(0o666)
        return path

    def termination_message(self, container: str, attempt: int) -> str:
        """What the container wrote there: at most 4096 bytes."""
        path = self._directory / "termination" / f"{container}-{attempt}"
        try:
            with path.open("rb") as file:
                return file.read(4096).decode(errors="replace")
        except OSError:
            return ""

    def remove(self) -> None:
        """Take everything away; twice is no error."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def _prepare(self, volume: Object, pod: Object, *, pod_ip: str, now: datetime) -> None:
        name = volume["name"]
        if "hostPath" in volume:
            self._host_path(name, volume["hostPath"])
            return
        if "persistentVolumeClaim" in volume:
            self._claim(name, volume["persistentVolumeClaim"], pod)
            return
        kind, source = next(((key, value) for key, value in volume.items() if key != "name"), ("emptyDir", {}))
        if kind == "emptyDir":
            self._empty_dir(name)
            return
        files = self._files(kind, source or {}, pod, pod_ip=pod_ip, now=now)
        path = self._path(kind, name)
        if self._written.get(name) != files:
            publish(path, files, now=now)
            self._written[name] = files

    def _path(self, kind: str, name: str) -> Path:
        plugin = {"configMap": "configmap", "emptyDir": "empty-dir", "downwardAPI": "downward-api"}.get(kind, kind)
        path = self._directory / "volumes" / f"kubernetes.io~{plugin}" / name
        self._paths[name] = path
        return path

    def _empty_dir(self, name: str) -> None:
        path = self._path("emptyDir", name)
        if not path.is_dir():
            path.mkdir(parents=True)
            path.chmod(0o777)

    def _host_path(self, name: str, source: Object) -> None:
        path, type_ = source.get("path", "/"), source.get("type") or ""
        wanted = _HOST_PATH_TYPES.get(type_)
        create = {"DirectoryOrCreate": "directory", "FileOrCreate": "file", "": "directory"}.get(type_, "")
        try:
            found = resolve_inside(self._node_root, path)
        except PathFault:
            if not create:
                raise PathFault(f"hostPath type check failed: {path} is not a {wanted}") from None
            found = resolve_inside(self._node_root, path, create=create)
        if wanted is not None and kind_of(found) != wanted:
            raise PathFault(f"hostPath type check failed: {path} is not a {wanted}")
        self._paths[name] = found

    def _claim(self, name: str, source: Object, pod: Object) -> None:
        """The directory of the volume that a claim is bound to."""
        wanted = source.get("claimName", "")
        claim = self._registry.find(PERSISTENTVOLUMECLAIMS, Key(pod["metadata"]["namespace"], wanted))
        if claim is None:
            raise PathFault(f'persistentvolumeclaim "{wanted}" not found')
        volume = self._registry.find(PERSISTENTVOLUMES, Key("", claim["spec"].get("volumeName") or ""))
        if volume is None or (claim.get("status") or {}).get("phase") != "Bound":
            raise PathFault(f'persistentvolumeclaim "{wanted}" is not bound')
        spec = volume["spec"]
        if "hostPath" in spec:
            self._host_path(name, spec["hostPath"])
        elif "local" in spec:
            self._host_path(name, {"path": spec["local"].get("path", ""), "type": "Directory"})
        else:
            raise PathFault("no volume plugin matched")
        if source.get("readOnly"):
            self._read_only.add(name)

    def _mount(self, mount: Object, variables: Mapping[str, str]) -> Mount:
        name, target = mount["name"], mount["mountPath"]
        target = target if target.startswith("/") else f"/{target}"
        if name not in self._paths:
            raise VolumeFault(f'volume "{name}" is not there')
        # What the kubelet writes itself is never writable inside.
        read_only = bool(mount.get("readOnly")) or name in self._written or name in self._read_only
        sub_path = mount.get("subPath") or env.expand(mount.get("subPathExpr") or "", variables)
        if not sub_path:
            return Mount(str(self._paths[name]), target, read_only)
        return Mount(str(self._sub_path(name, sub_path)), target, read_only)

    def _sub_path(self, name: str, sub_path: str) -> Path:
        root = self._paths[name]
        try:
            try:
                return resolve_inside(root, sub_path)
            except PathFault:
                return resolve_inside(root, sub_path, create="directory")
        except PathFault as error:
            raise VolumeFault(f'failed to create subPath directory for volumeMount "{name}": {error}') from error

    def _files(self, kind: str, source: Object, pod: Object, *, pod_ip: str, now: datetime) -> dict[str, File]:
        mode = int(source.get("defaultMode") or 0o644)
        namespace = pod["metadata"]["namespace"]
        match kind:
            case "configMap":
                return self._keyed(CONFIGMAPS, source, source.get("name", ""), namespace, mode=mode)
            case "secret":
                return self._keyed(SECRETS, source, source.get("secretName", ""), namespace, mode=mode)
            case "downwardAPI":
                return self._downward(source, pod, pod_ip=pod_ip, mode=mode)
            case "projected":
                files: dict[str, File] = {}
                for one in source.get("sources") or ():
                    files |= self._projected(one, pod, pod_ip=pod_ip, now=now, mode=mode)
                return files
        raise PathFault(f"no volume plugin matched ({kind})")

    def _projected(self, source: Object, pod: Object, *, pod_ip: str, now: datetime, mode: int) -> dict[str, File]:
        namespace = pod["metadata"]["namespace"]
        if "serviceAccountToken" in source:
            wanted = source["serviceAccountToken"]
            return {wanted["path"]: File(self._token(wanted, pod, now).encode(), mode)}
        if "configMap" in source:
            return self._keyed(
                CONFIGMAPS, source["configMap"], source["configMap"].get("name", ""), namespace, mode=mode
            )
        if "secret" in source:
            return self._keyed(SECRETS, source["secret"], source["secret"].get("name", ""), namespace, mode=mode)
        return self._downward(source.get("downwardAPI") or {}, pod, pod_ip=pod_ip, mode=mode)

    def _token(self, wanted: Object, pod: Object, now: datetime) -> str:
        """A token, renewed when four fifths of its time are over."""
        audience, seconds = wanted.get("audience", ""), int(wanted.get("expirationSeconds") or 3600)
        renew_at, token = self._tokens.get(audience, (0.0, ""))
        if now.timestamp() >= renew_at:
            token = self._issue_token(pod, audience, seconds)
            self._tokens[audience] = (now.timestamp() + seconds * 0.8, token)
        return token

    def _keyed(self, resource: Resource, source: Object, name: str, namespace: str, *, mode: int) -> dict[str, File]:
        obj = self._registry.find(resource, Key(namespace, name))
        if obj is None:
            if source.get("optional"):
                return {}
            raise env.ConfigError(f'{resource.kind.lower()} "{name}" not found')
        data = env.data_of(resource, obj)
        if not source.get("items"):
            return {key: File(value, mode) for key, value in data.items()}
        files = {}
        for item in source["items"]:
            if item["key"] in data:
                files[item["path"]] = File(data[item["key"]], int(item.get("mode") or mode))
            elif not source.get("optional"):
                raise env.ConfigError(f"references non-existent {_noun(resource)} key: {item['key']}")
        return files

    def _downward(self, source: Object, pod: Object, *, pod_ip: str, mode: int) -> dict[str, File]:
        files = {}
        for item in source.get("items") or ():
            if "fieldRef" in item:
                text = env.field_value(pod, item["fieldRef"].get("fieldPath", ""), node=self._node, pod_ip=pod_ip)
            else:
                text = env.resource_value(pod, item["resourceFieldRef"], {}, node=self._node)
            files[item["path"]] = File(text.encode(), int(item.get("mode") or mode))
        return files


def _noun(resource: Resource) -> str:
    return "config" if resource is CONFIGMAPS else "secret"


def publish(path: Path, files: Mapping[str, File], *, now: datetime) -> None:
    """Show these files in a directory all at once: they lie in a dated directory, `..data` is switched to it."""
    path.mkdir(parents=True, exist_ok=True)
    nanoseconds = now.microsecond * 1000
    dated = path / f"..{now:%Y_%m_%d_%H_%M_%S}.{nanoseconds:09d}"
    while dated.exists():
        nanoseconds += 1
        dated = path / f"..{now:%Y_%m_%d_%H_%M_%S}.{nanoseconds:09d}"
    dated.mkdir(mode=0o755)
    for name, file in files.items():
        _write(dated, name, file)
    data = path / "..data"
    before = data.readlink() if data.is_symlink() else None
    switch = path / "..data_tmp"
    switch.unlink(missing_ok=True)
    switch.symlink_to(dated.name)
    switch.replace(data)
    _show(path, {name.split("/", 1)[0] for name in files})
    if before is not None:
        shutil.rmtree(path / before.name, ignore_errors=True)


def _write(directory: Path, name: str, file: File) -> None:
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or len(file.content) > _LARGEST_FILE:
        raise PathFault(f"invalid path {name}")
    target = directory.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(file.content)
    target.chmod(file.mode & 0o777)


def _show(path: Path, names: set[str]) -> None:
    """Links at the top for each file, and none for what is gone."""
    for entry in path.iterdir():
        if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
    for name in names:
        link = path / name
        if not link.is_symlink():
            link.symlink_to(Path("..data", name))
