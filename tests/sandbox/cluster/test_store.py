"""The store: revisions, compare-and-swap, indexes, history, and nothing acknowledged is lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.cluster.api.objects import Key
from sandbox.cluster.store import Changed, Compacted, Exists, Full, Indexed, Missing, Store, TooLarge

ROOT = Path(__file__).resolve().parents[3]


def body(text="{}", **indexed):
    return lambda revision: (text.replace("REV", str(revision)).encode(), Indexed(**{"uid": "u", **indexed}))


def test_a_write_is_seen_and_counts_the_revision(tmp_path):
    store = Store(tmp_path / "db")
    first = store.create("pods", Key("a", "x"), body('{"r":REV}'))
    assert (first.revision, first.body) == (1, b'{"r":1}')
    second = store.update("pods", Key("a", "x"), body('{"r":REV}'), expected=1)
    assert store.find("pods", Key("a", "x")) == second
    assert store.revision == 2


def test_compare_and_swap():
    store = Store()
    key = Key("a", "x")
    with pytest.raises(Missing):
        store.update("pods", key, body(), expected=1)
    store.create("pods", key, body())
    with pytest.raises(Exists):
        store.create("pods", key, body())
    with pytest.raises(Changed):
        store.update("pods", key, body(), expected=7)
    with pytest.raises(Changed):
        store.delete("pods", key, body(), expected=7)
    store.delete("pods", key, body(), expected=1)
    assert store.find("pods", key) is None


def test_an_encoder_that_fails_changes_nothing():
    store = Store()

    def fails(_revision):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.create("pods", Key("a", "x"), fails)
    assert store.revision == 0
    assert store.find("pods", Key("a", "x")) is None


def test_lists_are_sorted_and_indexed():
    store = Store()
    store.create("pods", Key("b", "y"), body(node="n1", owners=("o1",)))
    store.create("pods", Key("a", "z"), body(node="n2", owners=("o1", "o2")))
    store.create("pods", Key("a", "x"), body(node="n1"))
    names = lambda found: [one.key.name for one in found]  # noqa: E731
    assert names(store.select("pods")) == ["x", "z", "y"]
    assert names(store.select("pods", namespace="a")) == ["x", "z"]
    assert names(store.select("pods", node="n1")) == ["x", "y"]
    assert names(store.select("pods", owner="o1")) == ["z", "y"]
    assert names(store.select("pods", owner="o1", namespace="b")) == ["y"]
    assert [(name, one.key.name) for name, one in store.owned_by("o2")] == [("pods", "z")]
    store.update("pods", Key("a", "z"), body(node="n1"), expected=2)
    assert names(store.select("pods", owner="o1")) == ["y"]
    assert names(store.select("pods", node="n1")) == ["x", "z", "y"]


def test_history_is_replayed_until_it_is_compacted():
    store = Store()
    seen = []
    stop = store.listen(seen.append)
    store.create("pods", Key("a", "x"), body())
    store.create("nodes", Key("", "n"), body())
    store.update("pods", Key("a", "x"), body('{"v":2}'), expected=1)
    stop()
    store.delete("pods", Key("a", "x"), body(), expected=3)
    assert [(event.type, event.revision) for event in seen] == [("ADDED", 1), ("ADDED", 2), ("MODIFIED", 3)]
    assert [event.type for event in store.since(0, "pods")] == ["ADDED", "MODIFIED", "DELETED"]
    assert [event.revision for event in store.since(2)] == [3, 4]
    assert store.since(1, "pods")[0].before.body == b"{}"
    store.compact()
    assert store.since(4) == []
    with pytest.raises(Compacted):
        store.since(3)


def test_history_is_bounded():
    store = Store()
    for number in range(5000):
        store.create("pods", Key("a", f"p{number}"), body())
    with pytest.raises(Compacted) as error:
        store.since(1)
    assert len(store.since(error.value.oldest)) == 4096


def test_everything_is_there_again_after_a_restart(tmp_path):
    store = Store(tmp_path / "db")
    labels = (("app", "web"), ("empty", ""))
    store.create("pods", Key("a", "x"), body("{}", uid="1", owners=("o1", "o2"), node="n", labels=labels))
    store.create("pods", Key("a", "y"), body())
    store.delete("pods", Key("a", "y"), body(), expected=2)
    before = store.select("pods")
    store.close()
    again = Store(tmp_path / "db")
    assert again.select("pods") == before
    assert again.revision == 3
    assert again.select("pods", owner="o2") == before
    with pytest.raises(Compacted):
        again.since(1)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["create", "update", "delete"]),
            st.sampled_from(["pods", "nodes"]),
            st.tuples(st.sampled_from(["", "a", "b"]), st.sampled_from(["x", "y", "z"])),
            st.sampled_from(["", "n1", "n2"]),
        ),
        max_size=40,
    )
)
def test_it_behaves_like_a_dictionary_that_remembers(operations):  # noqa: C901
    store = Store()
    model = {}
    revision = 0
    for kind, resource, pair, node in operations:
        key = Key(*pair)
        current = model.get((resource, key))
        try:
            if kind == "create":
                store.create(resource, key, body(node=node))
                assert current is None
            elif kind == "update":
                store.update(resource, key, body(node=node), expected=current[0] if current else 1)
                assert current is not None
            else:
                store.delete(resource, key, body(node=node), expected=current[0] if current else 1)
                assert current is not None
        except Exists:
            assert current is not None
            continue
        except Missing:
            assert current is None
            continue
        revision += 1
        if kind == "delete":
            del model[resource, key]
        else:
            model[resource, key] = (revision, node)
    assert store.revision == revision
    for resource in ("pods", "nodes"):
        expected = sorted(key for name, key in model if name == resource)
        assert [one.key for one in store.select(resource)] == expected
        for node in ("n1", "n2"):
            on_node = [key for key in expected if model[resource, key][1] == node]
            assert [one.key for one in store.select(resource, node=node)] == on_node
    replayed = {}
    for event in store.since(0):
        name = (event.resource, event.after.key)
        if event.type == "DELETED":
            del replayed[name]
        else:
            replayed[name] = event.revision
    assert replayed == {name: value[0] for name, value in model.items()}


WRITER = """
import sys
from sandbox.cluster.api.objects import Key
from sandbox.cluster.store import Indexed, Store
store = Store(sys.argv[1])
number = store.revision
while True:
    store.create("pods", Key("a", f"p{number}"), lambda revision: (b"{}" * 500, Indexed("u")))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    number += 1
