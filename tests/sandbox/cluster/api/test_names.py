import random

import pytest

from sandbox.cluster.api import names


def test_generated_names_fit():
    chance = random.Random(1)
    assert names.generated("web-", chance).startswith("web-")
    long = names.generated("x" * 80, chance)
    assert len(long) == 63
    assert set(long[58:]) <= set(names.ALPHABET)


@pytest.mark.parametrize("name", ["a", "a-b", "a.b-c", "1", "a" * 253])
def test_subdomains(name):
    assert names.subdomain_faults(name) == []


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a..b", "a" * 254])
def test_no_subdomains(name):
    assert names.subdomain_faults(name)


def test_services_begin_with_a_letter():
    assert names.label_1035_faults("a1") == []
    assert "start with an alphabetic character" in names.label_1035_faults("1a")[0]


@pytest.mark.parametrize("key", ["app", "example.com/app", "a_b.C"])
def test_label_keys(key):
    assert names.qualified_faults(key) == []


@pytest.mark.parametrize("key", ["bad key", "/a", "a/", "a/b/c", "x" * 64, "-a"])
def test_no_label_keys(key):
    assert names.qualified_faults(key)


def test_label_maps_name_key_and_value():
    causes = names.label_map_causes({"bad key": "x", "ok": "bad value"}, "metadata.labels")
    assert [cause["message"].split(":")[1] for cause in causes] == [' "bad key"', ' "bad value"']


def test_path_segments():
    assert names.path_segment_faults("system:node") == []
    assert names.path_segment_faults("a/b") == ["may not contain '/'"]
