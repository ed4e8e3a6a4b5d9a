from datetime import UTC, datetime

from sandbox.cluster.apiserver.tables import table
from sandbox.cluster.resources.all import CONFIGMAPS, PODS
from sandbox.cluster.resources.resource import Resource

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
CONFIG = {"metadata": {"name": "c", "creationTimestamp": "2026-01-01T11:59:00Z"}, "data": {"a": "1", "b": "2"}}


def test_rows_carry_metadata_only_unless_asked_otherwise():
    rows = {
        include: table(CONFIGMAPS, [CONFIG], now=NOW, metadata={}, include=include)["rows"][0]
        for include in ("Metadata", "Object", "None")
    }
    assert all(row["cells"] == ["c", 2, "60s"] for row in rows.values())
    metadata = CONFIG["metadata"]
    assert rows["Metadata"]["object"] == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
    }
    assert rows["Object"]["object"] == {"kind": "ConfigMap", "apiVersion": "v1", **CONFIG}
    assert rows["None"]["object"] is None


def test_a_table_names_its_columns_once():
    first = table(CONFIGMAPS, [CONFIG], now=NOW, metadata={"resourceVersion": "7"})
    assert first["kind"] == "Table"
    assert first["apiVersion"] == "meta.k8s.io/v1"
    assert first["metadata"] == {"resourceVersion": "7"}
    assert [c["name"] for c in first["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert table(CONFIGMAPS, [], now=NOW, metadata={}, columns=False)["columnDefinitions"] is None


def test_finished_pods_are_marked():
    pod = {"metadata": {"name": "p"}, "spec": {"containers": []}, "status": {"phase": "Succeeded"}}
    (row,) = table(PODS, [pod], now=NOW, metadata={})["rows"]
    assert row["conditions"][0]["type"] == "Completed"


def test_a_kind_without_cells_has_a_name_and_a_date():
    (row,) = table(Resource("Role", "roles"), [CONFIG], now=NOW, metadata={})["rows"]
    assert row["cells"] == ["c", "2026-01-01T11:59:00Z"]
