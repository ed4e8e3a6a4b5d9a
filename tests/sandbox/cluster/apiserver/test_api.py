"""The whole API over HTTP on its unix socket, without nodes: what a client sees."""

import json
import random
from pathlib import Path

import pytest

from sandbox.cluster.api.clock import SystemClock
from sandbox.cluster.apiserver.kind_schemas import KindSchemas
from sandbox.cluster.apiserver.messages import ADMIN, Request, Response, User
from sandbox.cluster.assembly import ControlPlane
from sandbox.cluster.config import ClusterConfig
from sandbox.cluster.resources.all import RESOURCES, SERVICEACCOUNTS

POD = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
PODS = "/api/v1/namespaces/default/pods"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


class Client:
    """Calls the handler as HTTP would."""

    def __init__(self, plane):
        self.plane = plane
        self.user = ADMIN

    async def __call__(self, method, target, body=None, **headers):
        path, _, query = target.partition("?")
        parameters = {}
        for pair in filter(None, query.split("&")):
            key, _, value = pair.partition("=")
            parameters.setdefault(key, []).append(value)
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        pairs = [(key.replace("_", "-"), value) for key, value in headers.items()]
        request = Request(method, target, path, parameters, pairs, data, self.user)
        response = await self.plane.api.handle(request)
        assert isinstance(response, Response)
        return response

    async def json(self, *arguments, **headers):
        response = await self(*arguments, **headers)
        return json.loads(response.body)

    async def status(self, *arguments, **headers):
        response = await self(*arguments, **headers)
        status = json.loads(response.body)
        assert status["kind"] == "Status"
        assert status["code"] == response.status
        return response.status, status["message"]


@pytest.fixture
async def client(tmp_path):
    config = ClusterConfig(data=tmp_path)
    plane = ControlPlane(config, address=("127.0.0.1", 8443), clock=SystemClock(), schemas=KindSchemas())
    plane.bootstrap()
    plane.registry.create(SERVICEACCOUNTS, {"metadata": {"name": "default"}}, namespace="default")
    yield Client(plane)
    plane.store.close()


async def test_an_object_comes_back_as_it_was_made(client):
    response = await client("POST", PODS, POD)
    made = json.loads(response.body)
    assert response.status == 201
    assert list(made) == ["kind", "apiVersion", "metadata", "spec", "status"]
    assert await client.json("GET", f"{PODS}/web") == made
    listed = await client.json("GET", PODS)
    assert (listed["kind"], listed["apiVersion"]) == ("PodList", "v1")
    # Items of typed lists have neither kind nor apiVersion.
    assert listed["items"] == [{key: made[key] for key in ("metadata", "spec", "status")}]


async def test_refusals(client):
    await client("POST", PODS, POD)
    assert await client.status("GET", f"{PODS}/nosuch") == (404, 'pods "nosuch" not found')
    assert await client.status("POST", PODS, POD) == (409, 'pods "web" already exists')
    assert await client.status("GET", "/api/v1/bogus") == (404, "the server could not find the requested resource")
    assert await client.status("GET", f"{PODS}?labelSelector=a==b=c") == (
        400,
        "found '=', expected: ',' or 'end of string'",
    )
    assert await client.status("GET", f"{PODS}?fieldSelector=bogus=1") == (400, "field label not supported: bogus")
    assert (await client.status("POST", f"{PODS}/web", POD))[0] == 405
    assert (await client.status("BREW", PODS))[0] == 405
    assert (await client.status("GET", PODS, accept="application/xml"))[0] == 406
    assert (await client.status("POST", PODS, POD, content_type="application/xml"))[0] == 415
    assert (await client.status("PATCH", f"{PODS}/web", {}, content_type="application/json"))[0] == 415
    assert (await client.status("POST", PODS, b"{"))[0] == 400
    assert (await client.status("POST", PODS, b"[]"))[0] == 400
    assert (await client.status("POST", PODS, b"[" * 100_000))[0] == 400
    assert (await client.status("POST", PODS, b'{"metadata": 1}'))[0] == 400
    assert (await client.status("POST", PODS, POD | {"kind": "Service"}))[0] == 400
    assert (await client.status("GET", "/api/v1/namespaces/default/nodes"))[0] == 404
    assert (await client.status("GET", f"{PODS}?limit=x"))[0] == 400
    assert (await client.status("GET", f"{PODS}?continue=x&limit=1"))[0] == 400
    assert (await client.status("GET", f"{PODS}?watch=1&sendInitialEvents=true"))[0] == 422


