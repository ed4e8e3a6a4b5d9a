"""Which ids a sandbox gets; never the host's root."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from sandbox.linux import idmap
from sandbox.linux.idmap import FIRST_BASE, RANGE, NoIds, OwnRange, SingleId, SubordinateRange


def test_every_slot_has_a_range_of_its_own() -> None:
    owners = [OwnRange().owner(slot) for slot in range(100)]
    assert len(set(owners)) == 100
    assert all(second - first == RANGE for first, second in itertools.pairwise(owners))
    assert max(owners) + RANGE < 2**31


@pytest.mark.parametrize("mapping", [OwnRange(first=0), SingleId(0, 0)])
def test_root_of_the_host_is_never_mapped(mapping: idmap.IdMapping) -> None:
    with pytest.raises(NoIds, match="never be the host's root"):
        mapping.write(os.getpid(), 0)


def test_on_a_host_the_usual_ranges_are_taken() -> None:
    assert idmap._own_range("         0          0 4294967295\n").first == FIRST_BASE


def test_inside_another_user_namespace_what_it_has_is_shared_out() -> None:
    found = idmap._own_range("0 100000 655360\n")
    assert (found.first, found.ranges) == (RANGE, 9)
    assert found.owner(8) + RANGE <= 655360
    assert found.owner(9) == found.owner(0)


def test_a_namespace_with_too_few_ids_is_refused() -> None:
    with pytest.raises(NoIds, match="131,072"):
        idmap._own_range("0 1000 1\n1 100000 65536\n")


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ("", None),
        ("other:100000:65536\n", None),
        ("4242:100000:65535\n", None),
        ("4242:100000:65536\n", (100000, 65536)),
        ("4242:1:2\n4242:100000:65536\n4242:300000:131072\n", (300000, 131072)),
        ("nonsense\n4242:x:y\n# 4242:1:99999\n", None),
    ],
)
def test_subordinate_ranges_are_read(tmp_path: Path, table: str, found: tuple[int, int] | None) -> None:
    path = tmp_path / "subuid"
    path.write_text(table)
    assert idmap.subordinate_range(path, 4242) == found


def test_a_missing_table_gives_nothing(tmp_path: Path) -> None:
    assert idmap.subordinate_range(tmp_path / "none", 4242) is None


def test_subordinate_slots_stay_in_the_range() -> None:
    mapping = SubordinateRange(100000, 200000, ranges=2)
    assert [mapping.owner(slot) for slot in range(3)] == [100000, 165536, 100000]


def test_identity_maps_keep_the_parents_extents() -> None:
    assert idmap.identity("0 1000 1\n1 100000 65535\n") == ["0 0 1", "1 1 65535"]


def test_root_chooses_ranges_of_its_own() -> None:
    assert isinstance(idmap.choose_mapping(), OwnRange)
