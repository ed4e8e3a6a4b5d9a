"""Reading a lesson's files: nothing outside its folder tree, nothing too large, every fault with its file and line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tutorials.catalogue.lesson import Object, Problem, Script

TEXT_LIMIT = 1024 * 1024
LANGUAGES = ("en", "ko")


class LessonError(Exception):
    """A lesson cannot be used; `problem` says where and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class Source:
    """The files of one lesson (or course). `root` is the tree that its paths may not leave."""

    def __init__(self, folder: Path, *, root: Path) -> None:
        self.folder = folder
        self.root = root.resolve()
        self.problems: list[Problem] = []
        self.index_path = next(
            (folder / name for name in _INDEX_NAMES if (folder / name).is_file()), folder / "index.json"
        )
        self._index_text = ""

    def index(self) -> Object:
        """The lesson's index file as an object. Raises LessonError."""
        return self._object(self.index_path)

    def read_object(self, name: str) -> Object:
        """Another JSON or YAML file as an object. Raises LessonError."""
        return self._object(self.path(name))

    def _object(self, path: Path) -> Object:
        text = self._text_of(path)
        self._index_text = text
        try:
            loaded = json.loads(text) if path.suffix == ".json" else yaml.load(text, Loader=yaml.CSafeLoader)
        except json.JSONDecodeError as error:
            raise self.error(f"not valid JSON: {error.msg}", path=path, line=error.lineno) from error
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise self.error(f"not valid YAML: {error.problem}", path=path, line=line) from error
        if not isinstance(loaded, dict):
            raise self.error("must be an object", path=path)
        return loaded

    def path(self, name: str) -> Path:
        """The file of that relative name. Raises LessonError when it leaves the tree."""
        found = (self.folder / name).resolve()
        if not found.is_relative_to(self.root):
            raise self.error(f"“{name}” is outside the lesson's folder", near=name)
        return found

    def text(self, name: str) -> str:
        """A text file of the lesson. Raises LessonError."""
        path = self.path(name)
        if not path.is_file():
            raise self.error(f"the file “{name}” does not exist", near=name)
        return self._text_of(path)

    def _text_of(self, path: Path) -> str:
        try:
            if path.stat().st_size > TEXT_LIMIT:
                raise self.error("is larger than 1 MiB", path=path)
            return path.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            raise self.error(f"is not UTF-8: byte {error.start} cannot be read", path=path) from error
        except OSError as error:
            raise self.error(f"cannot be read: {error.strerror}", path=path) from error

    def holds(self, name: str, words: bytes) -> bool:
        """Whether a picture of the lesson is an SVG file that holds these words."""
        try:
            path = self.path(name)
            return path.suffix == ".svg" and path.stat().st_size <= TEXT_LIMIT and words in path.read_bytes()
        except (LessonError, OSError):
            return False

    def texts(self, name: str) -> dict[str, tuple[str, str]]:
        """Language → (file name, text) for `step1.md`: `step1.en.md`, `step1.ko.md`, or the plain file as ""."""
        self.path(name)
        stem, dot, suffix = name.rpartition(".")
        found: dict[str, tuple[str, str]] = {}
        for language in LANGUAGES:
            translated = f"{stem}.{language}{dot}{suffix}"
            if stem and self.path(translated).is_file():
                found[language] = (translated, self.text(translated))
        return found or {"": (name, self.text(name))}

    def script(self, name: str) -> Script:
        """A script of the lesson. Raises LessonError."""
        return Script(self.text(name), name)

    def relative(self, path: Path) -> str:
        """The path as messages show it: from the course root."""
        try:
            return str(path.resolve().relative_to(self.root))
        except ValueError:
            return path.name

    def error(self, message: str, *, path: Path | None = None, line: int | None = None, near: str = "") -> LessonError:
        """A LessonError at a line, or at the first line of the index that holds `near`."""
        where = path or self.index_path
        return LessonError(Problem(self.relative(where), line or self.line_of(near), message))

    def warn(self, message: str, *, path: Path | None = None, line: int | None = None, near: str = "") -> None:
        """Note something that does not stop the lesson."""
        where = path or self.index_path
        self.problems.append(Problem(self.relative(where), line or self.line_of(near), message, "warning"))

    def line_of(self, near: str) -> int:
        """The first line of the index file that holds `near`, else 1."""
        if near:
            for number, line in enumerate(self._index_text.splitlines(), 1):
                if near in line:
                    return number
        return 1

    def words(self, value: object, *, field: str) -> dict[str, str]:
        """A text given as a string (every language) or as {"en": …, "ko": …}. Raises LessonError."""
        if value is None:
            return {}
        if isinstance(value, str):
            return {"": value}
        if isinstance(value, Mapping) and all(isinstance(text, str) for text in value.values()):
            unknown = set(value) - set(LANGUAGES)
            if unknown:
                raise self.error(
                    f"“{field}” has an unknown language: {', '.join(sorted(map(str, unknown)))}", near=field
                )
            return {str(language): str(text) for language, text in value.items()}
        raise self.error(f"“{field}” must be a text, or texts by language", near=field)

    def member(self, obj: Mapping[str, Any], name: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        """obj[name] when it has the right type. Raises LessonError."""
        value = obj.get(name, default)
        if value is not None and not isinstance(value, kind):
            raise self.error(f"“{name}” has the wrong type: {type(value).__name__}", near=f'"{name}"')
        return value


_INDEX_NAMES = ("index.json", "index.yaml", "index.yml")


def pattern(source: Source, text: str) -> str:
    """`text` when it is a regular expression. Raises LessonError."""
    try:
        re.compile(text)
    except re.error as error:
        raise source.error(f"“{text}” is not a regular expression: {error}", near=text[:20]) from error
    return text