async def test_paths_that_are_nothing(client):
    for path in ("/apis/nosuch.io/v1", "/bogus", "/api/v9"):
        response = await client("GET", path)
        assert (response.status, response.body) == (404, b"404 page not found\n")


@pytest.mark.parametrize(
    "bomb",
    [
        b"a: &a [x]\nb: &b [*a,*a,*a]\n",
        b"kind: !!python/object/apply:os.system [id]\n",
        b"{" * 3000,
        b"a: 1\na: [",
        b"\xff\xfe",
    ],
)
async def test_yaml_that_means_harm(client, bomb):
    assert (await client.status("POST", PODS, bomb, content_type="application/yaml"))[0] == 400


async def test_yaml_bodies_and_answers(client):
    body = b"metadata: {name: web}\nspec:\n  containers:\n  - name: c\n    image: nginx\n"
    response = await client("POST", PODS, body, content_type="application/yaml", accept="application/yaml")
    assert response.status == 201
    assert response.content_type == "application/yaml"
    assert b"image: nginx" in response.body


async def test_people_get_indented_json_without_a_last_newline(client):
    response = await client("GET", f"{PODS}?pretty=true")
    assert response.body.startswith(b'{\n  "kind": "PodList",\n')
    assert not response.body.endswith(b"\n")
    assert (await client("GET", PODS, user_agent="curl/7.88.1")).body.startswith(b"{\n")
    assert (await client("GET", PODS, user_agent="kubectl/v1.33.1")).body.endswith(b"}\n")


async def test_tables_and_bare_metadata(client):
    await client("POST", PODS, POD)
    table = await client.json("GET", PODS, accept=TABLE)
    assert table["rows"][0]["cells"][0] == "web"
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    whole = await client.json("GET", f"{PODS}?includeObject=Object", accept=TABLE)
    assert whole["rows"][0]["object"]["spec"]["containers"][0]["name"] == "c"
    bare = await client.json("GET", PODS, accept="application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
    assert bare["kind"] == "PartialObjectMetadataList"
    assert "spec" not in bare["items"][0]


async def test_lists_come_in_pages(client):
    for number in range(5):
        await client("POST", PODS, POD | {"metadata": {"name": f"p{number}"}})
    names, token, pages = [], "", 0
    while pages == 0 or token:
        page = await client.json("GET", f"{PODS}?limit=2&continue={token}")
        names += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue", "")
        pages += 1
    assert (names, pages) == ([f"p{number}" for number in range(5)], 3)
    first = await client.json("GET", f"{PODS}?limit=2")
    assert first["metadata"]["remainingItemCount"] == 3


async def test_every_kind_of_patch(client):
    await client("POST", PODS, POD)
    path = f"{PODS}/web"

    async def patched(kind, patch):
        response = await client("PATCH", path, patch, content_type=f"application/{kind}")
        assert response.status == 200, response.body
        return json.loads(response.body)

    assert (await patched("merge-patch+json", {"metadata": {"labels": {"a": "b"}}}))["metadata"]["labels"] == {"a": "b"}
    image = {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}
    assert (await patched("strategic-merge-patch+json", image))["spec"]["containers"][0]["image"] == "nginx:2"
    operations = [{"op": "replace", "path": "/metadata/labels/a", "value": "c"}]
    assert (await patched("json-patch+json", operations))["metadata"]["labels"] == {"a": "c"}
    rename = {"metadata": {"name": "other"}}
    assert (await client.status("PATCH", path, rename, content_type="application/merge-patch+json"))[0] == 422


async def test_server_side_apply(client):
    path = "/api/v1/namespaces/default/configmaps/c"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}

    async def apply(query, data):
        return await client(
            "PATCH", f"{path}?{query}", body | {"data": data}, content_type="application/apply-patch+yaml"
        )

    assert (await apply("fieldManager=one", {"a": "1"})).status == 201
    assert (await apply("fieldManager=two", {"b": "2"})).status == 200
    assert (await apply("fieldManager=two", {"a": "3"})).status == 409
    assert (await apply("fieldManager=two&force=true", {"a": "3"})).status == 200
    # What `two` no longer applies is gone, what it took from `one` stays.
    assert (await client.json("GET", path))["data"] == {"a": "3"}
    assert (await apply("", {"a": "1"})).status == 400


