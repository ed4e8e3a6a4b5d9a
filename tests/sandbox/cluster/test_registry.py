"""The registry's verbs, on kinds of its own and on real ones."""

from datetime import UTC, datetime

import pytest

from sandbox.cluster.api import schema
from sandbox.cluster.api.clock import SystemClock
from sandbox.cluster.api.deletion import DeleteOptions
from sandbox.cluster.api.errors import (
    AlreadyExists,
    ApplyConflict,
    BadRequest,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    ServerError,
)
from sandbox.cluster.api.objects import Key
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.all import CONFIGMAPS, DEPLOYMENTS, NAMESPACES, PODS
from sandbox.cluster.store import Store

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
POD = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
WEB = Key("default", "web")


class StoppedClock(SystemClock):
    def now(self):
        return NOW


@pytest.fixture
def registry():
    made = Registry(
        Store(),
        (NAMESPACES, PODS, CONFIGMAPS, DEPLOYMENTS),
        clock=StoppedClock(),
        merging=lambda resource: schema.kind(resource.group, resource.version, resource.kind),
    )
    made.create(NAMESPACES, {"metadata": {"name": "default"}})
    return made


def config(name="c", **data):
    return {"metadata": {"name": name}, "data": data}


def deployment(replicas=1, image="nginx"):
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": "web"}, "spec": spec}


def bound(registry, node="n"):
    registry.create(PODS, POD)
    registry.bind(PODS, WEB, node)


def test_resources_come_in_the_order_of_discovery(registry):
    assert list(registry.resources()) == [NAMESPACES, PODS, CONFIGMAPS, DEPLOYMENTS]


def test_the_server_sets_what_is_its_own(registry):
    pod = registry.create(PODS, {**POD, "metadata": {"name": "web", "uid": "mine", "generation": 7}})
    metadata = pod["metadata"]
    assert metadata["creationTimestamp"] == "2026-01-02T03:04:05Z"
    assert metadata["uid"] != "mine"
    assert metadata["resourceVersion"] == "2"
    assert (pod["kind"], pod["apiVersion"]) == ("Pod", "v1")
    assert list(pod) == ["kind", "apiVersion", "metadata", "spec", "status"]


def test_names_are_generated(registry):
    pods = [registry.create(PODS, {**POD, "metadata": {"generateName": "web-"}}) for _ in range(3)]
    names = {pod["metadata"]["name"] for pod in pods}
    assert len(names) == 3
    assert all(name.startswith("web-") and len(name) == 9 for name in names)


def test_refusals_at_creation(registry):
    registry.create(PODS, POD)
    with pytest.raises(AlreadyExists, match=r'^pods "web" already exists$'):
        registry.create(PODS, POD)
    with pytest.raises(NotFound, match=r'^namespaces "nowhere" not found$'):
        registry.create(PODS, POD, namespace="nowhere")
    with pytest.raises(BadRequest, match="should not be set on objects to be created"):
        registry.create(PODS, {**POD, "metadata": {"name": "x", "resourceVersion": "1"}})
    with pytest.raises(BadRequest, match="does not match the namespace"):
        registry.create(PODS, {**POD, "metadata": {"name": "x", "namespace": "other"}}, namespace="default")
    with pytest.raises(Invalid, match=r'Pod "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": a lowerc'):
        registry.create(PODS, {**POD, "metadata": {"name": "Bad_Name"}})


def test_a_dry_run_stores_nothing(registry):
    made = registry.create(PODS, POD, dry_run=True)
    assert made["metadata"]["uid"]
    assert registry.find(PODS, WEB) is None
    registry.create(PODS, POD)
    registry.delete_with(PODS, WEB, DeleteOptions(dry_run=True))
    assert registry.find(PODS, WEB) is not None


def test_an_update_must_know_the_version_it_changes(registry):
    registry.create(CONFIGMAPS, config(a="1"))
    first = registry.get(CONFIGMAPS, Key("default", "c"))
    second = registry.update(CONFIGMAPS, first | {"data": {"a": "2"}})
    assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    with pytest.raises(Conflict, match='fulfilled on configmaps "c": the object has been modified; please apply'):
        registry.update(CONFIGMAPS, first | {"data": {"a": "3"}})
    first["metadata"].pop("resourceVersion")
    assert registry.update(CONFIGMAPS, first | {"data": {"a": "3"}})["data"] == {"a": "3"}


