import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutorials.catalogue.macros import Macro, control_bytes, is_macro, lift_fence_macros, parse_macro


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("execute", Macro("run")),
        ("exec", Macro("run")),
        ("Execute", Macro("run")),
        ("execute T2", Macro("run", terminal=2)),
        ("execute HOST1", Macro("run", terminal=1)),
        ("execute interrupt T2", Macro("run", terminal=2, interrupt=True)),
        ("interrupt execute", Macro("run", interrupt=True)),
        ("execute no-newline", Macro("run", newline=False)),
        ("copy", Macro("copy")),
        ("", Macro("none")),
        ("exeute", Macro("run", unknown=("exeute",))),
    ],
)
def test_the_words_of_a_macro_mean_what_katacoda_meant(words: str, wanted: Macro) -> None:
    assert parse_macro(words) == wanted


@pytest.mark.parametrize("words", [".Values.x", "range .items", "TRAFFIC_HOST1_80"])
def test_a_template_is_no_macro(words: str) -> None:
    assert not is_macro(words)


@pytest.mark.parametrize(("written", "wanted"), [("^C", "\x03"), ("^ESC", "\x1b"), ("^L", "\x0c"), ("C", None)])
def test_control_sequences(written: str, wanted: str | None) -> None:
    assert control_bytes(written) == wanted


def test_a_macro_after_a_closing_fence_moves_to_the_opening_one() -> None:
    text = "a\n```bash\necho\n```{{execute T2}}\nb\n"
    assert lift_fence_macros(text) == "a\n```bash {{execute T2}}\necho\n```\nb\n"


def test_text_after_a_closing_fence_is_kept() -> None:
    assert lift_fence_macros("```\nx\n```{{copy}} then\n") == "``` {{copy}}\nx\n```\nthen\n"


@given(st.text(alphabet="`~{}execut \nab", max_size=200))
def test_lifting_never_fails(text: str) -> None:
    assert isinstance(lift_fence_macros(text), str)
