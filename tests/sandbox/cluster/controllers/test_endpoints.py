from sandbox.cluster.api.objects import Key
from sandbox.cluster.resources.all import ENDPOINTS, PODS, SERVICES

WEB = Key("default", "web")


def pod(name, **container):
    spec = {"containers": [{"name": "c", "image": "busybox", "command": ["sleep", "1"]} | container]}
    return {"metadata": {"name": name, "labels": {"app": "web"}}, "spec": spec}


def service(*ports, **spec):
    full = {
        "selector": {"app": "web"},
        "ports": list(ports) or [{"port": 80, "protocol": "TCP", "targetPort": 8080}],
    } | spec
    return {"metadata": {"name": "web", "labels": {"tier": "front"}}, "spec": full}


async def made(cluster, *objects):
    for resource, obj in objects:
        cluster.registry.create(resource, obj, namespace="default")
    await cluster.settle()
    return cluster.registry.find(ENDPOINTS, WEB)


async def test_a_service_without_pods_has_endpoints_without_addresses(cluster):
    endpoints = await made(cluster, (SERVICES, service()))
    assert "subsets" not in endpoints
    assert endpoints["metadata"]["labels"]["tier"] == "front"


async def test_ready_pods_are_addresses_and_others_are_not_ready_addresses(cluster):
    probe = {"tcpSocket": {"port": 1}, "periodSeconds": 5}
    endpoints = await made(
        cluster,
        (SERVICES, service()),
        (PODS, pod("a")),
        (PODS, pod("b", readinessProbe=probe)),
    )
    [subset] = endpoints["subsets"]
    [ready], [unready] = subset["addresses"], subset["notReadyAddresses"]
    assert ready == {
        "ip": cluster.pod("a")["status"]["podIP"],
        "nodeName": "minikube",
        "targetRef": {"kind": "Pod", "namespace": "default", "name": "a", "uid": cluster.pod("a")["metadata"]["uid"]},
    }
    assert unready["targetRef"]["name"] == "b"
    assert subset["ports"] == [{"port": 8080, "protocol": "TCP"}]


async def test_a_named_port_is_looked_up_in_each_pod(cluster):
    named = {"port": 80, "protocol": "TCP", "targetPort": "http", "name": "web"}
    endpoints = await made(
        cluster,
        (SERVICES, service(named)),
        (PODS, pod("a", ports=[{"name": "http", "containerPort": 8080}])),
        (PODS, pod("b", ports=[{"name": "http", "containerPort": 9090}])),
        (PODS, pod("c")),
    )
    ports = {subset["addresses"][0]["targetRef"]["name"]: subset["ports"] for subset in endpoints["subsets"]}
    assert ports == {
        "a": [{"name": "web", "port": 8080, "protocol": "TCP"}],
        "b": [{"name": "web", "port": 9090, "protocol": "TCP"}],
    }


async def test_a_terminating_pod_is_no_address(cluster):
    await made(cluster, (SERVICES, service()), (PODS, pod("a")))
    cluster.container("a").kill = lambda signal: None
    cluster.registry.delete(PODS, Key("default", "a"))
    await cluster.settle()
    assert "deletionTimestamp" in cluster.pod("a")["metadata"]
    assert "subsets" not in cluster.registry.get(ENDPOINTS, WEB)


async def test_endpoints_go_with_their_service(cluster):
    await made(cluster, (SERVICES, service()))
    cluster.registry.delete(SERVICES, WEB)
    await cluster.settle()
    assert cluster.registry.find(ENDPOINTS, WEB) is None


async def test_endpoints_of_a_service_without_selector_are_left_alone(cluster):
    by_hand = {
        "metadata": {"name": "web"},
        "subsets": [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 5432}]}],
    }
    endpoints = await made(cluster, (ENDPOINTS, by_hand), (SERVICES, service(selector={})))
    assert endpoints["subsets"][0]["addresses"] == [{"ip": "192.0.2.1"}]
