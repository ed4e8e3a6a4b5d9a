import tracemalloc

import pytest

from sandbox.cluster.api import build_schema, schema


def test_merge_keys_are_those_of_kubernetes():
    pod = ("spec", "template", "spec")
    assert schema.merge_key("apps", "v1", "Deployment", (*pod, "containers")) == "name"
    assert schema.merge_key("apps", "v1", "Deployment", (*pod, "containers", "ports")) == "containerPort"
    assert schema.merge_key("apps", "v1", "Deployment", (*pod, "tolerations")) == ""
    assert schema.merge_key("", "v1", "Service", ("spec", "ports")) == "port"
    assert schema.merge_key("", "v1", "Service", ("spec", "nothing", "there")) == ""
    assert schema.merge_key("stable.example.com", "v1", "CronTab", ("spec",)) == ""


def test_a_field_says_what_it_is():
    deployment = schema.kind("apps", "v1", "Deployment")
    spec = deployment.field("spec")
    assert (spec.field("replicas").type, spec.field("replicas").format) == ("integer", "int32")
    assert spec.required == ("selector", "template")
    assert spec.field("strategy").patch_strategy == "retainKeys"
    containers = spec.field("template").field("spec").field("containers")
    assert (containers.list_type, containers.map_keys) == ("map", ("name",))
    assert schema.go_type(containers) == "[]v1.Container"
    limits = containers.items().field("resources").field("limits")
    assert limits.values().type == schema.QUANTITY
    assert schema.go_type(schema.kind("", "v1", "ConfigMap").field("data")) == "map[string]string"
    assert spec.described()["replicas"].startswith("Number of desired pods.")
    assert schema.kinds_of(deployment.definition) == [("apps", "v1", "Deployment")]


def test_every_served_kind_has_a_schema():
    for group, version, kind in (("", "v1", "Pod"), ("apps", "v1", "ReplicaSet"), ("batch", "v1", "CronJob")):
        assert schema.kind(group, version, kind) is not None
    assert schema.kind("", "v1", "Nothing") is None


def test_building_replaces_the_file_in_one_step(tmp_path):
    target = tmp_path / "schema"
    assert build_schema.build(target) == build_schema.build(target) == target.stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == ["schema"]


def test_a_missing_file_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(schema, "FILE", tmp_path / "none")
    schema._data.cache_clear()
    with pytest.raises(schema.SchemaMissing, match="build_schema"):
        schema.preload()
    schema._data.cache_clear()


def test_it_takes_little_memory():
    schema._data.cache_clear()
    schema._fields.cache_clear()
    tracemalloc.start()
    schema.preload()
    schema.kind("apps", "v1", "Deployment").field("spec").field("template").field("spec")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 1_000_000
