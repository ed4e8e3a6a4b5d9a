"""Who may do what, as people try it with kubectl."""

from __future__ import annotations

import base64
import time
from pathlib import Path

from tests.kubectl.conftest import Kubectl


def namespace_of(kubectl: Kubectl) -> str:
    return kubectl("config view --minify -o jsonpath={..namespace}")


def test_a_role_gives_rights_in_its_namespace(kubectl: Kubectl) -> None:
    namespace = namespace_of(kubectl)
    made = kubectl("create role pod-reader --verb=get --verb=list --verb=watch --resource=pods")
    assert made == "role.rbac.authorization.k8s.io/pod-reader created\n"
    kubectl("create rolebinding read-pods --role=pod-reader --user=jane")
    assert kubectl("get rolebinding read-pods -o wide").splitlines()[1].split()[:2] == ["read-pods", "Role/pod-reader"]
    assert kubectl("auth can-i list pods --as=jane") == "yes\n"
    assert kubectl.shell("kubectl auth can-i delete pods --as=jane").stdout == "no\n"
    assert kubectl.shell("kubectl auth can-i list pods --as=jane -n default").stdout == "no\n"
    assert kubectl("get pods --as=jane") == ""
    assert kubectl.fails("delete pod x --as=jane") == (
        'Error from server (Forbidden): pods "x" is forbidden: User "jane" cannot delete resource "pods" in API group'
        f' "" in the namespace "{namespace}"'
    )
    listed = kubectl("auth can-i --list --as=jane").splitlines()
    assert any(line.split() == ["pods", "[]", "[]", "[get", "list", "watch]"] for line in listed)
    described = kubectl("describe role pod-reader")
    assert "pods       []                 []              [get list watch]" in described


def test_an_account_gets_the_right_to_view(kubectl: Kubectl) -> None:
    namespace = namespace_of(kubectl)
    kubectl("create serviceaccount robot")
    kubectl(f"create rolebinding robot-view --clusterrole=view --serviceaccount={namespace}:robot")
    robot = f"--as=system:serviceaccount:{namespace}:robot"
    assert kubectl(f"auth can-i list deployments.apps {robot}") == "yes\n"
    assert kubectl.shell(f"kubectl auth can-i list secrets {robot}").stdout == "no\n"
    assert kubectl.shell(f"kubectl auth can-i list pods -A {robot}").stdout == "no\n"


def test_a_cluster_role_gives_rights_everywhere(kubectl: Kubectl) -> None:
    name = namespace_of(kubectl)
    kubectl(f"create clusterrole {name} --verb=get,list --resource=nodes,pods/log")
    kubectl(f"create clusterrolebinding {name} --clusterrole={name} --group={name}")
    assert "minikube" in kubectl(f"get nodes --as=jane --as-group={name}")
    kubectl(f"delete clusterrolebinding {name}")
    assert "cannot list resource" in kubectl.fails(f"get nodes --as=jane --as-group={name}")


def test_nobody_makes_more_of_themselves(kubectl: Kubectl) -> None:
    kubectl("create rolebinding bob-admin --clusterrole=admin --user=bob")
    assert kubectl("--as=bob create role r --verb=get --resource=pods") == "role.rbac.authorization.k8s.io/r created\n"
    said = kubectl.fails("--as=bob create role s --verb=* --resource=nodes")
    assert said.endswith(
        "is attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["nodes"], Verbs:["*"]}'
    ), said


def test_the_default_roles_read_as_those_of_kubernetes(kubectl: Kubectl) -> None:
    described = kubectl("describe clusterrole cluster-admin")
    assert "*.*        []                 []              [*]" in described
    assert "             [*]                []              [*]" in described
    assert kubectl("describe clusterrole admin").count("\n") > 60


def test_an_account_s_token_carries_its_rights(kubectl: Kubectl) -> None:
    namespace = namespace_of(kubectl)
    kubectl("create serviceaccount robot")
    kubectl(f"create rolebinding robot-view --clusterrole=view --serviceaccount={namespace}:robot")
    token = kubectl("create token robot").strip() if kubectl.version >= "1.24" else ""
    if not token:
        return
    server = kubectl("config view --minify -o jsonpath={..server}")
    plain = f"--kubeconfig=/dev/null --server={server} --insecure-skip-tls-verify --token={token} -n {namespace}"
    assert kubectl(f"{plain} get pods") == ""
    said = kubectl.fails(f"{plain} get secrets")
    assert f'User "system:serviceaccount:{namespace}:robot" cannot list resource "secrets"' in said


SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: robot-token, annotations: {kubernetes.io/service-account.name: robot}}
type: kubernetes.io/service-account-token
"""


def test_a_token_in_a_secret_lives_as_long_as_the_secret(kubectl: Kubectl, tmp_path: Path) -> None:
    namespace = namespace_of(kubectl)
    kubectl("create serviceaccount robot")
    kubectl(f"create rolebinding robot-view --clusterrole=view --serviceaccount={namespace}:robot")
    (tmp_path / "secret.yaml").write_text(SECRET)
    kubectl(f"apply -f {tmp_path}/secret.yaml")
    deadline = time.monotonic() + 10
    while not (encoded := kubectl("get secret robot-token -o jsonpath={.data.token}")):
        assert time.monotonic() < deadline
    token = base64.b64decode(encoded).decode()
    server = kubectl("config view --minify -o jsonpath={..server}")
    plain = f"--kubeconfig=/dev/null --server={server} --insecure-skip-tls-verify --token={token} -n {namespace}"
    assert kubectl(f"{plain} get pods") == ""
    kubectl("delete secret robot-token")
    assert "Unauthorized" in kubectl.fails(f"{plain} get pods") or "logged in" in kubectl.fails(f"{plain} get pods")
