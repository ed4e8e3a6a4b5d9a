"""The logs of the control plane's parts: sorted, of one line each, of limited size."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.cluster import journal
from sandbox.cluster.journal import Journal
from sandbox.cluster.kubelet.logs import LogOptions
from tests.sandbox.cluster.simulation import Simulation


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Journal]:
    """A journal that is open."""
    found = Journal(tmp_path / "logs")
    close = found.open()
    yield found
    close()


def test_each_part_has_a_log_of_its_own(kept: Journal) -> None:
    logging.getLogger("sandbox.cluster.scheduler").info("bound %s", "pod")
    logging.getLogger("sandbox.cluster.apiserver.api").info("answered")
    assert kept.path("kube-scheduler").read_text().endswith("] bound pod\n")
    assert "answered" in kept.path("kube-apiserver").read_text()
    assert not kept.path("kube-proxy").exists()


def test_a_line_is_klog_inside_the_layout_of_container_logs(kept: Journal) -> None:
    logging.getLogger("sandbox.cluster.proxy").warning("careful")
    time, stream, tag, text = kept.path("kube-proxy").read_text().rstrip("\n").split(" ", 3)
    assert (time[-1], stream, tag) == ("Z", "stderr", "F")
    assert text.startswith("W")
    assert re.search(r"test_journal\.py:\d+\] careful$", text)


def test_what_a_client_sent_never_makes_a_line_of_its_own() -> None:
    assert journal.quoted('x"\n2026 forged') == r'"x\"\n2026 forged"'
    assert len(journal.quoted("a" * 5000)) < 1100


def test_a_log_is_cut_when_it_has_grown(kept: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "LIMIT", 1000)
    for number in range(200):
        logging.getLogger("sandbox.cluster.dns").info("line %d", number)
    text = kept.path("coredns").read_text()
    assert len(text) < 1200
    assert text.endswith("line 199\n")
    assert sum(path.stat().st_size for path in kept.path("coredns").parent.iterdir()) < 2400


def test_a_closed_journal_takes_nothing_down(tmp_path: Path) -> None:
    found = Journal(tmp_path)
    found.open()()
    logging.getLogger("sandbox.cluster.dns").info("unheard")
    assert not found.path("coredns").exists()


async def test_mirror_pods_show_the_log_of_what_they_stand_for(tmp_path: Path, kept: Journal) -> None:
    simulation = Simulation(tmp_path)
    stop = kept.follow_events(simulation.registry)
    simulation.kubelet = simulation.new_kubelet(replace(simulation.config, logs_dir=kept.path("x").parent))
    simulation.start_controllers()
    simulation.start_kubelet()
    await simulation.settle()
    part = "kube-controller-manager"

    async def log(options: LogOptions) -> bytes:
        pieces = simulation.kubelet.logs("kube-system", f"{part}-minikube", part, options)
        return b"".join([piece async for piece in pieces])

    said = await log(LogOptions())
    assert b'"Starting controller" controller="deployment-controller"' in said
    assert b'reason="RegisteredNode"' in said
    assert (await log(LogOptions(tail_lines=1))).count(b"\n") == 1
    stop()
    await simulation.close()
