"""Quotas, limit ranges and priorities, as people try them with kubectl."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.kubectl.conftest import Kubectl

LIMITS = """
apiVersion: v1
kind: LimitRange
metadata: {name: mem-limit-range}
spec:
  limits: [{default: {memory: 512Mi}, defaultRequest: {memory: 256Mi}, type: Container}]
"""


def test_a_quota_counts_pods(kubectl: Kubectl) -> None:
    assert kubectl("create quota few --hard=pods=1,services=2") == "resourcequota/few created\n"
    kubectl("run first --image=nginx:1.25")
    said = kubectl.fails("run second --image=nginx:1.25")
    assert said == (
        'Error from server (Forbidden): pods "second" is forbidden: exceeded quota: few, requested: pods=1, used:'
        " pods=1, limited: pods=1"
    )
    deadline = time.monotonic() + 5
    while "pods: 1/1, services: 0/2" not in (shown := kubectl("get quota few")):
        assert time.monotonic() < deadline, shown
    assert "pods        1     1" in kubectl("describe quota few")


def test_a_limit_range_fills_in(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "limits.yaml").write_text(LIMITS)
    kubectl(f"apply -f {tmp_path}/limits.yaml")
    kubectl("run web --image=nginx:1.25")
    assert kubectl("get pod web -o jsonpath='{.spec.containers[0].resources.requests.memory}'") == "256Mi"
    described = kubectl("describe limitrange mem-limit-range")
    assert "Container   memory    -    -    256Mi            512Mi          -" in described


def test_a_priority_class_gives_pods_its_value(kubectl: Kubectl) -> None:
    name = f"high-{os.urandom(3).hex()}"
    kubectl(f"create priorityclass {name} --value=1000 --description=high")
    overrides = f'{{"spec": {{"priorityClassName": "{name}"}}}}'
    kubectl(f"run web --image=nginx:1.25 --overrides='{overrides}'")
    assert kubectl("get pod web -o jsonpath='{.spec.priority}'") == "1000"
    listed = kubectl("get pc")
    assert "system-node-critical      2000001000" in listed
    assert "spec.priorityClassName" not in kubectl.fails(
        'run bad --image=n --overrides=\'{"spec":{"priorityClassName":"x"}}\''
    )
