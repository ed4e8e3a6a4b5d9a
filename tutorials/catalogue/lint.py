"""What an author should mend before learners see a lesson: beyond what the reader refuses."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence

from tutorials.catalogue.lesson import Lesson, Problem, Step, Text

SHELL_WORDS = frozenset(
    "alias bg cat cd chmod clear cp cut date declare diff dirname do done echo env eval exec exit export false fg file "
    "find for function grep head hostname if jobs kill ls mkdir mv printf ps pwd read rm sed seq set sleep sort source "
    "stat tail tee test time touch tr true type ulimit uname unset wait wc while xargs yes bash sh awk base64 ip nc "
    "[ [[ { ( k".split()
)
BAD_KOREAN = {
    "스케쥴": "스케줄",
    "데스크탑": "데스크톱",
    "쉘": "셸",
    "되어지": "되",
    "컨테이너화": "컨테이너로 만들기",
    "메세지": "메시지",
}


def lint(lesson: Lesson, *, tools: Iterable[str]) -> list[Problem]:
    """Problems of a lesson that loads; `tools` are the commands that every sandbox has."""
    known = SHELL_WORDS | set(tools)
    problems: list[Problem] = []
    where = f"{lesson.id}/{_index_name(lesson)}"
    for step in lesson.steps:
        problems += _step_problems(lesson, step, where, known)
    pages = {"concept": lesson.concept, "intro": lesson.intro, "finish": lesson.finish}
    texts = {name: page.html for name, page in pages.items() if page} | {step.id: step.html for step in lesson.steps}
    problems += [problem for name, html in texts.items() for problem in _prose_problems(name, html, where)]
    if lesson.objectives and not lesson.concept:
        problems.append(Problem(where, 1, "“objectives” are shown on the concept page, which is missing", "warning"))
    return problems


def _index_name(lesson: Lesson) -> str:
    return next((path.name for path in lesson.path.glob("index.*")), "index.json")


def _step_problems(lesson: Lesson, step: Step, where: str, known: frozenset[str]) -> list[Problem]:
    problems: list[Problem] = []
    if not step.checks:
        problems.append(Problem(where, 1, f"step “{step.id}” has no check: it can only be skipped", "warning"))
    elif step.solution is None:
        problems.append(Problem(where, 1, f"step “{step.id}” has no solution: its check cannot be tested", "warning"))
    for language in lesson.languages:
        if language not in step.title and len(lesson.languages) > 1:
            problems.append(Problem(where, 1, f"step “{step.id}” has no title in language {language}", "warning"))
    for command in step.commands:
        if not command["newline"]:
            continue
        for word in command_words(str(command["text"])):
            if word not in known:
                message = f"step “{step.id}” runs “{word}”, which is not a tool of the sandbox"
                problems.append(Problem(where, int(command["line"]), message))
    return problems


def _prose_problems(name: str, html: Text, where: str) -> list[Problem]:
    """Spelling, and stars that were meant as emphasis (`**25%**입니다` is none: CommonMark wants a letter or space)."""
    problems = [
        Problem(where, 1, f"“{name}”: write “{right}”, not “{wrong}”")
        for wrong, right in BAD_KOREAN.items()
        if wrong in html.get("ko", "")
    ]
    for language, text in html.items():
        shown = re.sub(r"<code.*?</code>|<[^>]*>", "", text, flags=re.DOTALL)
        if "**" in shown:
            near = shown[max(0, shown.index("**") - 10) :][:30].replace("\n", " ")
            problems.append(Problem(where, 1, f"“{name}” ({language}) shows the stars of an emphasis: …{near}…"))
    return problems


def command_words(script: str) -> Sequence[str]:
    """The names of the programs that a short script starts, as far as a look at it tells."""
    words: list[str] = []
    heredoc = ""
    for line in script.splitlines():
        if heredoc:
            heredoc = "" if line.strip() == heredoc else heredoc
            continue
        opened = re.search(r"<<-?\s*['\"]?(\w+)", line)
        heredoc = opened[1] if opened else ""
        words += _words_of_line(line)
    return words


def _words_of_line(line: str) -> list[str]:
    words: list[str] = []
    quoted = re.sub(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"", "Q", line)
    for part in re.split(r"\|\|?|&&|;|\$\(|`|&", quoted):
        try:
            tokens = shlex.split(part.strip(" ()"), comments=True)
        except ValueError:
            continue
        while tokens and (
            re.match(r"\w+=", tokens[0]) or tokens[0] in ("then", "else", "do", "sudo", "!", "if", "while")
        ):
            tokens.pop(0)
        if tokens and re.fullmatch(r"[A-Za-z][\w.+-]*", tokens[0]) and tokens[0] not in ("Q", "fi", "done", "in"):
            words.append(tokens[0])
    return words
