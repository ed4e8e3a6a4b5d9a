"""The learners' tools."""

from __future__ import annotations

from pathlib import Path

from sandbox.image.tools import TOOLS, Tool, missing, remedy


def install(directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).write_text("#!/bin/sh\n")
        (directory / name).chmod(0o755)


def test_what_is_missing_is_named_with_its_package(tmp_path: Path) -> None:
    install(tmp_path, "jq", "vim.tiny")
    absent = missing((Tool("jq", "jq"), Tool("vim", "vim-tiny"), Tool("dig", "dnsutils")), path=str(tmp_path))
    assert absent == [Tool("dig", "dnsutils")]
    assert remedy(absent) == "apt-get install --no-install-recommends dnsutils"


def test_what_comes_with_us_is_never_missing(tmp_path: Path) -> None:
    assert missing((Tool("minikube", ""),), path=str(tmp_path)) == []


def test_the_list_has_each_command_once() -> None:
    commands = [tool.command for tool in TOOLS]
    assert len(set(commands)) == len(commands)
    assert {"kubectl", "minikube", "curl", "jq", "vim", "python3"} <= set(commands)
