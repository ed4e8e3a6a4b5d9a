"""Translations compiled without gettext, read back by the standard library's gettext."""

from __future__ import annotations

import gettext
import io
from pathlib import Path

import pytest
from django.conf import settings

from tutorials.management.commands.compile_catalogue import BadCatalogue, compile_entries

HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n"Plural-Forms: nplurals=1; plural=0;\\n"\n'


def catalogue(text: str) -> gettext.GNUTranslations:
    return gettext.GNUTranslations(io.BytesIO(compile_entries(text)))


def test_messages_contexts_and_plurals() -> None:
    found = catalogue(
        HEADER
        + '\n# a remark\n#: a.py\nmsgid "Start"\nmsgstr "시작하기"\n'
        + '\nmsgid "a \\"quoted\\" "\n"line\\n"\nmsgstr "따옴표"\n'
        + '\nmsgctxt "bar"\nmsgid "Start"\nmsgstr "출발"\n'
        + '\nmsgid "{n} step"\nmsgid_plural "{n} steps"\nmsgstr[0] "{n}단계"\n'
    )
    assert found.gettext("Start") == "시작하기"
    assert found.gettext('a "quoted" line\n') == "따옴표"
    assert found.pgettext("bar", "Start") == "출발"
    assert found.ngettext("{n} step", "{n} steps", 5) == "{n}단계"


def test_what_is_not_translated_or_not_approved_stays_english() -> None:
    found = catalogue(HEADER + '\nmsgid "A"\nmsgstr ""\n\n#, fuzzy\nmsgid "B"\nmsgstr "비"\n')
    assert (found.gettext("A"), found.gettext("B")) == ("A", "B")


@pytest.mark.parametrize(
    ("broken", "said"),
    [('msgid "a', "line 1"), ("hello", "line 1: not a message"), ('"stray"', "belongs to no message")],
)
def test_a_broken_file_is_refused_with_its_line(broken: str, said: str) -> None:
    with pytest.raises(BadCatalogue, match=said):
        compile_entries(broken)


def test_the_sites_own_catalogue_compiles() -> None:
    for folder in settings.LOCALE_PATHS:
        for source in Path(folder).glob("*/LC_MESSAGES/*.po"):
            assert catalogue(source.read_text(encoding="utf-8")).gettext("Start") == "시작하기"
