"""Compiles the interface's translations (.po → .mo) without the gettext tools, which a host need not have."""

from __future__ import annotations

import ast
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

_KEYWORD = re.compile(r'(msgctxt|msgid_plural|msgid|msgstr(?:\[(\d+)\])?)\s+(".*")$')


class BadCatalogue(Exception):
    """A .po file cannot be read; the message names the line."""


@dataclass
class Entry:
    """One message as the file states it."""

    context: str | None = None
    source: str = ""
    plural: str | None = None
    translations: dict[int, str] = field(default_factory=dict)
    fuzzy: bool = False

    def key(self) -> str:
        """The message's key in a .mo file: context and plural are joined to it by control characters."""
        key = self.source if self.context is None else f"{self.context}\x04{self.source}"
        return key if self.plural is None else f"{key}\x00{self.plural}"

    def value(self) -> str:
        """The translations, joined as a .mo file wants them."""
        return "\x00".join(self.translations[number] for number in sorted(self.translations))

    def translated(self) -> bool:
        """Whether every form has a text and a person has approved it."""
        return bool(self.translations) and all(self.translations.values()) and not self.fuzzy


def read_entries(text: str) -> Iterator[Entry]:
    """The messages of a .po file, its header (an empty source) included."""
    entry, append = Entry(), _nowhere
    started = False
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if line.startswith("#"):
            if line.startswith("#,") and "fuzzy" in line:
                entry.fuzzy = True
            continue
        if not line:
            if started:
                yield entry
            entry, append, started = Entry(), _nowhere, False
            continue
        if line.startswith('"'):
            append(entry, _quoted(line, number))
            continue
        match = _KEYWORD.match(line)
        if match is None:
            raise BadCatalogue(f"line {number}: not a message: {line[:60]}")
        started = True
        append = _field(match[1].split("[")[0], int(match[2] or 0))
        append(entry, _quoted(match[3], number))
    if started:
        yield entry


def _nowhere(_entry: Entry, text: str) -> None:
    raise BadCatalogue(f"a text belongs to no message: {text[:60]}")


def _field(keyword: str, number: int) -> Any:
    """How a text is added to the field that `keyword` names."""

    def append(entry: Entry, text: str) -> None:
        if keyword == "msgctxt":
            entry.context = (entry.context or "") + text
        elif keyword == "msgid":
            entry.source += text
        elif keyword == "msgid_plural":
            entry.plural = (entry.plural or "") + text
        else:
            entry.translations[number] = entry.translations.get(number, "") + text

    return append


def _quoted(literal: str, number: int) -> str:
    try:
        return str(ast.literal_eval(literal))
    except (SyntaxError, ValueError) as error:
        raise BadCatalogue(f"line {number}: a broken string: {literal[:60]}") from error


def compile_entries(text: str) -> bytes:
    """The .mo file for a .po file's text; untranslated and fuzzy messages are left out."""
    messages = {entry.key().encode(): entry.value().encode() for entry in read_entries(text) if entry.translated()}
    keys = sorted(messages)
    table = 28  # the header: seven 32-bit words
    place = table + 16 * len(keys)
    key_rows, value_rows, body = b"", b"", b""
    for rows_are_keys in (True, False):
        for key in keys:
            content = key if rows_are_keys else messages[key]
            row = struct.pack("<II", len(content), place + len(body))
            body += content + b"\x00"
            if rows_are_keys:
                key_rows += row
            else:
                value_rows += row
    header = struct.pack("<IIIIIII", 0x950412DE, 0, len(keys), table, table + 8 * len(keys), 0, 0)
    return header + key_rows + value_rows + body


class Command(BaseCommand):
    """`manage.py compile_catalogue`: run by `./quayside` at set-up."""

    help = "Compile the interface's translations without gettext."
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Compile every catalogue whose .mo file is missing or differs."""
        for folder in settings.LOCALE_PATHS:
            for source in sorted(Path(folder).glob("*/LC_MESSAGES/*.po")):
                try:
                    compiled = compile_entries(source.read_text(encoding="utf-8"))
                except BadCatalogue as error:
                    raise CommandError(f"{source}: {error}") from error
                target = source.with_suffix(".mo")
                if not target.exists() or target.read_bytes() != compiled:
                    target.write_bytes(compiled)
                    self.stdout.write(f"{target.parent.parent.name}: compiled")
