import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.cluster.api.objects import Key
from sandbox.cluster.kubelet.environment import Node
from sandbox.cluster.kubelet.runtime import Mount
from sandbox.cluster.kubelet.volumes import VolumeFault, Volumes
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.all import CONFIGMAPS, NAMESPACES, RESOURCES, SECRETS
from sandbox.cluster.store import Store

NOW = datetime(2026, 11, 23, 16, 59, 27, 123456, tzinfo=UTC)


@pytest.fixture
def registry():
    made = Registry(Store(), RESOURCES)
    made.create(NAMESPACES, {"metadata": {"name": "default"}})
    made.create(CONFIGMAPS, {"metadata": {"name": "cm"}, "data": {"a": "1", "b": "2"}}, namespace="default")
    secret = {"password": base64.b64encode(b"s3cret").decode()}
    made.create(SECRETS, {"metadata": {"name": "db"}, "data": secret}, namespace="default")
    return made


class Node_:
    """A pod's volumes on a node of its own."""

    def __init__(self, registry, directory):
        self.root = directory / "node"
        self.root.mkdir()
        self.issued = []
        self.volumes = Volumes(
            directory / "pods" / "u",
            registry=registry,
            node=Node("192.168.49.2", {}),
            node_root=self.root,
            issue_token=self.token,
        )

    def token(self, pod, audience, seconds):
        self.issued.append((audience, seconds))
        return f"token-{len(self.issued)}"

    def prepare(self, *volumes, now=NOW):
        metadata = {"name": "web", "namespace": "default", "uid": "u", "labels": {"app": "web"}}
        self.volumes.prepare(
            {"metadata": metadata, "spec": {"volumes": list(volumes), "containers": []}}, pod_ip="", now=now
        )

    def mount(self, **mount):
        [found] = self.volumes.mounts({"volumeMounts": [{"name": "v", "mountPath": "/data"} | mount]}, {"NAME": "n"})
        return found

    @property
    def directory(self):
        return Path(self.mount().source)

    def read(self):
        return {p.name: p.read_text() for p in self.directory.iterdir() if not p.name.startswith("..")}


@pytest.fixture
def node(registry, tmp_path):
    return Node_(registry, tmp_path)


def test_a_config_map_is_files_behind_a_link_that_switches_all_at_once(node, registry):
    node.prepare({"name": "v", "configMap": {"name": "cm"}})
    directory = node.directory
    assert node.read() == {"a": "1", "b": "2"}
    assert str((directory / "a").readlink()) == "..data/a"
    assert str((directory / "..data").readlink()) == "..2026_11_23_16_59_27.123456000"
    registry.patch(CONFIGMAPS, Key("default", "cm"), lambda obj: obj.update(data={"a": "new"}))
    node.prepare({"name": "v", "configMap": {"name": "cm"}}, now=NOW + timedelta(seconds=1))
    assert node.read() == {"a": "new"}
    assert len([p for p in directory.iterdir() if p.name.startswith("..2026")]) == 1


def test_nothing_is_written_when_nothing_changed(node):
    node.prepare({"name": "v", "configMap": {"name": "cm"}})
    before = (node.directory / "..data").readlink()
    node.prepare({"name": "v", "configMap": {"name": "cm"}}, now=NOW + timedelta(seconds=1))
    assert (node.directory / "..data").readlink() == before


def test_what_the_kubelet_writes_is_read_only_inside(node):
    node.prepare({"name": "v", "secret": {"secretName": "db"}})
    assert node.read() == {"password": "s3cret"}
    assert node.mount().read_only is True


def test_single_items_and_modes(node):
    items = [{"key": "a", "path": "deep/name", "mode": 0o400}]
    node.prepare({"name": "v", "configMap": {"name": "cm", "items": items}})
    file = node.directory / "deep/name"
    assert file.read_text() == "1"
    assert file.stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMap": {"name": "nope"}}, 'configmap "nope" not found'),
        ({"secret": {"secretName": "nope"}}, 'secret "nope" not found'),
        ({"configMap": {"name": "cm", "items": [{"key": "x", "path": "x"}]}}, "references non-existent config key: x"),
        ({"hostPath": {"path": "/nope", "type": "Directory"}}, "hostPath type check failed: /nope is not a directory"),
    ],
)
def test_what_is_missing_is_said_as_the_kubelet_says_it(node, source, message):
    with pytest.raises(VolumeFault) as error:
        node.prepare({"name": "v"} | source)
    assert str(error.value) == f'MountVolume.SetUp failed for volume "v" : {message}'


def test_optional_sources_may_be_missing(node):
    node.prepare({"name": "v", "configMap": {"name": "nope", "optional": True}})
    assert node.read() == {}


@pytest.mark.parametrize("path", ["../../escape", "/etc/escape", "a/../../escape"])
def test_no_file_is_written_outside_of_its_volume(node, path, tmp_path):
    with pytest.raises(VolumeFault):
        node.prepare({"name": "v", "configMap": {"name": "cm", "items": [{"key": "a", "path": path}]}})
    assert not list(tmp_path.rglob("escape"))


def test_the_service_account_volume(node, registry):
    registry.create(
        CONFIGMAPS, {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": "PEM"}}, namespace="default"
    )
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    volume = {"name": "v", "projected": {"sources": sources, "defaultMode": 420}}
    node.prepare(volume)
    assert node.read() == {"token": "token-1", "ca.crt": "PEM", "namespace": "default"}
    node.prepare(volume, now=NOW + timedelta(seconds=2000))
    assert node.issued == [("", 3607)]
    node.prepare(volume, now=NOW + timedelta(seconds=2900))
    assert node.read()["token"] == "token-2"


def test_host_paths_are_the_nodes_own_and_links_in_them_stay_there(node, tmp_path):
    (tmp_path / "secret").write_text("s")
    (node.root / "up").symlink_to("../secret")
    with pytest.raises(VolumeFault):
        node.prepare({"name": "v", "hostPath": {"path": "/up", "type": "File"}})
    node.prepare({"name": "v", "hostPath": {"path": "/"}})
    assert node.mount() == Mount(str(node.root), "/data", read_only=False)
    node.prepare({"name": "v", "hostPath": {"path": "/new/dir", "type": "DirectoryOrCreate"}})
    assert (node.root / "new/dir").is_dir()


def test_sub_paths_stay_in_their_volume(node, tmp_path):
    node.prepare({"name": "v", "emptyDir": {}})
    volume = node.directory
    (volume / "out").symlink_to(tmp_path)
    (tmp_path / "mine").mkdir()
    assert node.mount(subPath="logs").source == str(volume / "logs")
    assert node.mount(subPathExpr="$(NAME)/x").source == str(volume / "n/x")
    # The link is taken as one inside the volume, and what it names is made there.
    assert node.mount(subPath="out/mine").source == str(volume / str(tmp_path).lstrip("/") / "mine")


def test_removing_twice_is_no_error(node):
    node.prepare({"name": "v", "emptyDir": {}})
    directory = node.directory
    node.volumes.remove()
    node.volumes.remove()
    assert not directory.exists()


def test_a_termination_message_is_cut(node):
    path = node.volumes.termination_log("c", 0)
    path.write_text("x" * 5000)
    assert node.volumes.termination_message("c", 0) == "x" * 4096
    assert node.volumes.termination_message("c", 1) == ""
