import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tutorials.catalogue.loader import Catalogue

Write = Callable[..., Path]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        self.now += 10
        return self.now


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue([tmp_path], clock=Clock())


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(index: Any, folder: str = "course/lesson", **files: str) -> Path:
        path = tmp_path / folder
        path.mkdir(parents=True, exist_ok=True)
        (path / "index.json").write_text(index if isinstance(index, str) else json.dumps(index), encoding="utf-8")
        for name, text in files.items():
            (path / name.replace("__", ".")).write_text(text, encoding="utf-8")
        return path

    return _write


KATACODA = {
    "title": "Pods",
    "details": {
        "intro": {"text": "intro.md", "courseData": "bg.sh", "code": "fg.sh"},
        "steps": [{"title": "Create", "text": "s1.md", "verify": "v1.sh", "answer": "a1.md"}],
        "finish": {"text": "end.md"},
    },
    "environment": {"uilayout": "terminal"},
    "backend": {"imageid": "kubernetes-cluster-running:1.18"},
}
KATACODA_FILES = {
    "intro__md": "Hi", "bg__sh": "true", "fg__sh": "echo hi", "s1__md": "`ls`{{execute}}", "v1__sh": "test -e x",
    "a1__md": "Try", "end__md": "Bye",
}  # fmt: skip


def test_a_katacoda_scenario_runs_as_it_is(write: Write, catalogue: Catalogue) -> None:
    write(KATACODA, **KATACODA_FILES)
    lesson = catalogue.lesson("course", "lesson")
    assert lesson is not None
    assert lesson.title == {"en": "Pods"}
    assert lesson.cluster
    assert lesson.intro is not None
    assert lesson.intro.background is not None
    assert lesson.steps[0].id == "s1"
    assert lesson.steps[0].checks[0].kind == "script"
    assert lesson.steps[0].checks[0].where == "learner"
    assert catalogue.problems() == []


def test_the_smallest_killercoda_scenario_is_valid(write: Write, catalogue: Catalogue) -> None:
    write({"title": "Playground", "backend": {"imageid": "ubuntu"}})
    lesson = catalogue.lesson("course", "lesson")
    assert lesson is not None
    assert lesson.steps == ()
    assert not lesson.cluster


def test_languages_come_from_the_files(write: Write, catalogue: Catalogue) -> None:
    index = {"title": {"en": "A", "ko": "가"}, "details": {"steps": [{"id": "one", "text": "s.md"}]}}
    write(index, s__en__md="`ls`{{exec}}", s__ko__md="`ls`{{exec}} 하세요")
    lesson = catalogue.lesson("course", "lesson")
    assert lesson is not None
    assert lesson.languages == ("en", "ko")
    assert "하세요" in lesson.steps[0].html["ko"]


def test_commands_that_differ_between_languages_are_named(write: Write, catalogue: Catalogue) -> None:
    write({"title": "A", "details": {"steps": [{"text": "s.md"}]}}, s__en__md="`ls`{{exec}}", s__ko__md="`pwd`{{exec}}")
    assert [problem.message for problem in catalogue.problems()] == [
        "command 1 is “pwd” in language ko and “ls” in the other"
    ]


