import json

from sandbox.cluster.apiserver import openapi
from sandbox.cluster.apiserver.messages import ADMIN, Request
from sandbox.cluster.resources.all import DEPLOYMENTS, PODS, RESOURCES
from sandbox.cluster.resources.resource import Resource


def get(target, **headers):
    path, _, query = target.partition("?")
    parameters = dict([query.split("=")]) if query else {}
    given = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request("GET", target, path, {k: [v] for k, v in parameters.items()}, given, b"", ADMIN)


def test_the_index_leads_to_documents_with_every_served_kind():
    index = json.loads(openapi.answer(get("/openapi/v3"), RESOURCES).body)
    assert set(index["paths"]) >= {"api/v1", "apis/apps/v1"}
    served = set()
    for entry in index["paths"].values():
        response = openapi.answer(get(entry["serverRelativeURL"]), RESOURCES)
        assert ("cache-control", "public, immutable, max-age=31536000") in response.headers
        document = json.loads(response.body)
        schemas = document["components"]["schemas"]
        for schema in schemas.values():
            served |= {(g["group"], g["kind"]) for g in schema.get("x-kubernetes-group-version-kind", ())}
        references = set(json.dumps(schemas).split('"#/components/schemas/')[1:])
        assert {one.partition('"')[0] for one in references} <= set(schemas)
    assert {(r.group, r.kind) for r in RESOURCES} <= served


def test_lists_say_how_they_merge_and_patches_that_they_are_validated():
    document = json.loads(openapi.v3([PODS]))
    containers = document["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-patch-strategy"] == "merge"
    patch = document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"]
    assert "fieldValidation" in {parameter["name"] for parameter in patch["parameters"]}
    assert patch["x-kubernetes-group-version-kind"] == {"group": "", "kind": "Pod", "version": "v1"}


def test_a_known_tag_is_not_sent_again():
    tag = dict(openapi.answer(get("/openapi/v2"), RESOURCES).headers)["etag"]
    again = openapi.answer(get("/openapi/v2", if_none_match=tag), RESOURCES)
    assert (again.status, again.body) == (304, b"")


def test_version_two_comes_as_json_and_as_protobuf():
    plain = openapi.answer(get("/openapi/v2"), [DEPLOYMENTS])
    assert json.loads(plain.body)["definitions"]["io.k8s.api.apps.v1.Deployment"]["type"] == "object"
    packed = openapi.answer(get("/openapi/v2", accept=openapi.V2_PROTOBUF), [DEPLOYMENTS])
    assert packed.content_type == openapi.V2_PROTOBUF
    assert packed.body.startswith(b"\x0a\x032.0")


def test_unknown_documents_and_custom_kinds():
    assert openapi.answer(get("/openapi/v3/apis/nosuch/v1"), RESOURCES) is None
    assert openapi.answer(get("/openapi/v4"), RESOURCES) is None
    custom = Resource("CronTab", "crontabs", group="stable.example.com")
    schemas = json.loads(openapi.v3([custom]))["components"]["schemas"]
    assert schemas["com.example.stable.v1.CronTab"]["x-kubernetes-preserve-unknown-fields"] is True
