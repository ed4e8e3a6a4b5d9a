from __future__ import annotations

from tutorials.limits import Limit

THREE = Limit("test", times=3, seconds=60)


def test_what_is_beyond_the_limit_waits_for_the_next_window() -> None:
    assert [THREE.spend("a", now=120.0) for _ in range(4)] == [0, 0, 0, 60]
    assert THREE.spend("a", now=165.0) == 15
    assert THREE.spend("a", now=180.0) == 0


def test_each_has_their_own() -> None:
    for _ in range(4):
        THREE.spend("a", now=0.0)
    assert THREE.spend("b", now=0.0) == 0


def test_asking_counts_nothing() -> None:
    for _ in range(10):
        assert THREE.exhausted("a", now=0.0) == 0
    for _ in range(3):
        THREE.spend("a", now=0.0)
    assert THREE.exhausted("a", now=0.0) == 60
