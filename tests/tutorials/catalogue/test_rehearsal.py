from xml.etree import ElementTree

from tutorials.catalogue.rehearsal import Outcome, junit, statements


def test_a_script_is_typed_statement_by_statement() -> None:
    script = "# note\nminikube start\n\nfor i in 1 2\ndo echo $i\ndone\ncat <<E > f\na b\nE\ncurl a \\\n  b\n"
    assert statements(script) == [
        "minikube start",
        "for i in 1 2\ndo echo $i\ndone",
        "cat <<E > f\na b\nE",
        "curl a \\\n  b",
    ]


def test_a_skipped_step_is_no_pass_in_the_report() -> None:
    report = junit([Outcome("l", "a", "passed", "", 1.0), Outcome("l", "b", "skipped", "no check", 0.0)])
    suite = ElementTree.fromstring(report)
    assert [len(case) for case in suite] == [0, 1]
    assert suite[1][0].tag == "skipped"
