"""All set-up of images and tools in one call, quick when nothing is to be done."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from sandbox import minikube
from sandbox.image import catalogue, kubectl, tools
from sandbox.image.definition import BadDefinition

Say = Callable[[str], None]

MINIKUBE_CLIENT = Path(minikube.__file__).parent / "client.py"
"""The learner's end of the minikube command: standard library only, copied into every sandbox."""


def set_up(data: Path, say: Say) -> bool:
    """Bring images and tools below `data` up to date; False when learners could not work with what there is."""
    try:
        problems = list(catalogue.build(data / "images", say))
    except (BadDefinition, OSError) as error:
        say(f"The images cannot be built: {error}")
        return False
    for problem in problems:
        say(problem)
    return _tools(data / "tools", say)


def _tools(directory: Path, say: Say) -> bool:
    """A layer of the learner's root: what is in it lies below usr/local."""
    programs = directory / "usr/local/bin"
    programs.mkdir(parents=True, exist_ok=True)
    _install_minikube(programs / "minikube")
    try:
        found = kubectl.set_up(directory, say)
    except (kubectl.KubectlMissing, OSError) as error:
        say(str(error))
        return False
    if kubectl.completion(found, directory) is None:
        say("kubectl: its completion for bash could not be made; it works without")
    absent = tools.missing()
    if absent:
        say(f"Learners will miss {', '.join(tool.command for tool in absent)}. As root: {tools.remedy(absent)}")
    return True


def _install_minikube(target: Path) -> None:
    if target.is_file() and target.read_bytes() == MINIKUBE_CLIENT.read_bytes():
        return
    partial = target.with_name(".minikube.new")
    shutil.copyfile(MINIKUBE_CLIENT, partial)
    partial.chmod(0o755)
    partial.rename(target)
