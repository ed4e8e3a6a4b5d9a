"""The catalogue as it is built, and what is in it."""

from __future__ import annotations

import functools
import json
import re
import shutil
from pathlib import Path

import pytest

from sandbox.cluster.kubelet.images import ImageStore
from sandbox.image import catalogue, definition
from sandbox.image.definition import BadDefinition

WITHOUT_DOWNLOAD = [one for one in definition.read_all(catalogue.CATALOGUE) if not one.packages]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("catalogue")
    for one in WITHOUT_DOWNLOAD:
        shutil.copytree(one.folder, directory / "definitions" / one.name)
    said: list[str] = []
    assert catalogue.build(directory / "images", said.append, catalogue=directory / "definitions") == []
    assert [line.split(",")[0] for line in said] == [f"  {len(WITHOUT_DOWNLOAD)} container images"]
    return directory


def small(tmp_path: Path, **more: object) -> Path:
    folder = tmp_path / "definitions/app"
    (folder / "files/bin").mkdir(parents=True)
    (folder / "files/bin/run").write_text("#!/bin/sh\necho one\n")
    (folder / "files/bin/run").chmod(0o700)
    wanted = {"about": "An app.", "names": {"docker.io/library/app": "v1"}} | more
    (folder / "image.json").write_text(json.dumps(wanted))
    return tmp_path / "definitions"


def build(directory: Path, definitions: Path) -> tuple[list[str], list[str]]:
    said: list[str] = []
    return list(catalogue.build(directory, said.append, catalogue=definitions)), said


def test_building_again_does_nothing(built: Path) -> None:
    index = built / "images/index.json"
    before = index.stat().st_mtime_ns
    assert build(built / "images", built / "definitions") == ([], [])
    assert index.stat().st_mtime_ns == before


def test_digests_are_the_same_wherever_it_is_built(tmp_path: Path, built: Path) -> None:
    build(tmp_path / "images", built / "definitions")
    indexes = [json.loads((place / "images/index.json").read_text())["images"] for place in (tmp_path, built)]
    assert [image["digest"] for image in indexes[0]] == [image["digest"] for image in indexes[1]]


def test_what_changed_is_built_anew_and_the_old_swept_away(tmp_path: Path) -> None:
    definitions = small(tmp_path, command=["run"])
    assert build(tmp_path / "images", definitions)[1] == ["  1 container images, 0.0 MB"]
    first = ImageStore(tmp_path / "images").find("app:v1")
    (definitions / "app/files/bin/run").write_text("#!/bin/sh\necho two\n")
    assert len(build(tmp_path / "images", definitions)[1]) == 1
    second = ImageStore(tmp_path / "images").find("app:v1")
    assert first.image.digest != second.image.digest
    assert [layer.exists() for layer in (*first.layers, *second.layers)] == [False, True]
    assert (second.layers[0] / "bin/run").stat().st_mode & 0o777 == 0o755


def test_links_and_directories_are_made(tmp_path: Path) -> None:
    definitions = small(tmp_path, links={"var/log/app": "/dev/stdout"}, directories={"data": "1777"})
    build(tmp_path / "images", definitions)
    root = ImageStore(tmp_path / "images").find("app:v1").layers[0]
    assert (root / "var/log/app").readlink() == Path("/dev/stdout")
    assert (root / "data").stat().st_mode & 0o7777 == 0o1777


def test_a_package_that_cannot_be_had_leaves_out_one_image_and_says_so(tmp_path: Path) -> None:
    definitions = small(tmp_path, packages=["no-such-package-anywhere"])
    problems, _ = build(tmp_path / "images", definitions)
    assert len(problems) == 1
    assert problems[0].startswith("The image app is left out: cannot fetch it: ")
    assert not ImageStore(tmp_path / "images").has("app:v1")


def test_what_could_not_be_had_is_tried_again_after_an_hour(tmp_path: Path) -> None:
    definitions = small(tmp_path, packages=["no-such-package-anywhere"])
    outcomes = []
    for moment in (1000.0, 1001.0, 4599.0, 4601.0, 10.0):
        found = catalogue.build(
            tmp_path / "images", lambda _line: None, catalogue=definitions, now=functools.partial(float, moment)
        )
        outcomes.append(len(found))
    assert outcomes == [1, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("wanted", "fault"),
    [
        ("{", "image.json"),
        ('{"about": "x"}', "names missing"),
        ('{"about": "x", "names": {}, "comand": []}', "unknown comand"),
        ('{"about": "x", "names": {}, "base": "alpine"}', "base is neither"),
    ],
)
def test_a_bad_definition_is_refused_by_name(tmp_path: Path, wanted: str, fault: str) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/image.json").write_text(wanted)
    with pytest.raises(BadDefinition, match=re.escape(fault)):
        catalogue.build(tmp_path / "images", lambda _line: None, catalogue=tmp_path)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("gcr.io/google-samples/kubernetes-bootcamp:v1", "kubernetes-bootcamp-v1"),
        ("jocatalin/kubernetes-bootcamp:v1", "kubernetes-bootcamp-v1"),
        ("docker.io/jocatalin/kubernetes-bootcamp:v2", "kubernetes-bootcamp-v2"),
        ("gcr.io/google-samples/kubernetes-bootcamp:v2", "kubernetes-bootcamp-v2"),
        ("k8s.gcr.io/echoserver:1.4", "echoserver-1-4"),
        ("registry.k8s.io/echoserver:1.10", "echoserver-1-10"),
        ("registry.k8s.io/e2e-test-images/agnhost:2.53", "agnhost"),
        ("busybox", "busybox"),
        ("busybox:1.28", "busybox"),
        ("curlimages/curl", "curl"),
        ("registry.k8s.io/pause:3.10", "pause"),
        ("gcr.io/google-samples/hello-app:2.0", "hello-app-2"),
        ("perl:5.34.0", "perl"),
    ],
)
def test_images_answer_to_the_names_that_lessons_use(built: Path, name: str, folder: str) -> None:
    index = {image["id"]: image["folder"] for image in json.loads((built / "images/index.json").read_text())["images"]}
    assert index[ImageStore(built / "images").find(name).image.id] == folder


@pytest.mark.parametrize("name", ["gcr.io/google-samples/kubernetes-bootcamp:v10", "busybox:nope", "mysql:8"])
def test_and_to_no_others(built: Path, name: str) -> None:
    assert not ImageStore(built / "images").has(name)


def test_the_second_version_differs_in_what_it_says_alone(built: Path) -> None:
    store = ImageStore(built / "images")
    first, second = (
        (store.find(f"jocatalin/kubernetes-bootcamp:{tag}").layers[0] / "server.py").read_text() for tag in ("v1", "v2")
    )
    assert first != second
    assert first.replace("VERSION = 1\n", "VERSION = 2\n") == second


def test_every_name_is_well_formed_and_has_one_image() -> None:
    seen: dict[str, list[str]] = {}
    for one in definition.read_all(catalogue.CATALOGUE):
        assert one.about.endswith(".")
        for repository, tags in one.names.items():
            assert repository.count("/") >= 1
            re.compile(tags)
            seen.setdefault(repository, []).append(tags)
    for repository, patterns in seen.items():
        for tag in ("latest", "v1", "v2", "1", "1.0", "2.0", "1.4", "1.10"):
            assert sum(bool(re.fullmatch(pattern, tag)) for pattern in patterns) <= 1, (repository, tag)