async def test_dry_runs_change_nothing(client):
    assert (await client("POST", f"{PODS}?dryRun=All", POD)).status == 201
    assert (await client("GET", f"{PODS}/web")).status == 404
    assert (await client.status("POST", f"{PODS}?dryRun=Some", POD))[0] == 400


async def test_unknown_fields_are_refused_when_strict_and_warned_of_otherwise(client):
    wrong = POD | {"bogus": 1}
    code, message = await client.status("POST", f"{PODS}?fieldValidation=Strict", wrong)
    assert code == 400
    assert 'unknown field "bogus"' in message
    response = await client("POST", PODS, wrong)
    assert ("warning", '299 - "unknown field \\"bogus\\""') in response.headers


async def test_scale(client):
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": POD["spec"]}
    body = {"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}
    base = "/apis/apps/v1/namespaces/default/deployments"
    await client("POST", base, body)
    scale = await client.json("GET", f"{base}/web/scale")
    assert (scale["kind"], scale["spec"]) == ("Scale", {"replicas": 1})
    assert scale["status"]["selector"] == "app=web"
    patch = {"spec": {"replicas": 3}}
    await client("PATCH", f"{base}/web/scale", patch, content_type="application/merge-patch+json")
    assert (await client.json("GET", f"{base}/web"))["spec"]["replicas"] == 3
    wrong = {"spec": {"replicas": -1}}
    assert (await client.status("PATCH", f"{base}/web/scale", wrong, content_type="application/merge-patch+json"))[
        0
    ] == 422
    assert (await client.status("PUT", f"{base}/web/scale", {"spec": {"replicas": "x"}}))[0] == 400


async def test_binding_and_eviction(client):
    await client("POST", PODS, POD)
    target = {"target": {"kind": "Node", "name": "n1"}}
    assert (await client("POST", f"{PODS}/web/binding", target)).status == 201
    assert (await client.json("GET", f"{PODS}/web"))["spec"]["nodeName"] == "n1"
    assert (await client("POST", f"{PODS}/web/binding", target)).status == 409
    assert (await client("POST", f"{PODS}/web/eviction", {})).status == 201
    assert "deletionTimestamp" in (await client.json("GET", f"{PODS}/web"))["metadata"]


async def test_deleting(client):
    for name in ("a", "b"):
        await client("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": name}})
    gone = await client.json("DELETE", "/api/v1/namespaces/default/configmaps/a")
    assert (gone["status"], gone["details"]["name"]) == ("Success", "a")
    await client("DELETE", "/api/v1/namespaces/default/configmaps")
    assert (await client.json("GET", "/api/v1/namespaces/default/configmaps"))["items"] == []
    assert (await client.status("DELETE", "/api/v1/namespaces/default"))[0] == 403
    wrong = {"propagationPolicy": "Sideways"}
    assert (await client.status("DELETE", "/api/v1/namespaces/default/configmaps/a", wrong))[0] == 400


async def test_strangers_see_the_version_and_nothing_else(client):
    client.user = None
    assert (await client("GET", "/version")).status == 200
    assert (await client("GET", "/healthz")).body == b"ok"
    message = 'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group ""'
    assert await client.status("GET", PODS) == (403, f'{message} in the namespace "default"')
    assert (await client.status("GET", "/api/v1/nodes"))[0] == 403
    assert (await client.status("GET", PODS, authorization="Bearer nonsense"))[0] == 401
    assert (await client.status("GET", PODS, authorization="Basic eDp5"))[0] == 401


