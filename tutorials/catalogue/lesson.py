"""Courses, lessons and steps as the rest of the site sees them: plain values, made by the loader, never stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Object = dict[str, Any]
Text = Mapping[str, str]
"""A text in each language: {"en": …, "ko": …}."""


@dataclass(frozen=True)
class Script:
    """A script of a lesson: shown to nobody, run in the sandbox."""

    text: str
    path: str
    """Relative to the lesson's folder, for messages."""


@dataclass(frozen=True)
class HintCase:
    """A hint for one way to fall short: shown when the value found matches `pattern` (a Python regex, searched)."""

    pattern: str
    text: Text


@dataclass(frozen=True)
class Check:
    """One thing that must be true for a step to be done. Exactly the fields of its kind are set.

    kind "resource": `resource` (plural or short name), `name` or `selector`, `namespace`; `expression` (kubectl
    JSONPath); the value, as text, must satisfy `op` against `value`: equals, matches (regex), at-least (number)
    or exists.
    kind "command": a command typed in any terminal matches `pattern` (regex, searched) and ended with `status`
    (None: any status).
    kind "cluster": the cluster is "running" or "stopped".
    kind "port": something listens on TCP `port` of the sandbox's loopback.
    kind "script": a bash script; passes as the import rule of facts says (exit 0, and `done` printed if it prints it).
    """

    kind: Literal["resource", "command", "cluster", "port", "script"]
    resource: str = ""
    name: str = ""
    namespace: str = "default"
    selector: str = ""
    expression: str = ""
    op: Literal["equals", "matches", "at-least", "exists"] = "exists"
    value: str = ""
    pattern: str = ""
    status: int | None = None
    state: str = ""
    port: int = 0
    script: Script | None = None
    where: Literal["clean", "learner"] = "clean"
    title: Text = field(default_factory=dict)
    """What must be true, as the step's list of tasks shows it; may be empty."""
    absent: Text = field(default_factory=dict)
    """Hint when the resource, the command, … is not there at all."""
    cases: Sequence[HintCase] = ()
    otherwise: Text = field(default_factory=dict)
    """Hint for any other way to fall short; `{actual}` is the value found."""

    def wire(self) -> Object:
        """The form in which the agent takes it (docs/protocol.md): no texts, only what is needed to decide."""
        fields = {name: getattr(self, name) for name in _WIRE[self.kind]}
        plain: Object = {"kind": self.kind} | {
            name: value for name, value in fields.items() if value or name == "status"
        }
        if self.script is not None:
            plain["script"] = self.script.text
        if self.cases:
            plain["cases"] = [case.pattern for case in self.cases]
        return plain


_WIRE = {
    "resource": ("resource", "name", "namespace", "selector", "expression", "op", "value"),
    "command": ("pattern", "status"),
    "cluster": ("state",),
    "port": ("port",),
    "script": ("where",),
}


@dataclass(frozen=True)
class Step:
    """One step of a lesson. Its id, not its number, is what progress and addresses name."""

    id: str
    title: Text
    html: Text
    """Rendered, sanitised."""
    commands: Sequence[Object]
    """The run buttons in order: {"text", "terminal" (1, 2, …), "interrupt": bool, "newline": bool}."""
    checks: Sequence[Check] = ()
    hint: Text = field(default_factory=dict)
    answer_html: Text = field(default_factory=dict)
    solution: Script | None = None
    background: Script | None = None
    foreground: Script | None = None


@dataclass(frozen=True)
class Page:
    """A page of prose: concept, intro, finish."""

    title: Text
    html: Text
    background: Script | None = None
    foreground: Script | None = None


@dataclass(frozen=True)
class Asset:
    """A file put into the sandbox before the lesson starts."""

    source: Path
    target: str
    mode: int = 0o644


@dataclass(frozen=True)
class Lesson:
    """A folder with `index.json` or `index.yaml`."""

    id: str
    """Folder name; unique within its course."""
    path: Path
    title: Text
    description: Text
    languages: Sequence[str]
    minutes: int | None
    steps: Sequence[Step]
    concept: Page | None = None
    intro: Page | None = None
    finish: Page | None = None
    objectives: Mapping[str, Sequence[str]] = field(default_factory=dict)
    summary: Mapping[str, Sequence[str]] = field(default_factory=dict)
    picture: str = ""
    """An SVG of the lesson for the course page, relative to the lesson's folder."""
    user: Literal["root", "learner"] = "root"
    cluster: bool = False
    """Whether the set-up starts the cluster before the learner's first prompt."""
    setup: Script | None = None
    """Run unseen after the cluster, before the first prompt."""
    assets: Sequence[Asset] = ()
    warnings: Sequence[str] = ()

    def step(self, step_id: str) -> Step | None:
        """The step of that id."""
        return next((step for step in self.steps if step.id == step_id), None)


@dataclass(frozen=True)
class Course:
    """An ordered list of lessons."""

    id: str
    path: Path
    title: Text
    description: Text
    lessons: Sequence[Lesson]
    picture: str = ""


@dataclass(frozen=True)
class Problem:
    """Something wrong in a lesson, for its author."""

    path: str
    line: int
    message: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"
