"""Every message of the interface, as Python sources and templates state it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

_NAMES = {"gettext", "gettext_lazy", "gettext_noop", "ngettext", "_"}
_TRANSLATE = re.compile(r"""\{% translate (["'])(.*?)\1""")
_BLOCK = re.compile(r"\{% blocktranslate[^%]*%\}(.*?)(?:\{% plural %\}.*?)?\{% endblocktranslate %\}", re.DOTALL)
_VARIABLE = re.compile(r"\{\{ *(\w+) *\}\}")


def messages_in_sources(root: Path) -> set[str]:
    """The English of every message."""
    found: set[str] = set()
    for path in (root / "tutorials").rglob("*.py"):
        found.update(_in_python(path.read_text(encoding="utf-8")))
    for path in (root / "templates").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        found.update(match[2] for match in _TRANSLATE.finditer(text))
        found.update(_VARIABLE.sub(r"%(\1)s", match[1]).strip() for match in _BLOCK.finditer(text))
    return found


def _in_python(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        first = node.args[0]
        if name in _NAMES and isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value
