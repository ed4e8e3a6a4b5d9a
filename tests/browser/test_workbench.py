"""The interactive page around the terminal."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Bench


def test_a_step_ticks_itself_and_says_what_is_missing(bench: Bench) -> None:
    bench.start()
    tasks = bench.page.locator("article:not([hidden]) .tasks > li")
    bench.type("echo hello\n")
    expect(tasks.nth(0)).to_have_class("done")
    bench.type("false\n")
    bench.page.locator("article:not([hidden]) [data-check]").click()
    # What was found comes out of the sandbox: it is shown as it is, never as markup.
    expect(tasks.nth(1).locator(".task-hint")).to_have_text("It said <b>x</b>.")
    bench.type("false() { true; }; \n")
    bench.until_prompt()
    bench.type("false\n")
    expect(bench.page.locator("#steps-nav [data-step=hello]")).to_have_class("passed")
    expect(bench.page.locator("#announcement")).to_contain_text("Say hello")
    bench.screenshot("step-passed")


def test_what_is_missing_is_said_without_covering_it(bench: Bench) -> None:
    bench.start()
    bench.type("false\n")
    bench.page.locator("article:not([hidden]) [data-check]").click()
    expect(bench.page.locator("#announcement")).to_have_class("announcement shown")
    bench.type("echo hello\n")
    expect(bench.page.locator("article:not([hidden]) .tasks > li").nth(0)).to_have_class("done")
    bench.ask("bench.steps.verdicts({step: 'hello', checks: [{passed: false, hint: 'Say it.'}]})")
    expect(bench.page.locator("#announcement")).to_have_text("Say it.")
    expect(bench.page.locator("#announcement")).to_have_class("announcement")


def test_a_lesson_can_be_started_at_any_step(bench: Bench) -> None:
    bench.open()
    expect(bench.page.locator("[data-action=start]")).to_have_text("Start")
    bench.go_to("two")
    expect(bench.page.locator("[data-action=start]")).to_have_text("Start at step 2")
    expect(bench.page.locator("#cover")).to_contain_text("The steps before it are done for you")
    bench.page.locator("[data-action=start]").click()
    bench.until_prompt()
    assert bench.ask("bench.attempt.state.step") == "two"
    bench.type("echo before\n")
    bench.until_shown("\nbefore")
    bench.page.locator("article:not([hidden]) .start-here").click()
    bench.page.locator("dialog.question .primary").click()
    bench.until(lambda: "before" not in bench.shown(), "the sandbox is still the old one")
    bench.until_prompt()


def test_progress_survives_a_reload(bench: Bench) -> None:
    bench.start()
    bench.go_to("two")
    bench.run_button("minikube start").click()
    expect(bench.page.locator("#steps-nav [data-step=two]")).to_have_class("passed")
    bench.page.reload()
    expect(bench.page.locator("#steps-nav [data-step=two]")).to_have_class("passed")
    expect(bench.page.locator("#steps-nav [data-step=two]")).to_have_attribute("aria-current", "step")


def test_a_running_program_is_named_and_can_be_stopped(bench: Bench) -> None:
    bench.start()
    bench.go_to("two")
    bench.run_button("sleep 100").click()
    bench.until(lambda: bench.ask("bench.tabs.doing.get('1')") == "sleep 100", "sleep does not run")
    bench.run_button("sleep 100").click()
    offer = bench.page.locator(".run-offer")
    expect(offer).to_contain_text("“sleep 100” is still running in terminal 1.")
    bench.screenshot("running")
    offer.get_by_role("button", name="Stop it and run").click()
    bench.until(lambda: bench.shown().count("sleep 100") == 2, "it was not stopped and run again")


def test_a_button_presses_a_control_key(bench: Bench) -> None:
    bench.start()
    bench.go_to("two")
    bench.run_button("sleep 100").click()
    bench.until(lambda: bench.ask("bench.tabs.doing.get('1')") == "sleep 100", "sleep does not run")
    bench.run_button("^C").click()
    bench.until_prompt()


def test_a_shell_inside_the_shell_takes_commands(bench: Bench) -> None:
    bench.start()
    bench.go_to("two")
    bench.type("bash\n")
    bench.until(lambda: bench.ask("bench.tabs.doing.get('1')") == "bash", "bash does not run")
    bench.type("PS1='inside$ '\n")
    bench.until_shown("\ninside$")
    bench.run_button("sleep 100").click()
    bench.until_shown("inside$ sleep 100")
    expect(bench.page.locator(".run-offer")).to_have_count(0)


def test_or_the_command_runs_in_a_new_tab(bench: Bench) -> None:
    bench.start()
    bench.go_to("two")
    bench.run_button("sleep 100").click()
    bench.until(lambda: bench.ask("bench.tabs.doing.get('1')") == "sleep 100", "sleep does not run")
    bench.run_button("sleep 100").click()
    bench.page.get_by_role("button", name="Run in a new tab").click()
    bench.until_shown("sleep 100", "2")
    expect(bench.page.locator("#tab-2")).to_have_attribute("aria-selected", "true")


def test_an_interrupting_button_stops_what_runs_first(bench: Bench) -> None:
    bench.start()
    bench.go_to("two")
    bench.run_button("sleep 100").click()
    bench.until(lambda: bench.ask("bench.tabs.doing.get('1')") == "sleep 100", "sleep does not run")
    bench.run_button("echo stopped").click()
    bench.until_shown("\nstopped")


def test_a_button_for_terminal_2_opens_it(bench: Bench) -> None:
    bench.start()
    bench.go_to("two")
    bench.run_button("echo second").click()
    bench.until_shown("\nsecond", "2")


def test_a_button_before_start_leads_to_start(bench: Bench) -> None:
    bench.open()
    bench.run_button("echo hello").click()
    expect(bench.page.locator("[data-action=start]")).to_be_focused()


def test_copy_works_without_the_clipboard_api(new_bench: Callable[..., Bench]) -> None:
    bench = new_bench(permissions=["clipboard-read"])
    bench.page.add_init_script("delete Navigator.prototype.clipboard")
    bench.open()
    bench.page.locator("button.copy").first.click()
    expect(bench.page.locator("button.copy").first).to_have_text("Copied")


def test_the_cluster_is_drawn_as_it_is(bench: Bench) -> None:
    bench.start()
    bench.go_to("two")
    expect(bench.page.locator("#picture .picture-notice")).to_contain_text("No cluster yet")
    bench.run_button("minikube start").click()
    pods = bench.page.locator("#picture .pod")
    expect(pods).to_have_count(5)
    expect(bench.page.locator("#picture .pod.failing")).to_contain_text("ImagePullBac")
    expect(bench.page.locator("#picture .picture-links path")).to_have_count(2)
    expect(bench.page.locator("#picture svg")).to_have_attribute(
        "aria-label", "Your cluster: nodes 1, pods 5, services 1"
    )
    bench.page.wait_for_timeout(500)
    bench.screenshot("picture")


def test_hostile_names_in_the_picture_stay_text(bench: Bench) -> None:
    bench.start()
    bench.ask(
        """bench.picture.update({nodes: [{name: '<img src=x onerror=alert(1)>', ready: true}],
          pods: [{namespace: 'd', name: '<script>', node: '<img src=x onerror=alert(1)>', phase: {}, images: 'none'}],
          services: 7, deployments: [{}]})"""
    )
    expect(bench.page.locator("#picture .node-label")).to_have_text("<img src=x onerror=alert(1)>")
    expect(bench.page.locator("#picture img")).to_have_count(0)


def test_another_running_lesson_is_named_and_replaced(bench: Bench, faults: list[str]) -> None:
    bench.start()
    bench.open("second")
    bench.page.locator("[data-action=start]").click()
    expect(bench.page.locator("dialog.question")).to_contain_text("“First steps at the quay” is using it now.")
    bench.screenshot("another-running")
    bench.page.get_by_role("button", name="End it and start here").click()
    bench.until_prompt()
    # The browser itself reports the refusal on its console; everything else must be silent.
    assert all("409" in fault for fault in faults)
    faults.clear()


def test_ending_says_so_and_starts_again(bench: Bench) -> None:
    bench.start()
    bench.type("echo before\n")
    bench.until_shown("\nbefore")
    bench.page.locator(".site-tools .menu").first.locator("summary").click()
    bench.page.locator("[data-do=end]").click()
    bench.page.locator("dialog.question .primary").click()
    expect(bench.page.locator("#cover h2")).to_have_text("The sandbox has ended")
    bench.screenshot("ended")
    bench.page.locator("[data-action=start]").click()
    bench.until_prompt()
    assert "before" not in bench.shown()


def test_the_page_starts_and_ticks_where_websockets_are_blocked(
    new_bench: Callable[..., Bench], faults: list[str]
) -> None:
    bench = new_bench()
    bench.page.route_web_socket("**/ws/**", lambda socket: socket.close())
    bench.open()
    bench.page.locator("[data-action=start]").click()
    expect(bench.page.locator("#cover")).to_be_hidden()
    expect(bench.page.locator("#connection")).to_have_text("Live connection blocked; asking every few seconds instead")
    expect(bench.page.locator(".terminal-badge")).to_be_visible()
    faults.clear()


def test_a_warning_counts_down_in_the_title_and_can_be_answered(bench: Bench) -> None:
    bench.start()
    bench.ask(
        """bench.attempt.take({...bench.attempt.state, sandbox: {...bench.attempt.sandbox,
          warning: {of: 'idle', ends: new Date(Date.now() + 272000).toISOString()}}})"""
    )
    expect(bench.page.locator("#warning")).to_contain_text("The sandbox ends in 4:")
    assert bench.page.title().startswith("⚠ 4:")
    bench.page.locator("[data-extend]").click()
    expect(bench.page.locator("#warning")).to_be_hidden()
    assert not bench.page.title().startswith("⚠")


def test_a_warning_is_counted_from_now_on_a_page_that_is_long_open(bench: Bench) -> None:
    bench.page.clock.install()
    bench.start()
    bench.page.clock.fast_forward(600_000)
    bench.ask(
        """bench.attempt.told({type: 'sandbox', sandbox: {...bench.attempt.sandbox,
          warning: {of: 'idle', ends: new Date(Date.now() + 272000).toISOString()}}})"""
    )
    expect(bench.page.locator("#warning")).to_contain_text("The sandbox ends in 4:")


def test_a_low_page_keeps_its_room_for_the_terminal(new_bench: Callable[..., Bench]) -> None:
    bench = new_bench(viewport={"width": 640, "height": 410})  # 1280 by 820 at 200 %
    bench.open()
    bench.page.locator("[data-pane-button=terminal]").last.click()
    bench.start_here()
    bench.type("minikube start\n")
    bench.until_prompt()
    expect(bench.page.locator("#picture")).to_be_hidden()
    assert bench.ask("bench.tabs.view.term.rows") >= 8


def test_the_splitter_moves_with_arrow_keys_and_is_remembered(bench: Bench) -> None:
    bench.open()
    bar = bench.page.locator("#splitter")
    bar.focus()
    bar.press("ArrowRight")
    expect(bar).to_have_attribute("aria-valuenow", "46")
    bench.page.reload()
    expect(bar).to_have_attribute("aria-valuenow", "46")


def test_the_text_is_whole_without_javascript(new_bench: Callable[..., Bench]) -> None:
    bench = new_bench(java_script_enabled=False)
    bench.page.goto(f"{bench.site}/harbour/first-steps/do/")
    expect(bench.page.locator("article h2")).to_have_text(["Say hello", "Two terminals", "Well done"])
    expect(bench.page.get_by_text("Two terminals", exact=True).last).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en-US", "ko-KR"])
def test_a_phone_shows_one_column_with_a_switch(new_bench: Callable[..., Bench], language: str, theme: str) -> None:
    bench = new_bench(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, locale=language, color_scheme=theme
    )
    bench.open()
    _nothing_sticks_out(bench.page)
    expect(bench.page.locator("#text-pane")).to_be_visible()
    expect(bench.page.locator("#terminals")).to_be_hidden()
    bench.screenshot(f"phone-text-{language}-{theme}")
    bench.page.locator(".narrow-start button").click()
    bench.page.locator("[data-action=start]").click()
    bench.until_prompt()
    assert bench.ask("bench.tabs.view.term.cols") >= 40
    bench.page.locator("#input-line textarea").fill("echo from-a-phone")
    bench.page.locator("#input-line button").click()
    bench.until_shown("\nfrom-a-phone")
    bench.page.locator("#key-row [data-key=up]").tap()
    bench.until(lambda: bench.shown().count("echo from-a-phone") == 2, "the arrow key did nothing")
    _nothing_sticks_out(bench.page)
    bench.screenshot(f"phone-terminal-{language}-{theme}")
    bench.page.locator(".pane-switch [data-pane-button=text]").click()
    bench.run_button("echo hello").click()
    bench.until_shown("\nhello")


def _nothing_sticks_out(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.scrollingElement.scrollTop === 0")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en-US", "ko-KR"])
def test_pages_in_both_languages_and_themes(new_bench: Callable[..., Bench], language: str, theme: str) -> None:
    bench = new_bench(locale=language, color_scheme=theme)
    page = bench.page
    for name, path in {"catalogue": "/", "course": "/harbour/", "concept": "/harbour/first-steps/"}.items():
        page.goto(bench.site + path)
        expect(page.locator("html")).to_have_attribute("lang", language[:2])
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        expect(page.locator("h1")).to_have_count(1)
        bench.screenshot(f"{name}-{language}-{theme}")
    bench.start()
    bench.run_button("echo hello").click()
    bench.until_shown("\nhello")
    bench.screenshot(f"workbench-{language}-{theme}")


def test_language_and_theme_are_switched_and_kept(bench: Bench) -> None:
    bench.page.goto(bench.site)
    bench.page.locator(".site-tools .menu summary").click()
    bench.page.locator("[data-choose-theme=dark]").click()
    expect(bench.page.locator("html")).to_have_attribute("data-theme", "dark")
    bench.page.get_by_role("button", name="한국어").click()
    expect(bench.page.locator("html")).to_have_attribute("lang", "ko")
    expect(bench.page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(bench.page.locator("h1")).to_have_text("직접 입력하며 배우세요")