"""


def test_no_acknowledged_write_is_lost_by_kill_9(tmp_path):
    acknowledged = -1
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "db")],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as writer:
            writer.stdout.readline()
            time.sleep(0.05)  # let it write for a while: the length does not matter
            writer.send_signal(signal.SIGKILL)
            lines = writer.stdout.read().split(b"\n")
            numbers = [int(line) for line in lines[:-1] if line]
            acknowledged = numbers[-1] if numbers else acknowledged
        store = Store(tmp_path / "db")
        assert store.count("pods") >= acknowledged + 1
        assert store.count("pods") == store.revision
        store.close()
    assert acknowledged > 0


def test_room_is_limited_and_deleting_makes_room():
    store = Store(space=1000)
    filled = lambda revision: (b"x" * 400, Indexed("u"))  # noqa: E731
    store.create("pods", Key("a", "x"), filled)
    store.create("pods", Key("a", "y"), filled)
    with pytest.raises(Full):
        store.create("pods", Key("a", "z"), filled)
    with pytest.raises(Full):
        store.update("pods", Key("a", "x"), lambda revision: (b"x" * 700, Indexed("u")), expected=1)
    store.delete("pods", Key("a", "x"), filled, expected=1)
    store.create("pods", Key("a", "z"), filled)
    with pytest.raises(TooLarge):
        Store().create("pods", Key("a", "x"), lambda revision: (b"x" * (2 << 20), Indexed("u")))
