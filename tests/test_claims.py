"""What docs/security.md and docs/reliability.md claim names tests that exist."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CODE = "\n".join(path.read_text() for path in HERE.rglob("test_*.py"))


@pytest.mark.parametrize("document", ["security.md", "reliability.md"])
def test_every_test_that_a_claim_names_exists(document: str) -> None:
    text = (HERE.parent / "docs" / document).read_text()
    names = set(re.findall(r"\btest_\w+(?!\w|\.py|…)", text)) - set(re.findall(r"\btest_\w+(?=\.py)", text))
    names |= set(re.findall(r"(test_\w+)(?=…)", text))
    missing = [name for name in sorted(names) if f"def {name}" not in CODE]
    files = [path for path in set(re.findall(r"tests/[\w/.-]+?\.py", text)) if not (HERE.parent / path).is_file()]
    assert (missing, files) == ([], [])
    assert len(names) >= 10
