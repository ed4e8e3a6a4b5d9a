"""The import map."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

from django.conf import settings

from tutorials.management.commands.vendor import FILES
from tutorials.templatetags.quayside import OURS, VENDORED, import_map, page_texts

SCRIPTS = Path(settings.BASE_DIR) / "static" / "js"
CLASSIC = {"theme"}
"""Scripts that are no modules."""


def test_the_map_names_every_module_and_no_other() -> None:
    assert set(OURS) == {path.stem for path in SCRIPTS.glob("*.js")} - CLASSIC
    assert {path.removeprefix("vendor/") for path in VENDORED.values()} <= set(FILES.values())


def test_every_import_is_in_the_map() -> None:
    names = {f"quayside/{name}" for name in OURS} | set(VENDORED)
    for path in SCRIPTS.glob("*.js"):
        for name in re.findall(r'from "([^"]+)"', path.read_text(encoding="utf-8")):
            assert name in names, f"{path.name} imports {name}"


def test_the_map_carries_the_nonce() -> None:
    html = import_map({"request": SimpleNamespace(csp_nonce="n0nce")})
    match = re.fullmatch(r'<script type="importmap" nonce="n0nce">(.*)</script>', html)
    assert match
    assert json.loads(match[1])["imports"]["quayside/socket"].endswith("/js/socket.js")


def test_the_words_are_in_the_page() -> None:
    assert '"start": "Start"' in page_texts()
