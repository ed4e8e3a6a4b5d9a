"""How long a learner waits for pods: create a deployment until its pod is Ready, scale it 1 → 4, update all four.

Each figure is from the start of the kubectl process that changes something to when another kubectl, which has been
watching all along, prints that the deployment is complete, as `kubectl rollout status` means it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from benchmarks.figures import Figure, run
from benchmarks.site import CHECKOUT

SCRIPT = r"""
now() { date +%s%N; }
fields='{.metadata.name} {.metadata.generation} {.status.observedGeneration} {.spec.replicas}'
fields="$fields {.status.replicas} {.status.updatedReplicas} {.status.availableReplicas} end{\"\n\"}"
mkfifo seen
kubectl get deployments --watch -o jsonpath="$fields" >seen &
exec 3<seen
complete() { # name, replicas
    while read -r name generation observed wanted all updated available _ <&3; do
        [ "$name $generation $wanted $all $updated $available" = "$1 $observed $2 $2 $2 $2" ] && return
    done
}
measure() { # what, replicas, command...
    local what=$1 replicas=$2 begin=$(now)
    shift 2
    "$@" >/dev/null
    complete $name $replicas
    echo "$what $(( ($(now) - begin) / 1000 ))"
}
for round in $(seq ROUNDS); do
    name=app-$round
    measure create 1 kubectl create deployment $name --image=gcr.io/google-samples/kubernetes-bootcamp:v1
    measure scale 4 kubectl scale deployment/$name --replicas=4
    measure update 4 kubectl set image deployment/$name kubernetes-bootcamp=jocatalin/kubernetes-bootcamp:v2
    kubectl delete deployment/$name >/dev/null
    kubectl delete pods --all --grace-period=0 --force >/dev/null 2>&1 # the app does not heed SIGTERM: 30 s
done
kill %1
"""


async def measure(rounds: int) -> Sequence[Figure]:
    """In one fresh sandbox, one deployment after the other."""
    command = [sys.executable, "manage.py", "sandbox", "run", "--cluster", "--", "bash", "-s"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=CHECKOUT, stdin=pipe, stdout=pipe)
    printed, _ = await process.communicate(SCRIPT.replace("ROUNDS", str(rounds)).encode())
    taken: dict[str, list[float]] = {"create": [], "scale": [], "update": []}
    for line in printed.decode().splitlines():
        what, microseconds = line.split()
        taken[what].append(int(microseconds) / 1e6)
    if process.returncode or any(len(values) != rounds for values in taken.values()):
        raise RuntimeError("the sandbox ended before everything was measured")
    return [
        Figure("`kubectl create deployment` → pod Ready", taken["create"], "s", "0.3 s", "a real Kubernetes: 0.92 s"),
        Figure("scale 1 → 4, all Ready", taken["scale"], "s", "0.5 s", "a real Kubernetes: 1.05 s"),
        Figure("rolling update of 4", taken["update"], "s", "1 s", "a real Kubernetes: 2.04 s"),
    ]


if __name__ == "__main__":
    run(measure, rounds=10)
