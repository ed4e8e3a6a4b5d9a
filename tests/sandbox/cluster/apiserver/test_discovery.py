"""Discovery documents against those of a real Kubernetes, for the kinds that are served."""

import json
from pathlib import Path

from sandbox.cluster.apiserver import discovery
from sandbox.cluster.resources import reviews
from sandbox.cluster.resources.all import CRONJOBS, DAEMONSETS, DEPLOYMENTS, JOBS, RESOURCES, STATEFULSETS
from sandbox.cluster.resources.resource import Resource

RECORDED = json.loads((Path(__file__).parents[1] / "recordings" / "discovery.json").read_text())
REVIEWS = tuple(value for value in vars(reviews).values() if isinstance(value, Resource))
EVERY = (*{*RESOURCES, DAEMONSETS, STATEFULSETS, JOBS, CRONJOBS}, *REVIEWS)


def test_resource_lists_are_those_of_kubernetes():
    ours = {f"{r.group}/{r.version}" for r in EVERY}
    assert ours <= set(RECORDED)
    for served in ours:
        recorded = {entry["name"]: entry for entry in RECORDED[served]}
        for entry in discovery.resource_list(EVERY, *served.split("/"))["resources"]:
            assert entry == recorded[entry["name"]]


def test_aggregated_documents_are_those_of_kubernetes():
    for part, core in (("core", True), ("groups", False)):
        document = discovery.aggregated(EVERY, core=core)
        recorded = RECORDED["aggregated"][part]
        assert {k: v for k, v in document.items() if k != "items"} == {
            k: v for k, v in recorded.items() if k != "items"
        }
        wanted = {item["metadata"].get("name", ""): item for item in recorded["items"]}
        for item in document["items"]:
            same = wanted[item["metadata"].get("name", "")]
            assert item["metadata"] == same["metadata"]
            known = {entry["resource"]: entry for entry in same["versions"][0]["resources"]}
            assert item["versions"][0]["freshness"] == "Current"
            for entry in item["versions"][0]["resources"]:
                assert entry == known[entry["resource"]]


def test_groups_name_their_versions():
    assert discovery.group(RESOURCES, "apps") == RECORDED["group"]
    assert discovery.group(RESOURCES, "nosuch") is None
    assert discovery.group_list([DEPLOYMENTS])["groups"][0]["preferredVersion"]["groupVersion"] == "apps/v1"
    assert discovery.resource_list(RESOURCES, "apps", "v1beta1") is None
    assert discovery.api_versions("192.168.49.2:8443")["versions"] == ["v1"]
