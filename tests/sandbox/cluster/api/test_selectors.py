import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cluster.api.errors import BadRequest
from sandbox.cluster.api.selectors import as_string, from_map, from_object, parse_fields, parse_labels


@pytest.mark.parametrize(
    ("selector", "labels", "selected"),
    [
        ("", {}, True),
        ("app=web", {"app": "web"}, True),
        ("app==web", {"app": "db"}, False),
        ("app = web , tier!=db", {"app": "web"}, True),
        ("tier!=db", {"tier": "db"}, False),
        ("tier", {"tier": ""}, True),
        ("!tier", {"tier": ""}, False),
        ("!tier", {}, True),
        ("v in (1, 2)", {"v": "2"}, True),
        ("v notin (1,2)", {}, True),
        ("v in (1,2),app!=x", {"v": "1", "app": "x"}, False),
        ("v in ()", {"v": ""}, True),
        ("n>3", {"n": "4"}, True),
        ("n<3", {"n": "x"}, False),
        ("example.com/a=b", {"example.com/a": "b"}, True),
        ("app=", {"app": ""}, True),
    ],
)
def test_what_a_label_selector_selects(selector, labels, selected):
    assert parse_labels(selector).matches(labels) is selected


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("a==b=c", "found '=', expected: ',' or 'end of string'"),
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("a in b", "found 'b' expected: '('"),
        ("a,", "found '', expected: identifier after ','"),
    ],
)
def test_faults_have_kubernetes_sentences(selector, message):
    with pytest.raises(BadRequest) as refused:
        parse_labels(selector)
    assert str(refused.value) == message


@given(st.text(alphabet="ab=!(),<> in/.-", max_size=20))
def test_any_text_is_a_selector_or_refused(text):
    with contextlib.suppress(BadRequest):
        parse_labels(text).matches({"a": "b"})


def test_selector_objects():
    selector = {
        "matchLabels": {"app": "web"},
        "matchExpressions": [
            {"key": "v", "operator": "NotIn", "values": ["2", "1"]},
            {"key": "x", "operator": "Exists"},
        ],
    }
    assert from_object(selector).matches({"app": "web", "x": ""})
    assert not from_object(selector).matches({"app": "web", "x": "", "v": "1"})
    assert as_string(selector) == "app=web,v notin (1,2),x"
    assert from_object({}).matches({})
    assert not from_object(None).matches({})
    assert not from_map({}).matches({"a": "b"})
    with pytest.raises(BadRequest, match="is not a valid label selector operator"):
        from_object({"matchExpressions": [{"key": "a", "operator": "Like"}]})


def test_field_selectors():
    selector = parse_fields("status.phase=Running,spec.nodeName!=n1", ("status.phase", "spec.nodeName"))
    assert selector.matches({"status": {"phase": "Running"}, "spec": {}})
    assert not selector.matches({"status": {"phase": "Running"}, "spec": {"nodeName": "n1"}})
    assert selector.required("status.phase") == "Running"
    with pytest.raises(BadRequest, match=r"^field label not supported: bogus$"):
        parse_fields("bogus=1")
    with pytest.raises(BadRequest, match="invalid selector: 'x'; can't understand 'x'"):
        parse_fields("x")
