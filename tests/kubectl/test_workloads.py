"""DaemonSets, StatefulSets, Jobs, CronJobs and ReplicationControllers, as people use them with kubectl."""

from __future__ import annotations

import json
from pathlib import Path

from tests.kubectl.conftest import Kubectl

AGENT = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, labels: {app: agent}}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: 'nginx:1.25'}]
"""


def applied(kubectl: Kubectl, directory: Path, manifest: str) -> str:
    path = directory / "manifest.yaml"
    path.write_text(manifest)
    return kubectl(f"apply -f {path}")


def test_a_daemon_set_rolls_out_and_back(kubectl: Kubectl, tmp_path: Path) -> None:
    assert applied(kubectl, tmp_path, AGENT) == "daemonset.apps/agent created\n"
    assert 'daemon set "agent" successfully rolled out' in kubectl("rollout status daemonset/agent --timeout=20s")
    header, row = kubectl("get ds").splitlines()
    assert header.split()[:6] == ["NAME", "DESIRED", "CURRENT", "READY", "UP-TO-DATE", "AVAILABLE"]
    assert row.split()[:7] == ["agent", "1", "1", "1", "1", "1", "<none>"]
    kubectl("set image daemonset/agent c=nginx:1.26")
    kubectl("rollout status daemonset/agent --timeout=20s")
    assert kubectl("rollout history daemonset/agent").splitlines()[2:4] == [
        "1         <none>",
        "2         <none>",
    ]
    assert "nginx:1.25" in kubectl("rollout history daemonset/agent --revision=1")
    assert kubectl("rollout undo daemonset/agent") == "daemonset.apps/agent rolled back\n"
    kubectl("rollout status daemonset/agent --timeout=20s")
    image = kubectl("get pods -l app=agent -o jsonpath='{.items[*].spec.containers[0].image}'")
    assert image == "nginx:1.25"
    assert kubectl("rollout restart daemonset/agent") == "daemonset.apps/agent restarted\n"
    kubectl("rollout status daemonset/agent --timeout=20s")
    described = kubectl("describe daemonset agent")
    assert "Desired Number of Nodes Scheduled: 1" in described
    assert "SuccessfulCreate" in described
    assert len(json.loads(kubectl("get controllerrevisions -o json"))["items"]) == 3


JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: pi}
spec:
  completions: 2
  template:
    spec:
      restartPolicy: Never
      containers: [{name: c, image: busybox, command: [sh, -c, exit 0]}]
"""


def test_a_job_is_waited_for_and_described(kubectl: Kubectl, tmp_path: Path) -> None:
    assert applied(kubectl, tmp_path, JOB) == "job.batch/pi created\n"
    assert kubectl("wait --for=condition=complete job/pi --timeout=20s") == "job.batch/pi condition met\n"
    header, row = kubectl("get jobs").splitlines()
    assert header.split() == ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"]
    assert row.split()[:3] == ["pi", "Complete", "2/2"]
    described = kubectl("describe job pi")
    assert "2 Succeeded / 0 Failed" in described
    assert "Job completed" in described
    assert kubectl(f"apply -f {tmp_path / 'manifest.yaml'}") == "job.batch/pi unchanged\n"
    assert kubectl("get pods -l job-name=pi -o name").count("pod/") == 2
    kubectl("logs job/pi")
    assert kubectl("delete job pi") == 'job.batch "pi" deleted\n'
    kubectl.shell("kubectl wait --for=delete pod -l job-name=pi --timeout=20s")
    assert kubectl("get pods -o name") == ""


def test_a_job_that_fails_says_why(kubectl: Kubectl) -> None:
    kubectl("create job bad --image=busybox -- sh -c 'exit 1'")
    kubectl('patch job bad --type=merge -p \'{"spec":{"backoffLimit":0}}\'')
    kubectl("wait --for=condition=failed job/bad --timeout=20s")
    assert "Job has reached the specified backoff limit" in kubectl("describe job bad")


