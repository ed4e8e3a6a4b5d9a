from datetime import UTC, datetime

import pytest

from sandbox.cluster.resources.printing import duration_text, label_text, listed, selector_text, since


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (185, "3m5s"),
        (600, "10m"),
        (124 * 60, "124m"),
        (3 * 3600, "3h"),
        (4 * 3600 + 180, "4h3m"),
        (30 * 3600 + 59, "30h"),
        (54 * 3600, "2d6h"),
        (45 * 86400, "45d"),
        (735 * 86400, "2y5d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_durations_read_as_kubectl_words_them(seconds, text):
    assert duration_text(seconds) == text


def test_an_unknown_time_has_no_age():
    assert since(None, datetime.now(UTC)) == "<unknown>"
    assert since("yesterday", datetime.now(UTC)) == "<unknown>"


def test_selectors_read_as_they_are_typed():
    expressions = [
        {"key": "b", "operator": "In", "values": ["y", "x"]},
        {"key": "c", "operator": "NotIn", "values": ["z"]},
        {"key": "d", "operator": "Exists"},
        {"key": "e", "operator": "DoesNotExist"},
    ]
    selector = {"matchLabels": {"a": "1"}, "matchExpressions": expressions}
    assert selector_text(selector) == "a=1,b in (x,y),c notin (z),d,!e"
    assert selector_text(None) == "<none>"
    assert label_text({"b": "2", "a": "1"}) == "a=1,b=2"


def test_long_lists_are_cut():
    assert listed(["a", "b", "c", "d", "e"], "<none>") == "a,b,c + 2 more..."
    assert listed([], "<none>") == "<none>"
