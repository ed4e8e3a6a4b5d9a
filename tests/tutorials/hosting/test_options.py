from pathlib import Path

import pytest

from tutorials.hosting.options import parse


def test_it_binds_to_loopback_unless_told_otherwise() -> None:
    options = parse([])
    assert (options.bind, options.port, options.loopback) == ("127.0.0.1", 8000, True)
    assert options.url == "http://localhost:8000/"
    assert options.all_origins() == ["http://localhost:8000", "http://127.0.0.1:8000"]


def test_origins_that_are_given_are_the_only_ones() -> None:
    options = parse(["--bind", "0.0.0.0", "--origin", "https://class.example.org"])
    assert options.all_origins() == ["https://class.example.org"]
    assert options.url == "https://class.example.org/"


def test_lessons_may_be_named_often(tmp_path: Path) -> None:
    assert len(parse(["--lessons", str(tmp_path), "--lessons", str(tmp_path)]).lessons) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "0"], "is no port"),
        (["--port", "http"], "is no port"),
        (["--bind", "example.org"], "is no address"),
        (["--origin", "class.example.org"], "is no origin"),
        (["--origin", "http://a/b"], "is no origin"),
        (["--lessons", "/nowhere/at/all"], "there is no folder"),
        (["--what"], "unrecognized"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