@pytest.mark.parametrize(
    ("index", "line", "message"),
    [
        ('{\n "title": "x",\n oops}', 3, "not valid JSON"),
        ("[]", 1, "must be an object"),
        ('{"details": {}}', 1, "needs a “title”"),
        ('{"title": "x",\n "details": {"steps": [{"text": "no.md"}]}}', 2, "“no.md” does not exist"),
        ('{"title": "x",\n "details": {"steps": [{"text": "../../../x.md"}]}}', 2, "outside the lesson's folder"),
        ('{"title": "x", "details": {"steps": 7}}', 1, "has the wrong type"),
        ('{"title": "x", "details": {"steps": [{"text":"s.md","checks":[{"port": 99999}]}]}}', 1, "from 1 to 65535"),
        ('{"title": "x", "details": {"steps": [{"text":"s.md","checks":[{}]}]}}', 1, "exactly one of"),
        ('{"title": "x", "details": {"steps": [{"text":"s.md","checks":[{"command": "("}]}]}}', 1, "regular exp"),
        ('{"title": "x", "details": {"steps": [{"text":"s.md"},{"text":"s.md"}]}}', 1, "two steps"),
    ],
)  # fmt: skip
def test_a_broken_lesson_is_refused_with_file_line_and_reason(
    write: Write, catalogue: Catalogue, index: str, line: int, message: str
) -> None:
    write(index, s__md="x")
    write({"title": "Good"}, folder="course/other")
    assert catalogue.lesson("course", "lesson") is None
    assert catalogue.lesson("course", "other") is not None
    (problem,) = catalogue.problems()
    assert problem.path == "course/lesson/index.json"
    assert problem.line == line
    assert message in problem.message


def test_a_broken_save_keeps_the_last_good_version(write: Write, catalogue: Catalogue) -> None:
    write({"title": "First"})
    assert catalogue.lesson("course", "lesson").title == {"en": "First"}  # type: ignore[union-attr]
    write("{broken")
    assert catalogue.lesson("course", "lesson").title == {"en": "First"}  # type: ignore[union-attr]
    assert catalogue.problems()[0].line == 1
    write({"title": "Second!"})
    assert catalogue.lesson("course", "lesson").title == {"en": "Second!"}  # type: ignore[union-attr]
    assert catalogue.problems() == []


def test_structure_json_orders_a_course_and_hides_the_rest(write: Write, catalogue: Catalogue, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write({"title": name}, folder=f"course/{name}")
    structure = {"title": {"en": "Course", "ko": "과정"}, "items": [{"path": "c"}, {"path": "a"}]}
    (tmp_path / "course" / "structure.json").write_text(json.dumps(structure), encoding="utf-8")
    course = catalogue.course("course")
    assert course is not None
    assert course.title["ko"] == "과정"
    assert [lesson.id for lesson in course.lessons] == ["c", "a"]


def test_a_link_out_of_the_tree_is_not_followed(write: Write, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.md"
    secret.write_text("secret")
    path = write({"title": "x", "details": {"steps": [{"text": "s.md"}]}})
    (path / "s.md").symlink_to(secret)
    catalogue = Catalogue([path.parent.parent], clock=Clock())
    assert catalogue.lesson("course", "lesson") is None
    assert "outside" in catalogue.problems()[0].message


def test_declarative_checks_become_what_the_agent_takes(write: Write, catalogue: Catalogue) -> None:
    check = {
        "resource": "deployments", "name": "web", "expression": "{.spec.replicas}", "equals": 4,
        "absent": {"en": "none", "ko": "없음"}, "cases": [{"matches": "^3$", "hint": "three"}],
    }  # fmt: skip
    write({"title": "x", "details": {"steps": [{"text": "s.md", "checks": [check]}]}}, s__md="x")
    lesson = catalogue.lesson("course", "lesson")
    assert lesson is not None
    assert lesson.steps[0].checks[0].wire() == {
        "kind": "resource", "resource": "deployments", "name": "web", "namespace": "default",
        "expression": "{.spec.replicas}", "op": "equals", "value": "4", "cases": ["^3$"],
    }  # fmt: skip


def test_assets_keep_their_mode_and_place(write: Write, catalogue: Catalogue) -> None:
    assets = {"host01": [{"file": "w.sh", "target": "/usr/local/bin/", "chmod": "+x"}]}
    path = write({"title": "x", "details": {"assets": assets}})
    (path / "assets").mkdir()
    (path / "assets" / "w.sh").write_text("true")
    lesson = catalogue.lesson("course", "lesson")
    assert lesson is not None
    assert [(asset.target, asset.mode) for asset in lesson.assets] == [("/usr/local/bin/w.sh", 0o755)]
