"""What pages with scripts need: an import map of our modules' addresses, and the words that scripts say."""

from __future__ import annotations

import json
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html, json_script
from django.utils.safestring import SafeString, mark_safe

from tutorials.page_texts import PAGE_TEXTS

register = template.Library()

OURS = (
    "attempt",
    "copy",
    "cover",
    "csp",
    "dialog",
    "http",
    "ime",
    "palette",
    "paste",
    "picture",
    "preferences",
    "runner",
    "socket",
    "splitter",
    "steps",
    "tabs",
    "terminal",
    "text",
    "warning",
    "workbench",
)
VENDORED = {
    "xterm": "vendor/xterm.mjs",
    "xterm-fit": "vendor/addon-fit.mjs",
    "xterm-search": "vendor/addon-search.mjs",
    "xterm-unicode11": "vendor/addon-unicode11.mjs",
    "xterm-web-links": "vendor/addon-web-links.mjs",
}


@register.simple_tag(takes_context=True)
def import_map(context: dict[str, Any]) -> SafeString:
    """The import map: bare names to (hashed) addresses, so that modules import each other without a bundler."""
    imports = {f"quayside/{name}": static(f"js/{name}.js") for name in OURS}
    imports |= {name: static(path) for name, path in VENDORED.items()}
    # Addresses of our own static files hold nothing that could end the element.
    content = mark_safe(json.dumps({"imports": imports}).replace("<", "\\u003c"))
    return format_html('<script type="importmap" nonce="{}">{}</script>', context["request"].csp_nonce, content)


@register.simple_tag
def page_texts() -> SafeString:
    """The scripts' words in the page's language."""
    return json_script({name: str(words) for name, words in PAGE_TEXTS.items()}, "page-texts")
