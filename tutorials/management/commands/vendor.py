"""Copies the front-end libraries that npm installed into static/vendor: no bundler, nothing third-party committed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

FILES = {
    "@xterm/xterm/lib/xterm.mjs": "xterm.mjs",
    "@xterm/xterm/css/xterm.css": "xterm.css",
    "@xterm/addon-fit/lib/addon-fit.mjs": "addon-fit.mjs",
    "@xterm/addon-search/lib/addon-search.mjs": "addon-search.mjs",
    "@xterm/addon-unicode11/lib/addon-unicode11.mjs": "addon-unicode11.mjs",
    "@xterm/addon-web-links/lib/addon-web-links.mjs": "addon-web-links.mjs",
    "@xterm/xterm/LICENSE": "xterm.LICENSE",
    "d2coding/fonts/d2coding-subset.woff2": "d2coding.woff2",
    "d2coding/fonts/d2coding-bold-subset.woff2": "d2coding-bold.woff2",
}
_SOURCE_MAP = re.compile(rb"\n//# sourceMappingURL=[^\n]*\s*\Z")


def copy_libraries(modules: Path, target: Path) -> list[str]:
    """Bring `target` up to date with `modules` and return the names of the files written.

    Raises FileNotFoundError when a library is not installed. A source map is not copied, so its mention goes too.
    """
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for source, name in FILES.items():
        content = _SOURCE_MAP.sub(b"\n", (modules / source).read_bytes())
        file = target / name
        if not file.exists() or file.read_bytes() != content:
            file.write_bytes(content)
            written.append(name)
    return written


class Command(BaseCommand):
    """`manage.py vendor`: run by `./quayside` after `npm ci`."""

    help = "Copy the front-end libraries from node_modules into static/vendor."
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Copy what is missing or old."""
        root = Path(settings.BASE_DIR)
        try:
            written = copy_libraries(root / "node_modules", root / "static" / "vendor")
        except FileNotFoundError as error:
            raise CommandError(f"{error.filename} is missing: run `npm ci --ignore-scripts` first.") from error
        if written:
            self.stdout.write(f"static/vendor: {', '.join(written)}")
