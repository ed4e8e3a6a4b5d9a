"""Reads one lesson folder: our native format, which is a superset of Katacoda's and Killercoda's."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tutorials.catalogue.checks import read_check
from tutorials.catalogue.lesson import Asset, Check, Lesson, Object, Page, Script, Step
from tutorials.catalogue.markdown import Rendered, render, slug
from tutorials.catalogue.source import LANGUAGES, Source

MAX_STEPS = 100
MAX_ASSETS = 1000
ASSET_LIMIT = 9 * 1024 * 1024
_MODES = {"+x": 0o755, "+rx": 0o755, "+rwx": 0o755, "+w": 0o666, "+rw": 0o666, "+r": 0o644}
_KNOWN = {
    "title", "description", "languages", "language", "minutes", "time", "difficulty", "type", "details", "environment",
    "backend", "interface", "sandbox", "objectives", "summary", "picture", "files", "pathwayTitle", "icon", "noindex",
    "private", "tags", "id",
}  # fmt: skip
_STEP_KNOWN = {
    "id", "title", "text", "verify", "checks", "hint", "answer", "solution", "background", "foreground", "courseData",
    "code",
}  # fmt: skip


def read_lesson(source: Source, *, link: Callable[[str], str]) -> Lesson:
    """The lesson in `source`'s folder; `link` makes an address of a file of the lesson. Raises LessonError."""
    return _Reader(source, link).lesson()


