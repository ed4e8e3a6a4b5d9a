"""The rules of the layout that no import contract can state."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APART = ("tests/browser/", "tests/kubectl/", "tests/lessons/", "tests/test_")
"""Tests of the whole, which mirror no file."""
ACROSS = (
    "tests/sandbox/launch/test_hostile_learner.py",
    "tests/sandbox/launch/test_as_user.py",
    "tests/tutorials/hosting/test_serving.py",
    "tests/tutorials/hosting/test_systems.py",
)
"""Tests of what several files promise together."""


def tracked(pattern: str) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", pattern], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    return [name for name in listed.stdout.split("\0") if name]


def test_tests_mirror_files() -> None:
    strays = []
    for name in tracked("tests/*test_*.py"):
        if name.startswith(APART):
            continue
        module = re.sub(r"(^|/)test_([^/]+)$", r"\1\2", name.removeprefix("tests/"))
        folder = module.removesuffix(".py")
        seam = Path(module).parent / "__init__.py"  # tests/sandbox/backends/test_backends.py: a seam's one suite
        whole = Path(module).stem == Path(module).parent.name and (ROOT / seam).exists()
        if not (ROOT / module).exists() and not (ROOT / folder).is_dir() and not whole and name not in ACROSS:
            strays.append(name)
    assert strays == []


def test_lessons_hold_no_python() -> None:
    assert tracked("lessons/*.py") == []


def test_docs_name_every_setting() -> None:
    settings = (ROOT / "tutorials" / "settings.py").read_text(encoding="utf-8")
    names = set(re.findall(r"_(?:text|choice|flag|number)\(\s*\"([A-Z_]+)\"", settings))
    documented = "".join((ROOT / name).read_text(encoding="utf-8") for name in tracked("docs/*.md"))
    assert sorted(name for name in names if f"QUAYSIDE_{name}" not in documented) == []


def test_no_words_that_say_nothing_name_a_module() -> None:
    empty = {"utils", "util", "helpers", "helper", "manager", "service", "base", "common", "misc"}
    kubernetes = {"sandbox/minikube/service.py"}  # the command `minikube service`
    assert [name for name in tracked("*.py") if Path(name).stem in empty and name not in kubernetes] == []
