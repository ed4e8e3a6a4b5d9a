"""A real sandbox with real containers: what lessons ask of nodes, services and the control plane beyond one machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(180)]


def run(script: str) -> str:
    """What a script says in a fresh sandbox whose every line has to succeed."""
    command = [sys.executable, "manage.py", "sandbox", "run", "--", "bash", "-seo", "pipefail"]
    done = subprocess.run(command, input=script, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_nodes_come_and_go() -> None:
    said = run(r"""
minikube start --nodes 2 >/dev/null
kubectl create deployment web --image=registry.k8s.io/echoserver:1.10 --replicas=4 >/dev/null
kubectl rollout status deployment web >/dev/null
echo "spread: $(kubectl get pods -o jsonpath='{.items[*].spec.nodeName}' | tr ' ' '\n' | sort | uniq -c | xargs)"
minikube node stop m02 >/dev/null
minikube status >/dev/null || echo "status: $?"
kubectl wait --for=condition=Ready=Unknown node/minikube-m02 --timeout=30s >/dev/null
echo "taints: $(kubectl get node minikube-m02 -o jsonpath='{.spec.taints[*].effect}')"
minikube node delete m02 >/dev/null
kubectl rollout status deployment web >/dev/null
echo "left: $(kubectl get pods -o jsonpath='{.items[*].spec.nodeName}')"
minikube node add >/dev/null
echo "nodes: $(kubectl get nodes -o jsonpath='{.items[*].metadata.name} {.items[*].spec.podCIDR}')"
""")
    assert "spread: 2 minikube 2 minikube-m02\n" in said
    assert "status: 7\n" in said
    assert "taints: NoSchedule NoExecute\n" in said
    assert "left: minikube minikube minikube minikube\n" in said
    assert "nodes: minikube minikube-m03 10.244.0.0/24 10.244.2.0/24\n" in said


def test_the_control_plane_can_be_looked_at() -> None:
    said = run(r"""
minikube start >/dev/null
kubectl create deployment web --image=registry.k8s.io/echoserver:1.10 >/dev/null
kubectl rollout status deployment web >/dev/null
kubectl logs -n kube-system kube-scheduler-minikube
kubectl logs -n kube-system kube-controller-manager-minikube
kubectl logs -n kube-system kube-apiserver-minikube | grep -c deployments/web
minikube ssh -- hostname
minikube ssh 'exit 3' || echo "ssh: $?"
minikube ssh -- ls /run/quayside || echo "nothing of ours"
minikube logs -n 1 | grep '==>'
""")
    assert '"Successfully bound pod to node" pod="default/web-' in said
    assert 'reason="ScalingReplicaSet"' in said
    assert "\nminikube\nssh: 1\nnothing of ours\n" in said
    assert "==> kube-apiserver [minikube] <==\n" in said


def test_load_balancers_and_sources() -> None:
    said = run(r"""
minikube start >/dev/null
kubectl create deployment web --image=registry.k8s.io/echoserver:1.10 >/dev/null
kubectl rollout status deployment web >/dev/null
kubectl expose deployment web --type=LoadBalancer --port=80 --target-port=8080 >/dev/null
address() { kubectl get svc web -o jsonpath='{.status.loadBalancer.ingress[0].ip}'; }
client() { curl -s -m 5 "$1" | grep -o 'client_address=.*'; }
minikube tunnel >/dev/null & tunnel=$!
until [ -n "$(address)" ]; do sleep 0.1; done
[ "$(address)" = "$(kubectl get svc web -o jsonpath='{.spec.clusterIP}')" ]
port=$(kubectl get svc web -o jsonpath='{.spec.ports[0].nodePort}')
until client "$(address)"; do sleep 0.1; done
client "$(minikube ip):$port"
kubectl patch svc web -p '{"spec":{"externalTrafficPolicy":"Local"}}' >/dev/null
health=$(kubectl get svc web -o jsonpath='{.spec.healthCheckNodePort}')
until curl -s "localhost:$health/healthz" | grep localEndpoints; do sleep 0.1; done
sleep 0.3
client "$(address)"
client "$(minikube ip):$port"
kill $tunnel; wait $tunnel || true
until [ -z "$(address)" ]; do sleep 0.1; done
""")
    assert said == (
        "client_address=192.168.49.2\nclient_address=192.168.49.2\n"
        '\t"localEndpoints": 1,\nclient_address=192.168.49.1\nclient_address=192.168.49.1\n'
    )


def test_what_pods_use() -> None:
    said = run(r"""
minikube start >/dev/null
kubectl top nodes 2>&1 || true
kubectl create deployment busy --image=busybox -- sh -c 'while :; do :; done' >/dev/null
kubectl rollout status deployment busy >/dev/null
minikube addons enable metrics-server
until kubectl top pods >/dev/null 2>&1; do sleep 0.2; done
sleep 6
kubectl top pods --no-headers
minikube addons disable metrics-server
kubectl top pods 2>&1 || true
""")
    assert said.startswith("error: Metrics API not available\n")
    assert said.endswith("error: Metrics API not available\n")
    busy = next(line for line in said.splitlines() if line.startswith("busy-"))
    assert int(busy.split()[1].removesuffix("m")) > 20


def test_every_kind_of_service_is_found_by_name() -> None:
    said = run(r"""
minikube start >/dev/null
kubectl create deployment web --image=nginx --port=80 --replicas=2 >/dev/null
kubectl rollout status deployment web >/dev/null
kubectl expose deployment web >/dev/null
kubectl expose deployment web --name=headless --cluster-ip=None >/dev/null
kubectl create service externalname other --external-name=web.default.svc.cluster.local >/dev/null
kubectl apply -f - >/dev/null 2>&1 <<Y
apiVersion: v1
kind: Service
metadata: {name: own}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: own}
subsets: [{addresses: [{ip: "$(kubectl get pods -o jsonpath='{.items[0].status.podIP}')"}], ports: [{port: 80}]}]
Y
asks='nslookup -type=a headless.default.svc.cluster.local | grep -c "^Address: 10.244"
for name in web headless other own; do until wget -qO - http://$name >/tmp/page 2>/dev/null; do sleep 0.1; done
echo $name; done
nslookup other.default.svc.cluster.local | grep -o -m 1 "canonical name = .*"'
kubectl run asker --image=busybox --restart=Never -- sh -c "$asks" >/dev/null
kubectl wait --for=jsonpath='{.status.phase}'=Succeeded pod/asker --timeout=30s >/dev/null
kubectl logs asker
""")
    assert said == "2\nweb\nheadless\nother\nown\ncanonical name = web.default.svc.cluster.local\n"
