import pytest

from sandbox.cluster.api import schema
from sandbox.cluster.api.errors import BadRequest, TooLarge
from sandbox.cluster.api.merge import PatchRefused, json_patch, merge_patch, strategic_merge

POD = {
    "metadata": {"name": "p", "labels": {"a": "1"}, "finalizers": ["x"]},
    "spec": {
        "containers": [{"name": "a", "image": "1", "env": [{"name": "E", "value": "1"}]}, {"name": "b", "image": "2"}],
        "tolerations": [{"key": "k"}],
    },
}


def merged(patch):
    return strategic_merge(POD, patch, schema.kind("", "v1", "Pod"))


def containers(patch):
    return merged({"spec": {"containers": patch}})["spec"]["containers"]


def test_lists_are_merged_by_key():
    changed = containers([{"name": "b", "image": "3"}, {"name": "c", "image": "4"}])
    assert [(one["name"], one["image"]) for one in changed] == [("a", "1"), ("b", "3"), ("c", "4")]
    assert POD["spec"]["containers"][1]["image"] == "2"


def test_deeper_lists_are_merged_too():
    changed = containers([{"name": "a", "env": [{"name": "F", "value": "2"}, {"name": "E", "$patch": "delete"}]}])
    assert changed[0]["env"] == [{"name": "F", "value": "2"}]


def test_directives():
    assert [one["name"] for one in containers([{"name": "a", "$patch": "delete"}])] == ["b"]
    assert containers([{"$patch": "replace"}, {"name": "z"}]) == [{"name": "z"}]
    assert merged({"metadata": {"$patch": "replace", "name": "q"}})["metadata"] == {"name": "q"}
    assert merged({"metadata": {"labels": None}})["metadata"] == {"name": "p", "finalizers": ["x"]}
    assert merged({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}})["metadata"]["finalizers"] == []
    assert merged({"metadata": {"finalizers": ["y"]}})["metadata"]["finalizers"] == ["x", "y"]
    order = {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}
    assert [one["name"] for one in merged({"spec": order})["spec"]["containers"]] == ["b", "a"]
    kept = merged({"spec": {"$retainKeys": ["containers"]}})
    assert list(kept["spec"]) == ["containers"]


def test_lists_without_key_are_replaced():
    assert merged({"spec": {"tolerations": [{"key": "z"}]}})["spec"]["tolerations"] == [{"key": "z"}]


def test_an_element_must_have_its_key():
    with pytest.raises(BadRequest, match="does not contain declared merge key: name"):
        containers([{"image": "x"}])


def test_merge_patch():
    assert merge_patch({"a": {"b": 1, "c": 2}}, {"a": {"b": None, "d": [1]}}) == {"a": {"c": 2, "d": [1]}}
    assert merge_patch({"a": [1]}, {"a": {"b": 1}}) == {"a": {"b": 1}}


def test_json_patch():
    patched = json_patch(POD, [{"op": "replace", "path": "/spec/containers/0/image", "value": "9"}])
    assert patched["spec"]["containers"][0]["image"] == "9"
    assert POD["spec"]["containers"][0]["image"] == "1"
    with pytest.raises(PatchRefused):
        json_patch(POD, [{"op": "remove", "path": "/nothing"}])
    with pytest.raises(PatchRefused):
        json_patch(POD, [{"op": "test", "path": "/metadata/name", "value": "q"}])
    with pytest.raises(BadRequest):
        json_patch(POD, {"op": "remove"})
    with pytest.raises(BadRequest):
        json_patch(POD, [{"op": "explode", "path": "/a"}])


def test_a_patch_cannot_explode():
    seed = {"a": ["x" * 1000] * 100}
    bomb = [{"op": "copy", "from": "/a", "path": "/a/0"}] * 40
    with pytest.raises(TooLarge):
        json_patch(seed, bomb)
