"""The shell command's own choices, with npm replaced by a note of how it was called."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

SCRIPT = (Path(__file__).parents[1] / "quayside").read_text()
INPUTS = ("package-lock.json", "tutorials/management/commands/vendor.py")


def _function(name: str) -> str:
    found = re.search(rf"^{name}\(\) \{{(?: [^\n]* |.*?^)\}}$", SCRIPT, re.MULTILINE | re.DOTALL)
    assert found, name
    return found.group()


def _make_front_end(folder: Path, *modes: str) -> list[str]:
    """How npm was called when the front end was made for each of `modes` in turn; a mode of several words is run."""
    calls, npm, python = folder / "calls", folder / "bin" / "npm", folder / ".venv" / "bin" / "python"
    for path in (npm, python, folder / "static" / "vendor" / "any", *(folder / name for name in INPUTS)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    installs = '[ "$2" = --omit=dev ] && rm -rf node_modules || { mkdir -p node_modules/axe-core; '
    installs += "touch node_modules/axe-core/axe.min.js; }"
    npm.write_text(f'#!/bin/sh\necho "$1 $2" >>{calls}\n{installs}\n')
    python.write_text("#!/bin/sh\n")
    npm.chmod(0o755)
    python.chmod(0o755)
    functions = [_function(name) for name in ("stale", "make_front_end")]
    functions += (
        [_function("stamp_of")] if "\nstamp_of() {\n" in SCRIPT else re.findall(r"^stamp_of\(\).*", SCRIPT, re.M)
    )
    script = "\n".join(
        ["set -eu", "say() { :; }", "need_checkout() { :; }", "need_room() { :; }", "die() { exit 1; }", *functions]
    )
    script += "".join(f"\n{mode}" if " " in mode else f"\nmake_front_end {mode}" for mode in modes)
    path = f"{npm.parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", "-c", script], cwd=folder, env={"PATH": path}, check=True, timeout=20)
    return calls.read_text().splitlines()


def test_up_installs_no_package_of_the_tests_and_twice_is_once(tmp_path: Path) -> None:
    assert _make_front_end(tmp_path, "run", "run") == ["ci --omit=dev"]


def test_the_tests_install_theirs_even_after_up_and_up_keeps_them(tmp_path: Path) -> None:
    assert _make_front_end(tmp_path, "run", "test", "test", "run") == ["ci --omit=dev", "ci --include=dev"]


def test_up_keeps_what_the_tests_installed_when_the_lock_changes(tmp_path: Path) -> None:
    calls = _make_front_end(tmp_path, "test", "echo more >>package-lock.json", "run")
    assert calls == ["ci --include=dev", "ci --include=dev"]
