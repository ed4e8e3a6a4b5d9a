import pytest

from sandbox.cluster.node_tree import NodeTree


def test_a_directory_is_made_for_everybody_and_taken_away(tmp_path):
    tree = NodeTree(tmp_path)
    tree.make("/tmp/p/default/data")
    tree.make("/tmp/p/default/data")
    made = tmp_path / "tmp/p/default/data"
    assert made.stat().st_mode & 0o777 == 0o777
    (made / "file").write_text("kept")
    tree.remove("/tmp/p/default/data")
    tree.remove("/tmp/p/default/data")
    assert not made.exists()
    assert made.parent.is_dir()


def test_links_of_learners_lead_nowhere(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    (outside / "default/data").mkdir(parents=True)
    (root / "tmp").mkdir(parents=True)
    (root / "tmp/p").symlink_to(outside)
    tree = NodeTree(root)
    with pytest.raises(OSError, match="symbolic links"):
        tree.make("/tmp/p/default/data")
    with pytest.raises(OSError, match="symbolic links"):
        tree.remove("/tmp/p/default/data")
    with pytest.raises(OSError, match="no directory of a volume"):
        tree.remove("/tmp/../../outside")
    assert (outside / "default/data").is_dir()
