from sandbox.cluster.resources.all import CONFIGMAPS, SECRETS


def causes(resource, new, old=None):
    return [f"{c['field']}: {c['message']}" for c in resource.validate(new, old)]


def test_text_becomes_data():
    secret = {"metadata": {"name": "s"}, "data": {"a": "Yg=="}, "stringData": {"a": "c", "d": "e"}}
    SECRETS.default(secret)
    assert secret == {"metadata": {"name": "s"}, "data": {"a": "Yw==", "d": "ZQ=="}, "type": "Opaque"}


def test_a_typed_secret_needs_its_keys():
    secret = {"metadata": {"name": "s"}, "type": "kubernetes.io/tls", "data": {"tls.crt": ""}}
    assert causes(SECRETS, secret) == ["data[tls.key]: Required value"]


def test_an_immutable_config_map_stays_as_it_is():
    old = {"metadata": {"name": "c"}, "data": {"a": "1"}, "immutable": True}
    new = {"metadata": {"name": "c"}, "data": {"a": "2"}, "immutable": True}
    assert causes(CONFIGMAPS, new, old) == ["data: Forbidden: field is immutable when `immutable` is set"]
    assert causes(CONFIGMAPS, old, old) == []


def test_bad_keys_and_too_much_data_are_refused():
    assert causes(CONFIGMAPS, {"metadata": {}, "data": {"a b": "1"}})[0].startswith(
        'data[a b]: Invalid value: "a b": a valid config key must consist of'
    )
    assert causes(CONFIGMAPS, {"metadata": {}, "data": {"a": "x" * 1048577}}) == [
        ": Too long: may not be more than 1048576 bytes"
    ]
