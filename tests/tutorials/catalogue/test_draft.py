from pathlib import Path

import pytest

from tutorials.catalogue.draft import write_draft
from tutorials.catalogue.lint import lint
from tutorials.catalogue.reader import read_lesson
from tutorials.catalogue.source import Source


def test_a_new_lesson_reads_and_lints_clean(tmp_path: Path) -> None:
    write_draft(tmp_path / "mine")
    source = Source(tmp_path / "mine", root=tmp_path)
    lesson = read_lesson(source, link=str)
    assert lesson.languages == ("en", "ko")
    assert [*source.problems, *lint(lesson, tools=["kubectl"])] == []


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("x")
    with pytest.raises(FileExistsError, match="not empty"):
        write_draft(tmp_path)
