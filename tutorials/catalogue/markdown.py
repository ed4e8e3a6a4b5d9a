"""A lesson's Markdown made into the HTML that pages show: CommonMark, run and copy buttons, boxes, sanitised."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.anchors import anchors_plugin
from mdit_py_plugins.container import container_plugin
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from tutorials.catalogue.macros import MACRO, Macro, control_bytes, is_macro, lift_fence_macros, parse_macro

BOXES = ("note", "tip", "warning", "try")
FOLDED = {"hint": {"en": "Hint", "ko": "힌트"}, "solution": {"en": "Solution", "ko": "풀이"}}
_WORDS = {
    "run": {"en": "Run", "ko": "실행"},
    "run in": {"en": "Run in terminal {terminal}", "ko": "터미널 {terminal}에서 실행"},
    "copy": {"en": "Copy", "ko": "복사"},
}
_FORMATTER = HtmlFormatter(nowrap=True)
_TAGS = set(nh3.ALLOWED_TAGS) | {"button", "details", "summary", "figure", "figcaption", "kbd", "section", "input"}
_ATTRIBUTES = {
    "*": {"class", "id", "lang", "title"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height", "loading"},
    "button": {
        "type",
        "aria-label",
        "data-command",
        "data-terminal",
        "data-interrupt",
        "data-newline",
        "data-text",
        "data-control",
    },
    "pre": {"tabindex"},
    "td": {"align", "colspan", "rowspan"},
    "th": {"align", "colspan", "rowspan", "scope"},
    "details": {"open"},
    "ol": {"start"},
}


@dataclass
class Rendered:
    """A rendered text: safe HTML, its run buttons in order, and what its author should know."""

    html: str
    commands: list[dict[str, Any]] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)
    """(line, message)"""


def render(
    text: str,
    *,
    language: str = "en",
    link: Callable[[str], str] = lambda path: path,
    themed: Callable[[str], bool] = lambda path: False,
) -> Rendered:
    """Render one Markdown file; `link` turns a relative image or link path into an address.

    A picture that is `themed` draws itself for light and dark pages; the others get a light plate on a dark page.
    """
    rendered = Rendered("")
    markdown = _parser(language)
    tokens = markdown.parse(lift_fence_macros(text.replace("\r\n", "\n")))
    line = 1
    for token in tokens:
        line = token.map[0] + 1 if token.map else line
        if token.type == "fence":
            _mark_fence(token, rendered, line)
        elif token.type == "inline" and token.children:
            token.children = _mark_inline(token.children, rendered, line)
            _relink(token.children, link, themed)
    raw = markdown.renderer.render(tokens, markdown.options, {})
    rendered.html = nh3.clean(
        raw, tags=_TAGS, attributes=_ATTRIBUTES, link_rel="noopener noreferrer", url_schemes={"http", "https", "mailto"}
    )
    return rendered


def _parser(language: str) -> MarkdownIt:
    """HTML in a lesson is let through here because nh3 cleans the result."""
    markdown = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"])
    markdown.use(anchors_plugin, max_level=3, slug_func=slug)
    for name in BOXES:
        markdown.use(container_plugin, name, render=_box(name))
    for name, words in FOLDED.items():
        markdown.use(container_plugin, name, render=_folded(name, words.get(language, words["en"])))

    def fence(_self: object, tokens: Sequence[Token], index: int, *_rest: object) -> str:
        return _fence_html(tokens[index], language)

    def code(_self: object, tokens: Sequence[Token], index: int, *_rest: object) -> str:
        return _code_html(tokens[index], language)

    markdown.add_render_rule("fence", fence)
    markdown.add_render_rule("code_inline", code)
    return markdown


def slug(text: str) -> str:
    """An anchor that keeps Hangul."""
    return re.sub(r"[^0-9a-z가-힣]+", "-", text.lower()).strip("-") or "section"


def _box(name: str) -> Callable[..., str]:
    def draw(_self: object, tokens: Sequence[Token], index: int, *_rest: object) -> str:
        token = tokens[index]
        if token.nesting != 1:
            return "</div>\n"
        title = token.info.strip()[len(name) :].strip()
        head = f'<p class="box-title">{html.escape(title)}</p>\n' if title else ""
        return f'<div class="{name}">\n{head}'

    return draw


def _folded(name: str, word: str) -> Callable[..., str]:
    def draw(_self: object, tokens: Sequence[Token], index: int, *_rest: object) -> str:
        token = tokens[index]
        if token.nesting != 1:
            return "</details>\n"
        title = token.info.strip()[len(name) :].strip() or word
        return f'<details class="{name}"><summary>{html.escape(title)}</summary>\n'

    return draw


def _mark_fence(token: Token, rendered: Rendered, line: int) -> None:
    """Read the macro out of the info string into `token.meta`."""
    info = token.info
    found = MACRO.search(info)
    words = found[1] if found else " ".join(info.split()[1:])
    token.info = (info[: found.start()] if found else info).strip()
    if words and is_macro(words):
        _take(token, parse_macro(words), token.content.rstrip("\n"), rendered, line)


def _mark_inline(children: list[Token], rendered: Rendered, line: int) -> list[Token]:
    """Join each code span with the macro that follows it."""
    kept: list[Token] = []
    for token in children:
        previous = kept[-1] if kept else None
        if token.type in ("softbreak", "hardbreak"):
            line += 1
        if token.type == "text" and previous is not None and previous.type == "code_inline":
            found = MACRO.match(token.content)
            if found and is_macro(found[1]):
                _take(previous, parse_macro(found[1]), previous.content, rendered, line)
                token.content = token.content[found.end() :]
        kept.append(token)
    return kept


def _take(token: Token, macro: Macro, command: str, rendered: Rendered, line: int) -> None:
    for word in macro.unknown:
        rendered.problems.append((line, f"unknown word “{word}” in a {{{{…}}}} macro"))
    if macro.control:
        pressed = control_bytes(command)
        if pressed is None:
            rendered.problems.append((line, f"“{command}” is not a control sequence such as ^C"))
            return
        macro = Macro("run", macro.terminal, newline=False, control=True)
    token.meta = {"macro": macro, "command": command}
    if macro.action == "run":
        rendered.commands.append(
            {
                "text": control_bytes(command) if macro.control else command,
                "terminal": macro.terminal,
                "interrupt": macro.interrupt,
                "newline": macro.newline,
                "line": line,
            }
        )


def _relink(children: Sequence[Token], link: Callable[[str], str], themed: Callable[[str], bool]) -> None:
    for token in children:
        attribute = {"image": "src", "link_open": "href"}.get(token.type)
        if attribute is None:
            continue
        address = str(token.attrGet(attribute) or "")
        if address and not re.match(r"[a-z][a-z0-9+.-]*:|/|#", address, re.IGNORECASE):
            token.attrSet(attribute, link(address))
            if token.type == "image" and themed(address):
                token.attrSet("class", "themed")
        if token.type == "image":
            token.attrSet("loading", "lazy")


def _button(meta: MutableMapping[str, Any], language: str) -> str:
    macro: Macro = meta["macro"]
    command = html.escape(meta["command"], quote=True)
    if macro.action == "copy":
        word = _WORDS["copy"].get(language, "Copy")
        return (
            f'<button type="button" class="copy" data-text="{command}" aria-label="{word}: {command}">{word}</button>'
        )
    if macro.action != "run":
        return ""
    key = "run" if macro.terminal == 1 else "run in"
    word = _WORDS[key].get(language, _WORDS[key]["en"]).format(terminal=macro.terminal)
    extra = ' data-interrupt="1"' if macro.interrupt else ""
    extra += "" if macro.newline else ' data-newline="0"'
    extra += ' data-control="1"' if macro.control else ""
    return (
        f'<button type="button" class="run" data-command="{command}" data-terminal="{macro.terminal}"{extra} '
        f'aria-label="{word}: {command}">{word}</button>'
    )


def _code_html(token: Token, language: str) -> str:
    button = _button(token.meta, language) if token.meta else ""
    if not button:
        return f"<code>{html.escape(token.content)}</code>"
    words = " ".join(_unbroken(word) for word in token.content.split(" "))
    return f'<span class="runnable"><code>{words}</code>{button}</span>'


def _unbroken(word: str) -> str:
    """A word of a command; a browser would break `--image` after its hyphens."""
    escaped = html.escape(word)
    return f'<span class="word">{escaped}</span>' if "-" in word else escaped


def _fence_html(token: Token, language: str) -> str:
    name = token.info.split()[0].split("{")[0] if token.info.split() else ""
    body = html.escape(token.content)
    if name and name not in ("text", "plain", "output"):
        try:
            body = highlight(token.content, get_lexer_by_name(name, stripnl=False), _FORMATTER)
        except ClassNotFound:
            name = "text"
    kind = f"highlight language-{html.escape(name or 'text')}"
    # Long lines scroll, which a keyboard can do only with the focus on them.
    look = "output" if name == "output" else "code"
    block = f'<pre class="{look}" tabindex="0"><code class="{kind}">{body}</code></pre>'
    button = _button(token.meta, language) if token.meta else ""
    return f'<div class="runnable block">{block}{button}</div>\n' if button else block + "\n"
