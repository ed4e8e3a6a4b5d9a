"""Every kind's table against what a real Kubernetes v1.33 printed for the same objects."""

import copy
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.cluster.resources.all import (
    CONTROLLERREVISIONS,
    CRONJOBS,
    DAEMONSETS,
    JOBS,
    RESOURCES,
    STATEFULSETS,
)

RECORDED = json.loads((Path(__file__).parents[1] / "recordings" / "tables.json").read_text())
EVERY = tuple(dict.fromkeys((*RESOURCES, DAEMONSETS, STATEFULSETS, JOBS, CRONJOBS, CONTROLLERREVISIONS)))
NOW = datetime(2026, 11, 23, 16, 59, 39, tzinfo=UTC)  # when the tables were recorded


def normal(cell: object) -> object:
    """Recording took a few seconds: ages differ by that."""
    if isinstance(cell, str):
        cell = re.sub(r"^\d+s$", "AGE", cell)
        cell = re.sub(r"^(\d+) \(\d+s ago\)$", r"\1 (AGE ago)", cell)
        cell = re.sub(r"^\d+m(\d+s)?$", "AGE", cell)
    return cell


@pytest.mark.parametrize("resource", [r for r in EVERY if r.plural in RECORDED], ids=str)
def test_columns_are_those_of_kubernetes(resource):
    assert [[c.name, c.type, c.format, c.priority] for c in resource.columns] == RECORDED[resource.plural]["columns"]


@pytest.mark.parametrize("resource", [r for r in EVERY if RECORDED.get(r.plural, {}).get("rows")], ids=str)
def test_cells_are_those_of_kubernetes(resource):
    for row in RECORDED[resource.plural]["rows"]:
        assert [normal(c) for c in resource.cells(row["object"], NOW)] == [normal(c) for c in row["cells"]]
        assert list(resource.row_conditions(row["object"])) == (row["conditions"] or [])


def test_every_kind_is_named_once():
    assert len({(r.group, r.plural) for r in EVERY}) == len(EVERY)
    assert all(len(r.columns) > 1 and r.cells for r in EVERY)


@pytest.mark.parametrize("resource", [r for r in EVERY if RECORDED.get(r.plural, {}).get("rows")], ids=str)
def test_defaults_change_nothing_in_real_objects_not_even_their_order(resource):
    for row in RECORDED[resource.plural]["rows"]:
        ours = copy.deepcopy(row["object"])
        resource.default(ours)
        assert json.dumps(ours) == json.dumps(row["object"])
        assert list(resource.validate(ours, copy.deepcopy(ours))) == []
