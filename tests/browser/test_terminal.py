"""The terminal in the page, as a learner meets it."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.conftest import Bench, watched


def test_start_gives_a_prompt_and_typing_echoes(bench: Bench) -> None:
    bench.start()
    bench.type("echo $((6 * 7))\n")
    bench.until_shown("\n42")
    bench.screenshot("prompt")


def test_a_run_button_replaces_a_half_typed_line(bench: Bench) -> None:
    bench.start()
    bench.type("rm -rf precious")
    bench.until_shown("precious")
    bench.run_button("echo hello").click()
    bench.until_shown("\nhello")
    assert "precious" not in bench.shown()


def test_a_block_of_several_lines_runs_as_one(bench: Bench) -> None:
    bench.start()
    bench.page.locator(".runnable.block button.run").first.click()
    bench.until_shown("\nAND A GOOD MORNING")


def test_reload_keeps_shell_and_scrollback(bench: Bench) -> None:
    bench.start()
    bench.type("mine=kept; seq 1 200\n")
    bench.until_shown("\n200")
    bench.until_prompt()
    bench.page.reload()
    bench.until_shown("\n200")
    assert "\n1\n2\n3\n" in bench.shown()
    bench.until_prompt()
    bench.type("echo $mine\n")
    bench.until_shown("\nkept")


def test_two_pages_share_a_shell(bench: Bench, faults: list[str]) -> None:
    bench.start()
    other = watched(bench.page.context.new_page(), bench.site, faults).open()
    other.until_prompt()
    bench.type("echo from-the-first\n")
    other.until_shown("\nfrom-the-first")
    other.type("echo from-the-second\n")
    bench.until_shown("\nfrom-the-second")


def test_ctrl_c_ends_a_flood(bench: Bench) -> None:
    bench.start()
    bench.type("yes a flood of words\n")
    bench.until(lambda: bench.shown().count("a flood of words") > 200, "no flood")
    bench.page.keyboard.press("Control+c")
    bench.until_prompt()
    bench.type("echo dry\n")
    bench.until_shown("\ndry")


def test_a_flood_is_never_far_ahead_of_the_screen(bench: Bench) -> None:
    """What the page has been given and has not drawn stays within the window."""
    bench.start()
    bench.type("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo all-of-it\n")
    most = 0

    def arrived() -> bool:
        nonlocal most
        most = max(most, int(bench.ask("bench.tabs.view.received - bench.tabs.view.drawn")))
        return "\nall-of-it" in bench.shown()

    bench.until(arrived, "the flood did not end")
    assert most <= 128 * 1024 + 64 * 1024


def test_a_cut_connection_loses_and_doubles_nothing(bench: Bench) -> None:
    bench.start()
    bench.type("for i in $(seq 1 400); do echo line-$i; sleep 0.004; done; echo over\n")
    for cut in (50, 150, 250):
        bench.until_shown(f"line-{cut}\n")
        bench.ask("bench.tabs.view.socket.socket.close()")
    bench.until_shown("\nover")
    numbers = [int(found) for found in re.findall(r"^line-(\d+)$", bench.shown(), re.MULTILINE)]
    assert numbers == list(range(1, 401))


def test_what_is_typed_during_a_cut_arrives(bench: Bench) -> None:
    bench.start()
    bench.ask("bench.tabs.view.socket.socket.close()")
    bench.type("echo typed-in-the-dark\n")
    bench.until_shown("\ntyped-in-the-dark")


def test_korean_is_composed_and_shown(bench: Bench) -> None:
    """As an input method does it: the syllables come through composition events."""
    bench.start()
    bench.type("echo ")
    keyboard = bench.page.context.new_cdp_session(bench.page)
    for syllable, steps in (("한", ("ㅎ", "하", "한")), ("글", ("ㄱ", "그", "글"))):
        for step in steps:
            keyboard.send("Input.imeSetComposition", {"text": step, "selectionStart": 1, "selectionEnd": 1})
        keyboard.send("Input.insertText", {"text": syllable})
    bench.page.keyboard.press("Enter")
    bench.until_shown("\n한글")


def test_korean_in_webkit_which_does_not_compose(new_bench: Callable[..., Bench]) -> None:
    """Safari sends insertText and insertReplacementText; the last letter typed must not replace the syllable before."""
    safari = "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15"
    bench = new_bench(user_agent=safari).start()
    bench.type("echo ")
    bench.page.evaluate(
        """() => {
          const area = document.querySelector('.xterm-helper-textarea');
          const press = (data, inputType) => {
            area.dispatchEvent(new KeyboardEvent('keydown', {key: data, keyCode: 229, bubbles: true}));
            area.dispatchEvent(new InputEvent('input', {data, inputType, bubbles: true, composed: true}));
          };
          press('ㅎ', 'insertText'); press('하', 'insertReplacementText'); press('한', 'insertReplacementText');
          press('ㄱ', 'insertText'); press('그', 'insertReplacementText'); press('글', 'insertReplacementText');
        }"""
    )
    bench.until_shown("한글")
    bench.page.keyboard.press("Enter")
    bench.until_shown("\n한글")


def test_ctrl_f6_leaves_the_terminal_and_tab_does_not(bench: Bench) -> None:
    bench.start()
    bench.ask("bench.tabs.view.focus()")
    bench.page.keyboard.press("Tab")
    expect(bench.page.locator(".xterm-helper-textarea")).to_be_focused()
    bench.page.keyboard.press("Control+F6")
    expect(bench.page.locator("#tab-1")).to_be_focused()


def test_tabs_are_reached_with_arrow_keys(bench: Bench) -> None:
    bench.start()
    bench.page.locator("#add-terminal").click()
    bench.until_prompt("2")
    bench.page.locator("#tab-2").focus()
    bench.page.keyboard.press("ArrowLeft")
    expect(bench.page.locator("#tab-1")).to_be_focused()
    expect(bench.page.locator("#tab-1")).to_have_attribute("aria-selected", "true")
    expect(bench.page.locator("#panel-2")).to_be_hidden()


def test_a_terminal_opened_elsewhere_shows_after_a_reload(bench: Bench) -> None:
    bench.start()
    bench.page.locator("#add-terminal").click()
    bench.until_prompt("2")
    bench.page.reload()
    expect(bench.page.locator("#tab-2")).to_be_visible()
    expect(bench.page.locator("#tab-1")).to_have_attribute("aria-selected", "true")


def test_ctrl_c_copies_what_is_selected_and_ctrl_v_pastes(new_bench: Callable[..., Bench]) -> None:
    bench = new_bench(permissions=["clipboard-read", "clipboard-write"]).start()
    bench.type("echo a-word-to-copy\n")
    bench.until_shown("\na-word-to-copy")
    bench.ask("bench.tabs.view.term.select(0, 1, 'a-word-to-copy'.length)")
    bench.page.keyboard.press("Control+c")
    bench.type("echo [")
    bench.page.keyboard.press("Control+v")
    bench.until_shown("echo [a-word-to-copy")


def test_a_paste_of_several_lines_is_asked_about(bench: Bench) -> None:
    bench.start()
    bench.type("bind 'set enable-bracketed-paste off'\n")
    bench.until(lambda: not bench.ask("bench.tabs.view.term.modes.bracketedPasteMode"), "still bracketed")
    bench.ask("void bench.tabs.view.paste('echo one\\necho “two”\\n')")
    expect(bench.page.locator("dialog.question pre")).to_have_text('echo one\necho "two"\n')
    bench.screenshot("paste")
    bench.page.locator("dialog.question .button").first.click()
    bench.type("echo three\n")
    bench.until_shown("\nthree")
    assert "two" not in bench.shown()


def test_questions_in_old_output_are_not_answered_again(bench: Bench) -> None:
    """Else the answer would be typed at the prompt after each reload."""
    bench.start()
    bench.type("printf '\\e[c\\e[6n'; sleep 0.2; read -t 0.2 -s -n 100 answer; clear; echo asked\n")
    bench.until_shown("asked")
    bench.until_prompt()
    bench.page.reload()
    bench.until_prompt()
    bench.type("echo clean\n")
    bench.until_shown("\nclean")
    assert "1;2c" not in bench.shown()


def test_the_input_line_types_for_who_cannot(bench: Bench) -> None:
    bench.start()
    line = bench.page.locator("#input-line textarea")
    line.fill("echo 안녕하세요")
    line.press("Enter")
    bench.until_shown("\n안녕하세요")
    expect(line).to_have_value("")
