import pytest

from sandbox.cluster.controllers.go_format import Unknown, pod_template
from sandbox.cluster.controllers.template_hash import template_hash


def template(name, image, **container):
    defaults = {
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }
    spec = {
        "containers": [{"name": name, "image": image} | defaults | container],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }
    return {"metadata": {"creationTimestamp": None, "labels": {"app": name}}, "spec": spec}


@pytest.mark.parametrize(
    ("made", "recorded"),
    [
        (template("kubernetes-bootcamp", "gcr.io/google-samples/kubernetes-bootcamp:v1"), "9bc58d867"),
        (template("nginx", "nginx:1.14.2", ports=[{"containerPort": 80, "protocol": "TCP"}]), "647677fc66"),
    ],
)
def test_the_hashes_are_those_that_a_real_kubernetes_gave(made, recorded):
    assert template_hash(made) == recorded


def test_structs_pointers_lists_and_maps():
    text = pod_template(template("c", "i", command=["a", "b"], env=[{"name": "A", "value": "1"}]))
    assert "Labels:(map[string]string)map[app:c] Annotations:(map[string]string)<nil>" in text
    assert "Command:([]string)[a b] Args:([]string)<nil>" in text
    assert "Env:([]v1.EnvVar)[{Name:(string)A Value:(string)1 ValueFrom:(*v1.EnvVarSource)<nil>}]" in text
    assert "TerminationGracePeriodSeconds:(*int64)30 ActiveDeadlineSeconds:(*int64)<nil>" in text
    assert text.count("(v1.Time){Time:(time.Time){wall:(uint64)0") == 1


def test_what_is_not_known_is_not_guessed():
    probed = template("c", "i", readinessProbe={"tcpSocket": {"port": 80}})
    with pytest.raises(Unknown):
        pod_template(probed)
    with pytest.raises(Unknown):
        pod_template(template("c", "i", newField=1))
    assert set(template_hash(probed)) <= set("456789bcdf")
