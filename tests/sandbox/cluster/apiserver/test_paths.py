import pytest

from sandbox.cluster.apiserver.paths import ResourcePath, parse


@pytest.mark.parametrize(
    ("path", "parsed"),
    [
        ("/api/v1/pods", ResourcePath("", "v1", "pods")),
        ("/api/v1/namespaces/a/pods/p", ResourcePath("", "v1", "pods", "a", "p")),
        ("/api/v1/namespaces/a/pods/p/", ResourcePath("", "v1", "pods", "a", "p")),
        ("/api/v1/namespaces/a/pods/p/log", ResourcePath("", "v1", "pods", "a", "p", "log")),
        ("/api/v1/namespaces", ResourcePath("", "v1", "namespaces")),
        ("/api/v1/namespaces/a", ResourcePath("", "v1", "namespaces", "", "a")),
        ("/api/v1/namespaces/a/status", ResourcePath("", "v1", "namespaces", "", "a", "status")),
        ("/api/v1/namespaces/a/finalize", ResourcePath("", "v1", "namespaces", "", "a", "finalize")),
        ("/api/v1/namespaces/a/services", ResourcePath("", "v1", "services", "a")),
        (
            "/apis/apps/v1/namespaces/a/deployments/d/scale",
            ResourcePath("apps", "v1", "deployments", "a", "d", "scale"),
        ),
        ("/apis/apps/v1/deployments", ResourcePath("apps", "v1", "deployments")),
        ("/api/v1/namespaces/a/pods/p:80/proxy/", ResourcePath("", "v1", "pods", "a", "p:80", "proxy", "/")),
        ("/api/v1/namespaces/a/pods/p/proxy/x/y", ResourcePath("", "v1", "pods", "a", "p", "proxy", "/x/y")),
        ("/api/v1/namespaces/a/pods/p/proxy", ResourcePath("", "v1", "pods", "a", "p", "proxy")),
        ("/api/v1/watch/namespaces/a/pods", ResourcePath("", "v1", "pods", "a", legacy_watch=True)),
        ("/api/v1/nodes/n", ResourcePath("", "v1", "nodes", "", "n")),
    ],
)
def test_resource_paths(path, parsed):
    assert parse(path) == parsed


@pytest.mark.parametrize(
    "path",
    ["/", "/api", "/api/v1", "/apis/apps/v1", "/version", "/healthz/ping", "/api/v1/", "/api/v1//pods",
     "/api/v1/namespaces//pods", "/api/v1/namespaces/a/pods/p/log/x", "", "//", "/apis/apps/v1/"],
)  # fmt: skip
def test_other_paths(path):
    assert parse(path) is None


def test_verbs():
    several, one = ResourcePath("", "v1", "pods", "a"), ResourcePath("", "v1", "pods", "a", "p")
    assert several.verb("GET", watch=False) == "list"
    assert several.verb("GET", watch=True) == "watch"
    assert several.verb("DELETE", watch=False) == "deletecollection"
    assert several.verb("POST", watch=False) == "create"
    assert one.verb("GET", watch=False) == "get"
    assert one.verb("DELETE", watch=False) == "delete"
    assert one.verb("HEAD", watch=False) == "get"
    assert one.verb("BREW", watch=False) == ""
