"""What an idle learner costs: (proportional memory of all their processes + what lies in their tmpfs) / learners.

With one learner and with twenty, cluster up, page open; then with an app of four containers; and the site's own part.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from benchmarks import processes
from benchmarks.figures import Figure, run
from benchmarks.learner import Learner, Terminal
from benchmarks.site import Site, running_site, settle

MANY = 20
CONTAINERS = 4
QUIET = 15.0
IDLE = 30.0
CREATE = "kubectl create deployment app --image=gcr.io/google-samples/kubernetes-bootcamp:v1 --replicas={}"
WAIT = "kubectl rollout status deployment/app"
_MB = 1e6


async def measure(_rounds: int) -> Sequence[Figure]:
    """One site each, for one learner and for twenty."""
    return [*await _with(1), *await _with(MANY)]


async def _with(count: int) -> Sequence[Figure]:
    with running_site() as site:
        terminals = [await _learner_with_cluster(site) for _ in range(count)]
        await settle(QUIET)
        everybody = _everybody(site)
        before = _bytes(everybody)
        learner_cpu, site_cpu = await _idle_cpu(site)
        own = processes.pss([site.up, site.launcher, site.web])
        await asyncio.gather(*(terminal.run(CREATE.format(CONTAINERS)) for terminal in terminals))
        await asyncio.gather(*(terminal.run(WAIT) for terminal in terminals))
        await settle(QUIET)
        fresh = [pid for pid in _everybody(site) if pid not in set(everybody)]
        containers = count * CONTAINERS
        with_app = _bytes(_everybody(site))
        of = f"{count} learners" if count > 1 else "1 learner"
        return [
            Figure(
                f"memory of a learner, idle, cluster up, {of}",
                [before / count / _MB],
                "MB",
                "40 MB" if count > 1 else "",
                "a real Kubernetes: 762 MiB",
            ),
            Figure(
                f"memory of a container of the app, {of}",
                [processes.pss(fresh) / containers / _MB],
                "MB",
                "5 MB" if count > 1 else "",
            ),
            Figure(f"the same with all that it takes elsewhere, {of}", [(with_app - before) / containers / _MB], "MB"),
            Figure(
                f"idle processor time of a learner, {of}",
                [learner_cpu / count / IDLE * 100],
                "% of a core",
                "0.1 %" if count > 1 else "",
            ),
            Figure(f"memory of the site itself, {of}", [own / _MB], "MB"),
            Figure(f"idle processor time of the site, {of}", [site_cpu / IDLE * 100], "% of a core"),
        ]


async def _learner_with_cluster(site: Site) -> Terminal:
    learner = Learner(site)
    await learner.open_page()
    terminal = await learner.start()
    if await terminal.run("minikube start"):
        raise RuntimeError("minikube start failed")
    return terminal


def _everybody(site: Site) -> list[int]:
    return [pid for sandbox in site.sandboxes for pid in processes.tree(sandbox)]


def _bytes(pids: Sequence[int]) -> int:
    return processes.pss(pids) + processes.tmpfs(pids)


async def _idle_cpu(site: Site) -> tuple[float, float]:
    """Seconds that the sandboxes and the site use while nobody does anything."""
    sandboxes, own = _everybody(site), [site.up, site.launcher, site.web]
    before = processes.cpu_seconds(sandboxes), processes.cpu_seconds(own)
    await settle(IDLE)
    return processes.cpu_seconds(sandboxes) - before[0], processes.cpu_seconds(own) - before[1]


if __name__ == "__main__":
    run(measure, rounds=1)
