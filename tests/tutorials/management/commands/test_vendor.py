"""Front-end libraries on their way from npm to the site."""

from __future__ import annotations

from pathlib import Path

import pytest

from tutorials.management.commands.vendor import FILES, copy_libraries


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    for source in FILES:
        path = tmp_path / "node_modules" / source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"export {};\n//# sourceMappingURL=xterm.mjs.map")
    return tmp_path / "node_modules"


def test_files_are_copied_once_without_their_source_maps(modules: Path, tmp_path: Path) -> None:
    target = tmp_path / "vendor"
    assert set(copy_libraries(modules, target)) == set(FILES.values())
    assert (target / "xterm.mjs").read_bytes() == b"export {};\n"
    assert copy_libraries(modules, target) == []


def test_a_new_version_takes_the_place_of_the_old(modules: Path, tmp_path: Path) -> None:
    copy_libraries(modules, tmp_path / "vendor")
    (modules / "@xterm/xterm/lib/xterm.mjs").write_bytes(b"newer\n")
    assert copy_libraries(modules, tmp_path / "vendor") == ["xterm.mjs"]


def test_a_missing_library_is_named(modules: Path, tmp_path: Path) -> None:
    (modules / "@xterm/addon-fit/lib/addon-fit.mjs").unlink()
    with pytest.raises(FileNotFoundError, match="addon-fit"):
        copy_libraries(modules, tmp_path / "vendor")
