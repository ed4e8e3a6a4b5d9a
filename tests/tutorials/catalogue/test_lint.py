from pathlib import Path

import pytest

from tutorials.catalogue.lesson import Lesson, Step
from tutorials.catalogue.lint import command_words, lint


def lesson_with(**step: object) -> Lesson:
    fields: dict[str, object] = {"id": "one", "title": {"en": "One"}, "html": {"en": ""}, "commands": ()} | step
    return Lesson("l", Path("l"), {"en": "L"}, {}, ("en",), 5, (Step(**fields),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("kubectl get pods | grep x", ["kubectl", "grep"]),
        ("A=1 curl http://x && echo done", ["curl", "echo"]),
        ("export P=$(kubectl get pods -o name)\necho $P", ["export", "kubectl", "echo"]),
        ("cat <<EOF > f\nhelm not a command\nEOF\nls", ["cat", "ls"]),
        ("echo 'a; b | c'", ["echo"]),
    ],
)
def test_the_programs_of_a_command_are_found(script: str, words: list[str]) -> None:
    assert command_words(script) == words


def test_a_tool_that_no_sandbox_has_is_named() -> None:
    commands = [{"text": "helm install x", "terminal": 1, "newline": True, "line": 7}]
    problems = lint(lesson_with(commands=commands), tools=["kubectl"])
    assert ("“helm”" in problems[-1].message, problems[-1].line) == (True, 7)


def test_a_step_without_check_is_doubtful() -> None:
    assert "no check" in lint(lesson_with(), tools=[])[0].message


def test_korean_spelling_is_refused() -> None:
    assert any("셸" in problem.message for problem in lint(lesson_with(html={"ko": "쉘을 엽니다"}), tools=[]))


def test_emphasis_that_did_not_become_one_is_shown() -> None:
    html = {"ko": "<p>값은 **25%**입니다 <code>**</code></p>"}
    assert any("shows the stars" in problem.message for problem in lint(lesson_with(html=html), tools=[]))
    assert not any("stars" in p.message for p in lint(lesson_with(html={"ko": "<code>a ** b</code>"}), tools=[]))
