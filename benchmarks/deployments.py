"""How long a learner waits in a fresh sandbox: create a deployment until it is Ready, scale it 1 → 4, update all 4.

    .venv/bin/python benchmarks/deployments.py [ROUNDS]

Each figure is from the start of the command that changes something to the end of `kubectl rollout status` or
`kubectl wait`, both processes of kubectl included.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent

SCRIPT = r"""
now() { date +%s%N; }
took() { echo "$1 $(( ($(now) - $2) / 1000 ))"; }
for round in $(seq ROUNDS); do
    name=app-$round
    begin=$(now)
    kubectl create deployment $name --image=gcr.io/google-samples/kubernetes-bootcamp:v1 >/dev/null
    kubectl wait --for=condition=available deployment/$name --timeout=60s >/dev/null
    took create $begin
    begin=$(now)
    kubectl scale deployment/$name --replicas=4 >/dev/null
    kubectl rollout status deployment/$name >/dev/null
    took scale $begin
    begin=$(now)
    kubectl set image deployment/$name kubernetes-bootcamp=jocatalin/kubernetes-bootcamp:v2 >/dev/null
    kubectl rollout status deployment/$name >/dev/null
    took update $begin
    kubectl delete deployment/$name >/dev/null
    kubectl delete pods --all --grace-period=0 --force >/dev/null 2>&1
done
"""


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    command = [sys.executable, "manage.py", "sandbox", "run", "--cluster", "--", "bash", "-s"]
    script = SCRIPT.replace("ROUNDS", str(rounds))
    done = subprocess.run(command, cwd=CHECKOUT, input=script, stdout=subprocess.PIPE, text=True, check=True)
    taken: dict[str, list[float]] = {}
    for line in done.stdout.splitlines():
        what, microseconds = line.split()
        taken.setdefault(what, []).append(int(microseconds) / 1000)
    print("milliseconds        median     least      most")
    for what, values in taken.items():
        print(f"{what:15} {statistics.median(values):10.0f}{min(values):10.0f}{max(values):10.0f}")


if __name__ == "__main__":
    main()
