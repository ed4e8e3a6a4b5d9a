"""What people do every day, with every version of kubectl that this machine has."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.kubectl.conftest import Kubectl

IMAGE = "gcr.io/google-samples/kubernetes-bootcamp:v1"


@pytest.fixture
def deployed(kubectl: Kubectl) -> Kubectl:
    """A namespace with a Deployment that has rolled out."""
    kubectl(f"create deployment web --image={IMAGE}")
    kubectl("rollout status deployment/web --timeout=20s")
    return kubectl


def test_versions_and_where_the_cluster_is(kubectl: Kubectl) -> None:
    assert "v1.33." in kubectl("version")
    assert "https://127.0.0.1:" in kubectl("cluster-info")
    assert kubectl("get nodes -o name") == "node/minikube\n"


def test_scale_and_watch_it_happen(deployed: Kubectl) -> None:
    deployed("scale deployment/web --replicas=4")
    assert "successfully rolled out" in deployed("rollout status deployment/web --timeout=20s")
    assert len(deployed("get pods -l app=web -o name").splitlines()) == 4
    deployed("scale deployment/web --replicas=0")
    # Waiting for what is gone already is an error in itself.
    deployed.shell("kubectl wait --for=delete pod -l app=web --timeout=20s")
    assert deployed("get pods -l app=web -o name") == ""


def test_roll_out_a_new_version_and_take_it_back(deployed: Kubectl) -> None:
    deployed("set image deployment/web kubernetes-bootcamp=jocatalin/kubernetes-bootcamp:v2")
    deployed("rollout status deployment/web --timeout=20s")
    template = "{range .items[*]}{.spec.containers[0].image}{end}"
    assert deployed(f"get pods -l app=web --field-selector=status.phase=Running -o jsonpath='{template}'") != IMAGE
    deployed("rollout undo deployment/web")
    deployed("rollout status deployment/web --timeout=20s")
    assert deployed("get deployment web -o jsonpath='{.spec.template.spec.containers[0].image}'") == IMAGE


def test_apply_is_repeatable_and_removes_what_was_removed(kubectl: Kubectl, tmp_path: Path) -> None:
    manifest = tmp_path / "config.yaml"
    manifest.write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, labels: {x: z}}\ndata: {a: '1', b: '2'}\n"
    )
    assert kubectl(f"apply -f {manifest}") == "configmap/c created\n"
    assert kubectl(f"apply -f {manifest}") == "configmap/c unchanged\n"
    manifest.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: '3'}\n")
    assert kubectl(f"apply -f {manifest}") == "configmap/c configured\n"
    found = json.loads(kubectl("get configmap c -o json"))
    assert (found["data"], "labels" in found["metadata"]) == ({"a": "3"}, False)
    assert kubectl(f"delete -f {manifest}") == 'configmap "c" deleted\n'


def test_apply_on_the_servers_side(kubectl: Kubectl, tmp_path: Path) -> None:
    manifest = tmp_path / "config.yaml"
    manifest.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: '1'}\n")
    assert kubectl(f"apply --server-side -f {manifest}") == "configmap/c serverside-applied\n"
    manifest.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: '2'}\n")
    said = kubectl.fails(f"apply --server-side --field-manager=other -f {manifest}")
    assert 'conflict with "kubectl": .data.a' in said.replace(" using v1", "")
    kubectl(f"apply --server-side --field-manager=other --force-conflicts -f {manifest}")
    assert kubectl("get configmap c -o jsonpath='{.data.a}'") == "2"


def test_a_misspelt_field_is_refused(kubectl: Kubectl, tmp_path: Path) -> None:
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, imagee: nginx, image: nginx}]}\n"
    )
    said = kubectl.fails(f"create -f {manifest}")
    assert "imagee" in said
    assert "unknown field" in said


def test_edit_label_annotate_patch(deployed: Kubectl) -> None:
    deployed.environment["EDITOR"] = "sed -i s/replicas:.1/replicas:\\ 2/"
    assert "edited" in deployed("edit deployment web")
    deployed("label deployment web tier=front")
    deployed("annotate deployment web note='hello world'")
    deployed("""patch deployment web --type=json -p '[{"op": "replace", "path": "/spec/replicas", "value": 3}]'""")
    deployed("""patch deployment web --type=merge -p '{"metadata": {"labels": {"merged": "yes"}}}'""")
    found = json.loads(deployed("get deployment web -o json"))
    assert found["spec"]["replicas"] == 3
    assert found["metadata"]["labels"] == {"app": "web", "tier": "front", "merged": "yes"}
    assert found["metadata"]["annotations"]["note"] == "hello world"


def test_expose_and_describe(deployed: Kubectl) -> None:
    deployed("expose deployment/web --type=NodePort --port 8080")
    port = int(deployed("get service web -o go-template='{{(index .spec.ports 0).nodePort}}'"))
    assert 30000 <= port <= 32767
    shown = deployed("describe service web")
    assert f"{port}/TCP" in shown
    assert ":8080" in next(line for line in shown.splitlines() if line.startswith("Endpoints:"))


def test_explain(kubectl: Kubectl) -> None:
    shown = kubectl("explain deployment.spec.replicas")
    assert "Number of desired pods" in shown


def test_proxy_and_curl(deployed: Kubectl, tmp_path: Path) -> None:
    socket = tmp_path / "proxy"
    with subprocess.Popen(["kubectl", "proxy", f"--unix-socket={socket}"], env=deployed.environment) as proxy:
        script = f"for i in $(seq 100); do [ -S {socket} ] && break; sleep 0.05; done; curl -s --unix-socket {socket}"
        version = deployed.shell(f"{script} http://localhost/version").stdout
        namespace = deployed("config view --minify -o jsonpath='{..namespace}'")
        pods = deployed.shell(f"{script} http://localhost/api/v1/namespaces/{namespace}/pods").stdout
        proxy.terminate()
    assert json.loads(version)["gitVersion"].startswith("v1.33.")
    assert version.startswith('{\n  "major": "1",\n')
    assert json.loads(pods)["items"][0]["metadata"]["labels"]["app"] == "web"


def test_watching_sees_what_happens(deployed: Kubectl) -> None:
    script = "timeout 3 kubectl get deployments -w & sleep 0.7; kubectl delete deployment web >/dev/null; wait"
    lines = deployed.shell(script).stdout.splitlines()
    assert lines[0].split()[:2] == ["NAME", "READY"]
    assert len(lines) >= 3


def test_a_namespace_goes_with_everything_in_it(deployed: Kubectl) -> None:
    namespace = deployed("config view --minify -o jsonpath='{..namespace}'")
    deployed(f"delete namespace {namespace} --timeout=20s")
    assert f'namespaces "{namespace}" not found' in deployed.fails(f"get namespace {namespace}")
    assert deployed("get pods -o name") == ""


def test_faults_have_kubernetes_words(kubectl: Kubectl) -> None:
    assert kubectl.fails("get pod nosuch") == 'Error from server (NotFound): pods "nosuch" not found'
    assert kubectl.fails("get bogus") == 'error: the server doesn\'t have a resource type "bogus"'
    assert "metadata.name: Invalid value" in kubectl.fails(f"create deployment Bad_Name --image={IMAGE}")
    said = kubectl.fails("get pods --as=jane")
    assert 'Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource "pods"' in said


def test_dry_runs(kubectl: Kubectl) -> None:
    kubectl(f"create deployment web --image={IMAGE} --dry-run=server")
    assert kubectl("get deployments -o name") == ""
