"""The words that scripts say, and their translations."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings

from tests.messages import messages_in_sources
from tutorials.management.commands.compile_catalogue import read_entries
from tutorials.page_texts import PAGE_TEXTS

ROOT = Path(settings.BASE_DIR)
KOREAN = ROOT / "locale" / "ko" / "LC_MESSAGES" / "django.po"


def entries() -> dict[str, str]:
    """Korean by English, without the header."""
    found = {entry.source: entry.value() for entry in read_entries(KOREAN.read_text(encoding="utf-8"))}
    del found[""]
    return found


def test_every_message_has_a_korean_text() -> None:
    translated = entries()
    assert [message for message in messages_in_sources(ROOT) if not translated.get(message)] == []


def test_no_translation_is_left_over() -> None:
    assert sorted(set(entries()) - messages_in_sources(ROOT)) == []


def test_placeholders_are_the_same_in_both_languages() -> None:
    placeholder = re.compile(r"\{\w+\}|%\(\w+\)s")
    for english, korean in entries().items():
        assert sorted(placeholder.findall(english)) == sorted(placeholder.findall(korean)), english


def test_no_particle_stands_straight_after_a_variable() -> None:
    """Which particle is right depends on what the variable says."""
    particle = re.compile(r"(?:\}|\)s)[”\"']?(?:을|를|이|가|은|는|과|와|으로|로)(?=[\s.,]|$)")
    assert [korean for korean in entries().values() if particle.search(korean)] == []


def test_scripts_say_only_words_that_exist() -> None:
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "static" / "js").glob("*.js"))
    said = set(re.findall(r'\btext\(\s*"([a-z-]+)"', scripts))
    assert said
    assert said <= set(PAGE_TEXTS)