async def test_a_service_accounts_token_says_who_one_is(client):
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    made = await client.json("POST", f"{account}/token", {"spec": {"expirationSeconds": 3600}})
    token = made["status"]["token"]
    client.user = None
    bearer = {"authorization": f"Bearer {token}"}
    review = await client.json("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, **bearer)
    assert review["status"]["userInfo"]["username"] == "system:serviceaccount:default:default"
    code, message = await client.status("GET", PODS, **bearer)
    assert (code, "system:serviceaccount:default:default" in message) == (403, True)
    client.user = ADMIN
    await client("DELETE", account)
    client.user = None
    assert (await client.status("GET", PODS, **bearer))[0] == 401


async def test_impersonation_needs_the_right(client):
    code, message = await client.status("GET", PODS, impersonate_user="jane")
    assert (code, 'User "jane" cannot list' in message) == (403, True)
    client.user = User("jane", ("system:authenticated",))
    code, message = await client.status("GET", PODS, impersonate_user="admin")
    assert (code, 'cannot impersonate resource "users"' in message) == (403, True)


async def test_can_i(client):
    question = {"spec": {"resourceAttributes": {"verb": "create", "resource": "pods", "namespace": "default"}}}
    reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert (await client.json("POST", reviews, question))["status"]["allowed"] is True
    asked = await client.json("POST", reviews, question, impersonate_user="jane")
    assert asked["status"]["allowed"] is False


async def test_a_fault_of_ours_is_an_internal_error(client, monkeypatch):
    def fails(*_arguments, **_named):
        raise ZeroDivisionError

    monkeypatch.setattr(client.plane.registry, "stored", fails)
    code, message = await client.status("GET", f"{PODS}/web")
    assert (code, "ZeroDivision" in message) == (500, False)


async def test_logs_of_a_pod_without_node_are_empty(client):
    await client("POST", PODS, POD)
    response = await client("GET", f"{PODS}/web/log")
    assert (response.status, response.body, response.content_type) == (200, b"", "text/plain")
    assert (await client.status("GET", f"{PODS}/web/log?container=nosuch"))[0] == 400


async def test_the_proxy_of_a_service_without_endpoints(client):
    code, message = await client.status("GET", "/api/v1/namespaces/default/services/kubernetes:https/proxy/")
    assert (code, message) == (503, 'no endpoints available for service "kubernetes"')


async def test_discovery_agrees_with_what_is_served(client):
    for group in ("/api/v1", "/apis/apps/v1"):
        for entry in (await client.json("GET", group))["resources"]:
            if "/" in entry["name"] or "list" not in entry["verbs"]:
                continue
            assert (await client("GET", f"{group}/{entry['name']}")).status == 200, entry["name"]


RECORDED = json.loads((Path(__file__).parents[1] / "recordings" / "tables.json").read_text())
BITS = [
    "null",
    "true",
    "-1",
    "1.5",
    "1" + "0" * 30,
    '""',
    '"x"',
    '"\\ud800"',
    '"\\u0000"',
    "[]",
    "{}",
    "[null]",
    "[{}]",
]


def places(value, path=()):
    if path:
        yield path
    for key, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(one, (*path, key))


def damaged(obj, chance):
    """A copy with something in it replaced or left out."""
    copy = json.loads(json.dumps(obj))
    *way, last = chance.choice(list(places(copy)))
    inner = copy
    for step in way:
        inner = inner[step]
    if chance.random() < 0.2:
        del inner[last]
    else:
        inner[last] = json.loads(chance.choice(BITS))
    return copy


@pytest.mark.parametrize("resource", [r for r in RESOURCES if RECORDED.get(r.plural, {}).get("rows")], ids=str)
async def test_no_body_makes_the_server_fail(client, resource):
    chance = random.Random(resource.plural)
    whole = RECORDED[resource.plural]["rows"][0]["object"]
    metadata = {"name": "f", "labels": {"a": "b"}, "annotations": {}, "ownerReferences": []}
    path = f"/apis/{resource.group}/{resource.version}" if resource.group else "/api/v1"
    path += f"/namespaces/default/{resource.plural}" if resource.namespaced else f"/{resource.plural}"
    seen = set()
    for _ in range(40):
        body = damaged(whole | {"metadata": dict(metadata)}, chance)
        for method, target, kind in (
            ("POST", path, "json"),
            ("PUT", f"{path}/f", "json"),
            ("PATCH", f"{path}/f", "merge-patch+json"),
            ("PATCH", f"{path}/f", "strategic-merge-patch+json"),
            ("PATCH", f"{path}/f?fieldManager=x", "apply-patch+yaml"),
            ("DELETE", f"{path}/f", "json"),
        ):
            response = await client(method, target, body, content_type=f"application/{kind}")
            assert response.status < 500, (method, kind, body)
            seen.add(response.status)
    assert (await client("GET", path, accept=TABLE)).status == 200
    assert {201, 400} <= seen
