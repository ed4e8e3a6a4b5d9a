import pytest

from sandbox.cluster.kubelet.container_spec import command_line, hostname_of, pod_spec, security_context
from sandbox.cluster.kubelet.runtime import Image

IMAGE = Image("n", "i", "d", 1, entrypoint=("/entry",), command=("image", "args"))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ("/entry", "image", "args")),
        ({"args": ["mine"]}, ("/entry", "mine")),
        ({"command": ["run"]}, ("run",)),
        ({"command": ["run"], "args": ["$(A)"]}, ("run", "1")),
    ],
)
def test_what_replaces_what_in_the_command_line(spec, expected):
    assert command_line(spec, IMAGE, {"A": "1"}) == expected


def test_the_container_overrides_the_pods_security_context():
    pod = {"spec": {"securityContext": {"runAsUser": 1000, "fsGroup": 5, "windowsOptions": {}}}}
    merged = security_context(pod, {"securityContext": {"runAsUser": 2000, "privileged": True}})
    assert merged == {"runAsUser": 2000, "fsGroup": 5, "privileged": True}


def pod(name="web", **spec):
    return {"metadata": {"name": name, "namespace": "shop", "uid": "u"}, "spec": spec}


def made(**spec):
    return pod_spec(pod(**spec), node="minikube", cluster_dns="10.96.0.10", cluster_domain="cluster.local")


def test_host_names():
    assert hostname_of(pod()) == "web"
    assert hostname_of(pod(hostname="db-0")) == "db-0"
    assert hostname_of(pod("a" * 62 + "-" + "b" * 20)) == "a" * 62
    assert made(hostNetwork=True).hostname == "minikube"


def test_a_pod_asks_the_clusters_dns_first():
    spec = made(dnsPolicy="ClusterFirst", dnsConfig={"nameservers": ["192.0.2.1"], "searches": ["example.com"]})
    assert spec.nameservers == ("10.96.0.10", "192.0.2.1")
    assert spec.searches == ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.com")


def test_a_pod_may_have_a_dns_of_its_own():
    spec = made(dnsPolicy="None", dnsConfig={"nameservers": ["192.0.2.1"]})
    assert (spec.nameservers, spec.searches) == (("192.0.2.1",), ())


def test_host_aliases():
    assert made(hostAliases=[{"ip": "192.0.2.1", "hostnames": ["a", "b"]}]).hosts == {"192.0.2.1": ("a", "b")}


def test_a_subdomain_gives_a_full_name():
    assert made(hostname="web-0", subdomain="web").full_name == "web-0.web.shop.svc.cluster.local"
    assert made().full_name == ""
