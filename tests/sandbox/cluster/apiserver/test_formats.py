import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cluster.api.errors import BadRequest, NotAcceptable
from sandbox.cluster.apiserver.formats import Accept, accept, load_json, load_yaml, render
from sandbox.cluster.apiserver.messages import Request

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def request(**headers):
    return Request("GET", "/", "/", {}, [(key.replace("_", "-"), value) for key, value in headers.items()], b"", None)


@given(VALUES)
def test_json_comes_back(value):
    assert load_json(json.dumps(value).encode()) == value


@given(st.dictionaries(st.text(), VALUES, max_size=3), st.booleans(), st.booleans())
def test_what_is_rendered_can_be_read(value, pretty, as_yaml):
    body, _ = render(value, Accept(pretty=pretty, yaml=as_yaml))
    assert (load_yaml(body) if as_yaml else load_json(body)) == value


@pytest.mark.parametrize("body", [b"NaN", b'{"a": Infinity}', b'{"a": -Infinity}', b"", b"{", b"[" * 10_000, b'"\xff"'])
def test_no_json(body):
    with pytest.raises(BadRequest):
        load_json(body)


def test_half_a_surrogate_pair_is_replaced():
    assert load_json(rb'{"a": "x\ud800y", "b": "\ud83d\ude00"}') == {"a": "x\ufffdy", "b": "\U0001f600"}


def test_nesting_has_a_limit():
    assert load_json(b"[" * 150 + b"]" * 150)
    with pytest.raises(BadRequest, match="exceeded max depth"):
        load_json(b"[" * 500 + b"]" * 500)


def test_yaml_dates_stay_what_was_written():
    assert load_yaml(b"a: 2026-01-02T03:04:05Z\nb: 2026-01-02\n") == {"a": "2026-01-02T03:04:05Z", "b": "2026-01-02"}


@pytest.mark.parametrize("body", [b"a: .nan", b"a: !!binary aGk=", b"? [a]\n: b", b"a: &x 1\nb: *x", b"a: !!set {b}"])
def test_yaml_that_is_no_json(body):
    with pytest.raises(BadRequest):
        load_yaml(body)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", Accept()),
        ("*/*", Accept()),
        ("application/vnd.kubernetes.protobuf,application/json", Accept()),
        ("application/yaml", Accept(yaml=True)),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Accept(view="Table")),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io", Accept(view="Table", version="v1beta1")),
        ("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", Accept()),
        ("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", Accept(aggregated="v2")),
    ],
)
def test_what_is_accepted(header, expected):
    assert accept(request(accept=header)) == expected


def test_nothing_that_we_have_is_accepted():
    with pytest.raises(NotAcceptable):
        accept(request(accept="application/xml"))
    with pytest.raises(NotAcceptable):
        accept(request(accept="application/vnd.kubernetes.protobuf"))
