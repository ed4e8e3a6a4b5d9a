import pytest

from sandbox.cluster.kubelet.paths import PathFault, kind_of, resolve_inside


@pytest.fixture
def root(tmp_path):
    node = tmp_path / "node"
    (node / "var/data").mkdir(parents=True)
    (node / "var/data/file").write_text("x")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").write_text("key")
    return node


def test_a_plain_path(root):
    assert resolve_inside(root, "/var/data/file") == root / "var/data/file"
    assert resolve_inside(root, "/") == root


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("var/out", "/secret"),
        ("var/out", "../../secret"),
        ("var/out", "../../../../../../secret"),
        ("var/out", "/../secret"),
    ],
)
def test_no_link_leads_out(root, link, target):
    (root / link).symlink_to(target)
    with pytest.raises(PathFault):
        resolve_inside(root, f"/{link}/key")


def test_dots_stop_at_the_root(root):
    assert resolve_inside(root, "/../../var/../var/data") == root / "var/data"
    with pytest.raises(PathFault, match="no such file or directory"):
        resolve_inside(root, "/../secret/key")


def test_an_absolute_link_is_absolute_in_the_root(root):
    (root / "link").symlink_to("/var/data")
    assert resolve_inside(root, "/link/file") == root / "var/data/file"


def test_links_that_turn_in_circles(root):
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(PathFault, match="too many levels"):
        resolve_inside(root, "/a")


def test_what_is_missing_is_made_inside(root, tmp_path):
    (root / "escape").symlink_to("../outside")
    made = resolve_inside(root, "/escape/deep", create="directory")
    assert made == root / "outside/deep"
    assert made.is_dir()
    assert not (tmp_path / "outside").exists()
    assert resolve_inside(root, "/new/file", create="file").is_file()


def test_kinds(root):
    assert kind_of(root / "var") == "directory"
    assert kind_of(root / "var/data/file") == "file"
