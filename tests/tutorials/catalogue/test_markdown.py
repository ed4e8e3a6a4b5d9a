import pytest

from tutorials.catalogue.markdown import render


def test_a_span_with_a_macro_gets_a_run_button() -> None:
    rendered = render("Type `kubectl get nodes`{{execute T2}} now")
    assert 'data-command="kubectl get nodes" data-terminal="2"' in rendered.html
    assert "{{" not in rendered.html
    assert [(each["text"], each["terminal"]) for each in rendered.commands] == [("kubectl get nodes", 2)]


def test_words_with_hyphens_stay_whole() -> None:
    assert '<code>ls <span class="word">--all</span></code>' in render("`ls --all`{{execute}}").html


def test_a_block_in_a_list_keeps_its_lines() -> None:
    rendered = render("1. do\n   ```\n   a\n   b\n   ```{{execute}}\n")
    assert rendered.commands[0]["text"] == "a\nb"
    assert 'data-command="a\nb"' in rendered.html


def test_words_in_the_info_string_are_a_macro() -> None:
    assert render("```bash execute interrupt\nls\n```\n").commands[0]["interrupt"] is True


def test_a_control_sequence_is_sent_without_enter() -> None:
    rendered = render("`^C`{{execute ctrl-seq}}")
    assert rendered.commands[0]["text"] == "\x03"
    assert 'data-control="1"' in rendered.html


@pytest.mark.parametrize("text", ["`{{ .Values.x }}`", "`a`{{ .b }}", "`a`{{}}"])
def test_what_is_no_command_gets_no_button(text: str) -> None:
    assert "<button" not in render(text).html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        "<a href='data:text/html,x'>a</a>",
        "<iframe src=//evil></iframe>",
        '<p style="position:fixed">x</p>',
        "`<script>`{{execute}}",
    ],
)
def test_hostile_html_is_cleaned(text: str) -> None:
    html = render(text).html.lower()
    assert not any(
        bad in html for bad in ("<script", "onerror=alert", 'href="javascript', "data:text", "<iframe", "style=")
    )


def test_boxes_and_folds_in_the_page_s_language() -> None:
    html = render("::: tip Remember\nx\n:::\n\n::: hint\ny\n:::\n", language="ko").html
    assert '<div class="tip">' in html
    assert "Remember" in html
    assert "<summary>힌트</summary>" in html


def test_relative_pictures_are_addressed_through_the_lesson() -> None:
    assert 'src="/c/l/files/a.svg"' in render("![x](a.svg)", link=lambda path: f"/c/l/files/{path}").html


def test_a_picture_that_knows_light_and_dark_is_marked() -> None:
    html = render("![x](a.svg) ![y](b.svg)", themed=lambda path: path == "a.svg").html
    assert [('class="themed"' in tag) for tag in html.split("<img")[1:]] == [True, False]


def test_an_unknown_word_is_reported_with_its_line() -> None:
    assert render("a\n\n`x`{{exeute}}").problems == [(3, "unknown word “exeute” in a {{…}} macro")]