CRON_JOB = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: hello}
spec:
  schedule: '*/5 * * * *'
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: c, image: busybox, command: [sh, -c, exit 0]}]
"""


def test_a_cron_job_and_a_job_made_from_it(kubectl: Kubectl, tmp_path: Path) -> None:
    assert applied(kubectl, tmp_path, CRON_JOB) == "cronjob.batch/hello created\n"
    header, row = kubectl("get cronjobs").splitlines()
    assert [name for name in header.split() if name != "TIMEZONE"][:5] == [
        "NAME",
        "SCHEDULE",
        "SUSPEND",
        "ACTIVE",
        "LAST",
    ]
    assert row.startswith("hello")
    assert "*/5 * * * *" in row
    if kubectl.version == "1.20":
        return  # knows cron jobs of batch/v1beta1 only, which Kubernetes 1.33 does not serve
    assert "Concurrency Policy:" in kubectl("describe cronjob hello")
    assert kubectl("create job now --from=cronjob/hello") == "job.batch/now created\n"
    kubectl("wait --for=condition=complete job/now --timeout=20s")
    said = kubectl.fails("create cronjob bad --image=busybox --schedule='99 * * * *'")
    assert 'spec.schedule: Invalid value: "99 * * * *": end of range (99) above maximum (59): 99' in said


STATEFUL = """
apiVersion: v1
kind: Service
metadata: {name: nginx}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  serviceName: nginx
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: 'nginx:1.25'}]
"""


def test_a_stateful_set_scales_rolls_out_and_back(kubectl: Kubectl, tmp_path: Path) -> None:
    applied(kubectl, tmp_path, STATEFUL)
    kubectl("rollout status statefulset/web --timeout=20s")
    assert kubectl("get statefulset web").splitlines()[1].split()[:2] == ["web", "2/2"]
    assert kubectl("scale statefulset web --replicas=3") == "statefulset.apps/web scaled\n"
    kubectl(
        "wait --for=jsonpath='{.status.readyReplicas}'=3 statefulset/web --timeout=20s"
        if kubectl.version != "1.20"
        else "rollout status statefulset/web --timeout=20s"
    )
    assert kubectl("get pods -o name").split() == [f"pod/web-{number}" for number in range(3)]
    kubectl("set image statefulset/web c=nginx:1.26")
    kubectl("rollout status statefulset/web --timeout=20s")
    assert kubectl("rollout history statefulset/web").splitlines()[2:4] == ["1         <none>", "2         <none>"]
    kubectl("rollout undo statefulset/web")
    kubectl("rollout status statefulset/web --timeout=20s")
    images = kubectl("get pods -o jsonpath='{.items[*].spec.containers[0].image}'")
    assert images == "nginx:1.25 nginx:1.25 nginx:1.25"
    described = kubectl("describe statefulset web")
    assert "Pods Status:        3 Running / 0 Waiting / 0 Succeeded / 0 Failed" in described
    assert "create Pod web-0 in StatefulSet web successful" in described


REPLICATION = """
apiVersion: v1
kind: ReplicationController
metadata: {name: old}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: old}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: 'nginx:1.25'}]
"""


def test_a_replication_controller_scales(kubectl: Kubectl, tmp_path: Path) -> None:
    assert applied(kubectl, tmp_path, REPLICATION) == "replicationcontroller/old created\n"
    kubectl("wait --for=condition=ready pod -l app=old --timeout=20s")
    assert kubectl("scale rc old --replicas=3") == "replicationcontroller/old scaled\n"
    kubectl("wait --for=condition=ready pod -l app=old --timeout=20s")
    assert len(kubectl("get pods -l app=old -o name").split()) == 3
    header, row = kubectl("get rc -o wide").splitlines()
    assert header.split() == ["NAME", "DESIRED", "CURRENT", "READY", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert row.endswith("app=old")
    assert "Created pod: old-" in kubectl("describe rc old")
    kubectl("expose rc old --port=80")
    kubectl("delete rc old")
    assert "old" not in kubectl("get rc")


BUDGETED = """
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 2, selector: {matchLabels: {app: web}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: 'nginx:1.25'}]
"""


def test_a_drain_respects_a_budget(kubectl: Kubectl, tmp_path: Path) -> None:
    applied(kubectl, tmp_path, BUDGETED)
    kubectl("rollout status deployment/web --timeout=20s")
    assert kubectl("get pdb web").splitlines()[1].split()[:4] == ["web", "2", "N/A", "0"]
    drain = "drain minikube --ignore-daemonsets --force --pod-selector=app=web"
    try:
        said = kubectl.shell(f"kubectl {drain} --timeout=3s", timeout=20)
        assert said.returncode != 0
        assert "Cannot evict pod as it would violate the pod's disruption budget." in said.stderr + said.stdout
        assert len(kubectl("get pods -l app=web --field-selector=status.phase=Running -o name").split()) == 2
        assert "SchedulingDisabled" in kubectl("get node minikube")
        kubectl("delete pdb web")
        assert "evicted" in kubectl(f"{drain} --timeout=20s")
    finally:
        kubectl("uncordon minikube")
    kubectl("rollout status deployment/web --timeout=20s")