def test_an_update_without_change_writes_nothing(registry):
    registry.create(CONFIGMAPS, config(a="1"))
    before = registry.revision
    registry.patch(CONFIGMAPS, Key("default", "c"), lambda obj: obj["data"].update(a="1"))
    assert registry.revision == before


def test_status_and_spec_do_not_mix(registry):
    registry.create(DEPLOYMENTS, deployment())
    registry.patch_status(DEPLOYMENTS, WEB, lambda obj: obj.update(status={"replicas": 1}, spec={}))
    changed = registry.patch(DEPLOYMENTS, WEB, lambda obj: (obj["spec"].update(replicas=3), obj.update(status={})))
    assert changed["status"] == {"replicas": 1}
    assert changed["spec"]["replicas"] == 3
    assert changed["metadata"]["generation"] == 2


def test_what_is_given_out_is_a_copy(registry):
    registry.create(CONFIGMAPS, config(a="1"))
    registry.get(CONFIGMAPS, Key("default", "c"))["data"]["a"] = "changed"
    assert registry.get(CONFIGMAPS, Key("default", "c"))["data"] == {"a": "1"}


def test_lists_select(registry):
    for name, labels in (("a", {"app": "x"}), ("b", {"app": "y"}), ("c", {})):
        registry.create(PODS, {**POD, "metadata": {"name": name, "labels": labels}})
    registry.bind(PODS, Key("default", "b"), "n1")
    names = lambda **how: [pod["metadata"]["name"] for pod in registry.list(PODS, **how)]  # noqa: E731
    assert names(labels="app") == ["a", "b"]
    assert names(labels={"matchLabels": {"app": "y"}}) == ["b"]
    assert names(fields="spec.nodeName=n1") == ["b"]
    assert names(fields="spec.nodeName!=n1") == ["a", "c"]
    assert names(fields="spec.nodeName=") == ["a", "c"]
    assert names(fields="metadata.name=c", namespace="default") == ["c"]
    with pytest.raises(BadRequest, match=r"^field label not supported: bogus$"):
        names(fields="bogus=1")


