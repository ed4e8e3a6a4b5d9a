import random

import pytest

from sandbox.cluster.admission.service_addresses import ServiceAddresses
from sandbox.cluster.api.errors import Invalid
from sandbox.cluster.api.objects import Key
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.all import NAMESPACES, SERVICES
from sandbox.cluster.store import Store


@pytest.fixture
def registry():
    addresses = ServiceAddresses("10.96.0.0/12", (30000, 30003), chance=random.Random(1))
    made = Registry(Store(), (NAMESPACES, SERVICES), admission=(addresses,))
    made.create(NAMESPACES, {"metadata": {"name": "default"}})
    return made


def service(name="s", **spec):
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


def change(registry, name="s", **spec):
    return registry.patch(SERVICES, Key("default", name), lambda found: found["spec"].update(spec))["spec"]


def test_every_service_gets_an_address_of_its_own(registry):
    made = [registry.create(SERVICES, service(f"s{number}"))["spec"] for number in range(20)]
    addresses = {spec["clusterIP"] for spec in made}
    assert len(addresses) == 20
    assert all(address.startswith("10.") for address in addresses)
    assert all(spec["clusterIPs"] == [spec["clusterIP"]] for spec in made)


def test_an_address_can_be_chosen_once(registry):
    assert registry.create(SERVICES, service("a", clusterIP="10.96.0.10"))["spec"]["clusterIP"] == "10.96.0.10"
    taken = (
        r'spec.clusterIPs: Invalid value: \[\]string{"10.96.0.10"}: failed to allocate IP 10.96.0.10: provided IP is'
    )
    with pytest.raises(Invalid, match=taken):
        registry.create(SERVICES, service("b", clusterIP="10.96.0.10"))
    with pytest.raises(Invalid, match="is not in the valid range"):
        registry.create(SERVICES, service("b", clusterIP="192.168.1.1"))


def test_headless_and_external_services_have_none(registry):
    assert registry.create(SERVICES, service("a", clusterIP="None"))["spec"]["clusterIPs"] == ["None"]
    external = registry.create(SERVICES, service("b", type="ExternalName", externalName="example.com"))["spec"]
    assert "clusterIP" not in external


def test_node_ports(registry):
    first = registry.create(SERVICES, service("a", type="NodePort"))["spec"]["ports"][0]["nodePort"]
    assert 30000 <= first <= 30003
    other = next(port for port in range(30000, 30004) if port != first)
    chosen = registry.create(SERVICES, service("b", type="NodePort", ports=[{"port": 80, "nodePort": other}]))
    assert chosen["spec"]["ports"][0]["nodePort"] == other
    with pytest.raises(Invalid, match="provided port is already allocated"):
        registry.create(SERVICES, service("c", type="NodePort", ports=[{"port": 80, "nodePort": other}]))
    with pytest.raises(Invalid, match="The range of valid ports is 30000-30003"):
        registry.create(SERVICES, service("c", type="NodePort", ports=[{"port": 80, "nodePort": 80}]))


def test_a_service_keeps_what_it_has(registry):
    before = registry.create(SERVICES, service(type="NodePort"))["spec"]
    after = change(registry, ports=[{"port": 80, "targetPort": 8080}])
    assert after["clusterIP"] == before["clusterIP"]
    assert after["ports"][0]["nodePort"] == before["ports"][0]["nodePort"]


def test_changing_the_type_gives_and_takes_node_ports(registry):
    registry.create(SERVICES, service())
    assert change(registry, type="NodePort")["ports"][0]["nodePort"]
    assert "nodePort" not in change(registry, type="ClusterIP")["ports"][0]


def test_a_load_balancer_that_keeps_the_source_is_asked_for_its_health(registry):
    made = registry.create(SERVICES, service(type="LoadBalancer"))["spec"]
    assert "healthCheckNodePort" not in made
    port = change(registry, externalTrafficPolicy="Local")["healthCheckNodePort"]
    assert 30000 <= port <= 30003
    assert port != made["ports"][0]["nodePort"]
    assert change(registry, sessionAffinity="ClientIP")["healthCheckNodePort"] == port
    assert "healthCheckNodePort" not in change(registry, externalTrafficPolicy="Cluster")
