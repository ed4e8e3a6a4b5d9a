import copy

import pytest

from sandbox.cluster.resources.all import SERVICES


def service(**spec):
    made = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], "selector": {"app": "x"}} | spec}
    SERVICES.default(made)
    return made


def causes(new, old=None):
    return [f"{c['field']}: {c['message']}" for c in SERVICES.validate(new, old)]


def test_a_short_service_is_filled_in():
    spec = service()["spec"]
    assert spec["ports"] == [{"protocol": "TCP", "port": 80, "targetPort": 80}]
    assert (spec["type"], spec["sessionAffinity"], spec["internalTrafficPolicy"]) == ("ClusterIP", "None", "Cluster")
    assert "externalTrafficPolicy" not in spec
    assert service(type="NodePort")["spec"]["externalTrafficPolicy"] == "Cluster"
    assert service(type="LoadBalancer")["spec"]["allocateLoadBalancerNodePorts"] is True


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"ports": []}, "spec.ports: Required value"),
        (
            {"ports": [{"port": 70000, "targetPort": 80}]},
            "spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        ({"ports": [{"port": 1}, {"port": 2, "name": "b"}]}, "spec.ports[0].name: Required value"),
        (
            {"type": "Magic"},
            'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", '
            '"NodePort"',
        ),
        ({"type": "ExternalName"}, "spec.externalName: Required value"),
        (
            {"clusterIP": "nowhere"},
            'spec.clusterIPs[0]: Invalid value: "nowhere": '
            "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        ),
        (
            {"ports": [{"port": 80, "nodePort": 30080}]},
            "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
        ),
    ],
)
def test_what_is_refused_is_refused_in_the_words_of_kubernetes(spec, message):
    assert causes(service(**spec)) == [message]


def test_allocated_addresses_survive_an_apply_that_does_not_name_them():
    old = service(type="NodePort", clusterIP="10.96.0.7", clusterIPs=["10.96.0.7"])
    old["spec"]["ports"][0]["nodePort"] = 30123
    new = service(type="NodePort")
    SERVICES.prepare_update(new, old)
    assert new["spec"]["clusterIP"] == "10.96.0.7"
    assert new["spec"]["ports"][0]["nodePort"] == 30123
    back = copy.deepcopy(new)
    back["spec"]["type"] = "ClusterIP"
    SERVICES.prepare_update(back, old)
    assert "nodePort" not in back["spec"]["ports"][0]
    assert "externalTrafficPolicy" not in back["spec"]
    assert causes(back, old) == []


def test_an_address_is_not_changed():
    old = service(clusterIP="10.96.0.7", clusterIPs=["10.96.0.7"])
    new = service(clusterIP="10.96.0.8", clusterIPs=["10.96.0.8"])
    assert causes(new, old) == ['spec.clusterIPs[0]: Invalid value: "10.96.0.8": field is immutable']