def test_a_bound_pod_ends_gracefully(registry):
    bound(registry)
    marked = registry.delete(PODS, WEB)
    assert marked["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:35Z"
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
    shortened = registry.delete(PODS, WEB, grace=5)
    assert shortened["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:10Z"
    longer = registry.delete(PODS, WEB, grace=60)
    assert longer["metadata"]["deletionGracePeriodSeconds"] == 5
    registry.delete(PODS, WEB, grace=0)
    assert registry.find(PODS, WEB) is None


def test_a_pod_without_node_vanishes_at_once(registry):
    registry.create(PODS, POD)
    registry.delete(PODS, WEB)
    assert registry.find(PODS, WEB) is None


def test_finalizers_keep_what_is_deleted(registry):
    registry.create(CONFIGMAPS, {"metadata": {"name": "c", "finalizers": ["example.com/wait"]}})
    key = Key("default", "c")
    registry.delete(CONFIGMAPS, key)
    assert "deletionTimestamp" in registry.get(CONFIGMAPS, key)["metadata"]
    with pytest.raises(Invalid, match="no new finalizers can be added if the object is being deleted"):
        registry.patch(CONFIGMAPS, key, lambda obj: obj["metadata"]["finalizers"].append("example.com/new"))
    registry.patch(CONFIGMAPS, key, lambda obj: obj["metadata"].update(finalizers=[]))
    assert registry.find(CONFIGMAPS, key) is None


@pytest.mark.parametrize(
    ("policy", "finalizers"), [("Orphan", ["orphan"]), ("Foreground", ["foregroundDeletion"]), ("Background", None)]
)
def test_propagation_policies(registry, policy, finalizers):
    registry.create(DEPLOYMENTS, deployment())
    registry.delete(DEPLOYMENTS, WEB, propagation=policy)
    left = registry.find(DEPLOYMENTS, WEB)
    assert (left and left["metadata"]["finalizers"]) == finalizers


def test_preconditions_of_a_deletion(registry):
    registry.create(PODS, POD)
    with pytest.raises(Conflict, match="UID in precondition: other"):
        registry.delete(PODS, WEB, uid="other")
    registry.delete(PODS, WEB, uid=registry.get(PODS, WEB)["metadata"]["uid"])


def test_a_terminating_namespace_takes_nothing_new(registry):
    registry.create(NAMESPACES, {"metadata": {"name": "going"}})
    registry.delete(NAMESPACES, Key("", "going"))
    namespace = registry.get(NAMESPACES, Key("", "going"))
    assert namespace["status"]["phase"] == "Terminating"
    with pytest.raises(Forbidden, match="because it is being terminated"):
        registry.create(PODS, POD, namespace="going")
    registry.amend(NAMESPACES, Key("", "going"), lambda obj: obj["spec"].update(finalizers=[]))
    assert registry.find(NAMESPACES, Key("", "going")) is None


def test_default_cannot_be_deleted(registry):
    with pytest.raises(Forbidden, match=r'^namespaces "default" is forbidden: this namespace may not be deleted$'):
        registry.delete(NAMESPACES, Key("", "default"))


def test_a_pod_is_bound_once(registry):
    bound(registry, "n1")
    with pytest.raises(Conflict, match='already assigned to node "n1"'):
        registry.bind(PODS, WEB, "n2")
    conditions = registry.get(PODS, WEB)["status"]["conditions"]
    assert [(one["type"], one["status"]) for one in conditions] == [("PodScheduled", "True")]


def test_watchers_are_called_and_can_begin_in_the_past(registry):
    seen = []
    stop = registry.watch(PODS, lambda change: seen.append((change.type, change.object["metadata"]["name"])))
    start = registry.revision
    registry.create(CONFIGMAPS, config())
    bound(registry)
    registry.delete(PODS, WEB, grace=0)
    stop()
    registry.create(PODS, POD)
    assert seen == [("ADDED", "web"), ("MODIFIED", "web"), ("DELETED", "web")]
    assert [change.type for change in registry.since(PODS, start)] == ["ADDED", "MODIFIED", "DELETED", "ADDED"]
    registry.store.compact()
    with pytest.raises(Gone, match=r"^too old resource version: 1 "):
        registry.since(PODS, 1)


def test_a_watcher_that_fails_does_not_undo_the_write(registry):
    def fails(_change):
        raise RuntimeError

    registry.watch(PODS, fails)
    assert registry.create(PODS, POD)["metadata"]["name"] == "web"


def test_managed_fields_say_who_set_what(registry):
    made = registry.create(DEPLOYMENTS, deployment(), manager="kubectl-create")
    scaled = registry.update(DEPLOYMENTS, made | {"spec": made["spec"] | {"replicas": 5}}, manager="kubectl-scale")
    fields = {entry["manager"]: entry["fieldsV1"]["f:spec"] for entry in scaled["metadata"]["managedFields"]}
    assert fields["kubectl-scale"] == {"f:replicas": {}}
    assert "f:replicas" not in fields["kubectl-create"]
    assert 'k:{"name":"c"}' in fields["kubectl-create"]["f:template"]["f:spec"]["f:containers"]


def test_apply_creates_changes_and_removes(registry):
    wanted = deployment(replicas=2)
    wanted["metadata"] |= {"namespace": "default", "labels": {"a": "1", "b": "2"}}
    _, created = registry.apply(DEPLOYMENTS, wanted, manager="me")
    assert created
    wanted["metadata"]["labels"] = {"a": "3"}
    applied, created = registry.apply(DEPLOYMENTS, wanted, manager="me")
    assert not created
    assert applied["metadata"]["labels"] == {"a": "3"}
    assert applied["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx"
    before = registry.revision
    registry.apply(DEPLOYMENTS, wanted, manager="me")
    assert registry.revision == before


def test_apply_finds_conflicts(registry):
    wanted = deployment(replicas=2)
    wanted["metadata"]["namespace"] = "default"
    registry.apply(DEPLOYMENTS, wanted, manager="me")
    other = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"replicas": 9}}
    message = 'Apply failed with 1 conflict: conflict with "me" using apps/v1: .spec.replicas'
    with pytest.raises(ApplyConflict) as refused:
        registry.apply(DEPLOYMENTS, other, manager="you")
    assert str(refused.value) == message
    applied, _ = registry.apply(DEPLOYMENTS, other, manager="you", force=True)
    assert applied["spec"]["replicas"] == 9
    # The first manager no longer owns it, so leaving it out later does not remove it.
    del wanted["spec"]["replicas"]
    applied, _ = registry.apply(DEPLOYMENTS, wanted, manager="me")
    assert applied["spec"]["replicas"] == 9


def test_a_full_store_says_so_in_etcds_words():
    small = Registry(Store(space=2000), (NAMESPACES, CONFIGMAPS))
    small.create(NAMESPACES, {"metadata": {"name": "default"}})
    with pytest.raises(ServerError, match=r"^etcdserver: mvcc: database space exceeded$"):
        small.create(CONFIGMAPS, config(a="x" * 3000))
