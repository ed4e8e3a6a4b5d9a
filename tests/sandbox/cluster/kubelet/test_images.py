"""Image names, and what the node says of images that it does not have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.cluster.kubelet.images import ImageStore, InvalidImageName, parse
from sandbox.cluster.kubelet.runtime import ImageNotFound

DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    image = {
        "names": [
            {"repository": "docker.io/library/nginx", "tags": r"latest|1\.\d{1,2}"},
            {"repository": "gcr.io/google-samples/kubernetes-bootcamp", "tags": "v1"},
        ],
        "id": "sha256:" + "b" * 64,
        "digest": DIGEST,
        "size": 7,
        "base": "system",
        "layers": ["abc"],
        "command": ["nginx"],
        "environment": ["A=b"],
    }
    (tmp_path / "index.json").write_text(json.dumps({"format": 1, "images": [image]}))
    return ImageStore(tmp_path)


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.25", "docker.io/library/nginx:1.25"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/library/nginx:1", "docker.io/library/nginx:1"),
        ("jocatalin/kubernetes-bootcamp:v2", "docker.io/jocatalin/kubernetes-bootcamp:v2"),
        ("gcr.io/google-samples/kubernetes-bootcamp:v1", "gcr.io/google-samples/kubernetes-bootcamp:v1"),
        ("localhost/mine", "localhost/mine:latest"),
        ("localhost:5000/mine:x", "localhost:5000/mine:x"),
        ("registry:5000/a/b", "registry:5000/a/b:latest"),
        (f"nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"),
        (f"nginx:1.25@{DIGEST}", f"docker.io/library/nginx:1.25@{DIGEST}"),
    ],
)
def test_a_name_is_completed_as_docker_does(name: str, full: str) -> None:
    assert str(parse(name)) == full


@pytest.mark.parametrize(
    "name", ["", "Nginx", "nginx:", "nginx:a b", "/nginx", "nginx//x", "a@sha256:12", "nginx:../../x"]
)
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidImageName, match="invalid reference format"):
        parse(name)


def test_an_image_is_found_by_any_of_its_names(store: ImageStore, tmp_path: Path) -> None:
    found = store.find("nginx:1.14")
    assert found.image.name == "docker.io/library/nginx:1.14"
    assert found.image.digest == f"docker.io/library/nginx@{DIGEST}"
    assert (found.image.command, found.image.environment) == (("nginx",), ("A=b",))
    assert (found.layers, found.on_system) == ((tmp_path / "layers/abc",), True)
    assert store.find("gcr.io/google-samples/kubernetes-bootcamp:v1").image.id == found.image.id
    assert store.find(f"nginx@{DIGEST}").image.id == found.image.id


@pytest.mark.parametrize("name", ["nginx:1.161", "nginx:v10", "mysql", f"nginx@{DIGEST[:-1]}c", "gcr.io/nginx"])
def test_what_the_catalogue_has_not_fails_in_kubernetes_words(store: ImageStore, name: str) -> None:
    assert not store.has(name)
    with pytest.raises(ImageNotFound) as caught:
        store.find(name)
    full = parse(name)
    assert str(caught.value) == (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{full}": '
        f'failed to resolve reference "{full}": {full}: not found'
    )


def test_a_catalogue_that_was_built_anew_is_seen(store: ImageStore, tmp_path: Path) -> None:
    assert store.has("nginx")
    partial = tmp_path / "new"
    partial.write_text(json.dumps({"format": 1, "images": []}))
    partial.rename(tmp_path / "index.json")
    assert not store.has("nginx")


def test_without_a_catalogue_there_is_no_image(tmp_path: Path) -> None:
    assert not ImageStore(tmp_path).has("nginx")