class _Reader:
    def __init__(self, source: Source, link: Callable[[str], str]) -> None:
        self.source = source
        self.link = link
        self.index = source.index()
        self.default_language = str(self.index.get("language", "en"))

    def lesson(self) -> Lesson:
        source, index = self.source, self.index
        for key in sorted(set(index) - _KNOWN):
            source.warn(f"“{key}” is not a key of a lesson; it is ignored", near=f'"{key}"')
        if not index.get("title"):
            raise source.error("a lesson needs a “title”")
        details = source.member(index, "details", dict, {})
        sandbox = source.member(index, "sandbox", dict, {})
        steps = self._steps(details)
        pages = {name: self._page(details, name) for name in ("concept", "intro", "finish")}
        setup = source.member(sandbox, "setup", str)
        return Lesson(
            id=source.folder.name,
            path=source.folder,
            title=self.words(index["title"], "title"),
            description=self.words(index.get("description"), "description"),
            languages=self._languages(steps, pages.values()),
            minutes=self._minutes(),
            steps=steps,
            **pages,
            objectives=self._lists("objectives"),
            summary=self._lists("summary"),
            picture=self._picture(),
            user=self._user(sandbox),
            cluster=bool(sandbox.get("cluster", self._running_image())),
            setup=source.script(setup) if setup else None,
            assets=self._assets(details),
            warnings=tuple(str(problem) for problem in source.problems),
        )

    def words(self, value: object, field: str) -> dict[str, str]:
        """Texts by language; a plain text stands for the lesson's own language."""
        texts = self.source.words(value, field=field)
        return {language or self.default_language: text for language, text in texts.items()}

    def _languages(self, steps: Sequence[Step], pages: Any) -> Sequence[str]:
        parts = [step.html for step in steps] + [page.html for page in pages if page is not None]
        if not parts:
            return (self.default_language,)
        shared = [language for language in LANGUAGES if all(language in part for part in parts)]
        return tuple(shared or [self.default_language])

    def _minutes(self) -> int | None:
        written = self.index.get("minutes", self.index.get("time"))
        found = re.search(r"\d+", str(written)) if written is not None else None
        return int(found[0]) if found else None

    def _lists(self, name: str) -> dict[str, Sequence[str]]:
        written = self.source.member(self.index, name, (list, dict), {})
        by_language = written if isinstance(written, dict) else {self.default_language: written}
        for language, lines in by_language.items():
            if language not in LANGUAGES or not isinstance(lines, list):
                raise self.source.error(f"“{name}” must be a list of texts for each language", near=f'"{name}"')
        return {language: tuple(map(str, lines)) for language, lines in by_language.items()}

    def _picture(self) -> str:
        picture: str = self.source.member(self.index, "picture", str, "")
        if picture and not self.source.path(picture).is_file():
            raise self.source.error(f"the picture “{picture}” does not exist", near=picture)
        return picture

    def _user(self, sandbox: Object) -> Any:
        user = sandbox.get("user", "root")
        if user not in ("root", "learner"):
            raise self.source.error("“user” is root or learner", near='"user"')
        return user

    def _running_image(self) -> bool:
        """Katacoda and Killercoda images that come with a running cluster."""
        image = str(self.source.member(self.index, "backend", dict, {}).get("imageid", ""))
        return bool(re.match(r"(kubernetes|minikube-running|k3s|kind)", image))

    def _page(self, details: Object, name: str) -> Page | None:
        written = self.source.member(details, name, dict)
        if not written:
            return None
        background, foreground = self._run_scripts(written)
        if not written.get("text"):
            if background or foreground:
                return Page({}, {}, background, foreground)
            return None
        html, _commands = self._text(str(written["text"]))
        return Page(self.words(written.get("title"), "title"), html, background, foreground)

    def _run_scripts(self, written: Object) -> tuple[Script | None, Script | None]:
        background = written.get("background", written.get("courseData"))
        foreground = written.get("foreground", written.get("code"))
        return (
            self.source.script(str(background)) if background else None,
            self.source.script(str(foreground)) if foreground else None,
        )

    def _steps(self, details: Object) -> Sequence[Step]:
        written = self.source.member(details, "steps", list, [])
        if len(written) > MAX_STEPS:
            raise self.source.error(f"a lesson has at most {MAX_STEPS} steps", near='"steps"')
        steps = [self._step(entry) for entry in written]
        seen: set[str] = set()
        for step in steps:
            if step.id in seen:
                raise self.source.error(f"two steps are called “{step.id}”", near=step.id)
            seen.add(step.id)
        return tuple(steps)

    def _step(self, written: object) -> Step:
        source = self.source
        if not isinstance(written, dict) or not written.get("text"):
            raise source.error("every step needs a “text”", near='"steps"')
        for key in sorted(set(written) - _STEP_KNOWN):
            source.warn(f"“{key}” is not a key of a step; it is ignored", near=f'"{key}"')
        text = str(written["text"])
        html, commands = self._text(text)
        background, foreground = self._run_scripts(written)
        answer = written.get("answer")
        solution = written.get("solution")
        return Step(
            id=slug(str(written.get("id") or _stem(text))),
            title=self.words(written.get("title") or _stem(text), "title"),
            html=html,
            commands=commands,
            checks=self._checks(written),
            hint=self._hint(written.get("hint")),
            answer_html=self._text(str(answer))[0] if answer else {},
            solution=source.script(str(solution)) if solution else None,
            background=background,
            foreground=foreground,
        )

    def _checks(self, written: Object) -> Sequence[Check]:
        checks = [read_check(self.source, entry) for entry in self.source.member(written, "checks", list, [])]
        if written.get("verify"):
            checks.append(Check(kind="script", script=self.source.script(str(written["verify"])), where="learner"))
        return tuple(checks)

    def _hint(self, written: object) -> dict[str, str]:
        """Words; a Katacoda challenge's hint script is not run (its file name would be no hint either)."""
        if isinstance(written, str) and re.fullmatch(r"\S+\.(sh|py)", written):
            self.source.warn("hint scripts are not supported; use “checks” with hints", near=written)
            return {}
        return self.words(written, "hint")

    def _text(self, name: str) -> tuple[dict[str, str], Sequence[Object]]:
        """(HTML by language, commands of the first language)."""
        texts = self.source.texts(name)
        rendered: dict[str, Rendered] = {}
        for language, (file_name, text) in texts.items():
            spoken = language or self.default_language
            rendered[spoken] = self._rendered(file_name, text, spoken)
        first = next(iter(rendered.values()))
        for language, other in rendered.items():
            self._same_commands(name, language, first.commands, other.commands)
        return {language: part.html for language, part in rendered.items()}, tuple(first.commands)

    def _rendered(self, file_name: str, text: str, language: str) -> Rendered:
        def placed(path: str) -> str:
            return posixpath.normpath(posixpath.join(posixpath.dirname(file_name), path))

        rendered = render(
            text,
            language=language,
            link=lambda path: self.link(placed(path)),
            themed=lambda path: self.source.holds(placed(path), b"prefers-color-scheme"),
        )
        for line, message in rendered.problems:
            self.source.warn(message, path=self.source.path(file_name), line=line)
        return rendered

    def _same_commands(self, name: str, language: str, wanted: Sequence[Object], found: Sequence[Object]) -> None:
        plain = [(each["text"], each["terminal"]) for each in wanted]
        other = [(each["text"], each["terminal"]) for each in found]
        if plain == other:
            return
        number = next(
            (i for i, (a, b) in enumerate(zip(plain, other, strict=False)) if a != b), min(len(plain), len(other))
        )
        here = other[number][0] if number < len(other) else "nothing"
        there = plain[number][0] if number < len(plain) else "nothing"
        line = found[number]["line"] if number < len(found) else 1
        self.source.warn(
            f"command {number + 1} is “{here}” in language {language} and “{there}” in the other",
            path=self.source.path(self.source.texts(name)[language][0]),
            line=line,
        )

    def _assets(self, details: Object) -> Sequence[Asset]:
        found: list[Asset] = []
        for host, entries in (self.source.member(details, "assets", dict) or {}).items():
            if host not in ("host01", "controlplane", "client", "master"):
                self.source.warn(f"assets for “{host}” are left out: a sandbox has one host", near=f'"{host}"')
                continue
            for entry in entries if isinstance(entries, list) else []:
                found.extend(self._asset(entry))
        if len(found) > MAX_ASSETS:
            raise self.source.error(f"a lesson has at most {MAX_ASSETS} asset files", near='"assets"')
        return tuple(found)

    def _asset(self, entry: object) -> list[Asset]:
        source = self.source
        if not isinstance(entry, dict) or not isinstance(entry.get("file"), str):
            raise source.error("every asset needs a “file”", near='"assets"')
        written, target = entry["file"], str(entry.get("target", "/root"))
        if target.startswith("~"):
            target = "/root" + target[1:]
        if not target.startswith("/"):
            raise source.error(f"the asset target “{target}” must be an absolute path", near=target)
        mode = _mode(str(entry.get("chmod", "")))
        base = source.path("assets")
        matches = sorted(base.glob(written)) if base.is_dir() and not Path(written).is_absolute() else []
        files = [path for path in matches if path.is_file() and path.resolve().is_relative_to(source.root)]
        if not files:
            raise source.error(f"no asset file is called “{written}”", near=written)
        for path in files:
            if path.stat().st_size > ASSET_LIMIT:
                raise source.error("an asset is larger than 9 MiB", path=path)
        return [Asset(path, posixpath.join(target, _under(path, base, written)), mode) for path in files]


def _under(path: Path, base: Path, written: str) -> str:
    """Where below the target a file goes: `**` keeps folders, a plain name does not."""
    return str(path.relative_to(base)) if "**" in written else path.name


def _mode(written: str) -> int:
    if re.fullmatch(r"0?[0-7]{3}", written):
        return int(written, 8) & 0o777
    return _MODES.get(written.replace("rww", "rw"), 0o644)


def _stem(name: str) -> str:
    return posixpath.basename(name).rsplit(".", 1)[0]
