"""Volumes and claims, as people try them with kubectl."""

from __future__ import annotations

from pathlib import Path

from tests.kubectl.conftest import Kubectl

CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 500Mi}}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: c, image: 'nginx:1.25', volumeMounts: [{name: data, mountPath: /data}]}
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
"""


def test_a_claim_gets_a_volume_of_the_default_class(kubectl: Kubectl, tmp_path: Path) -> None:
    header, row = kubectl("get sc").splitlines()
    assert header.split()[:4] == ["NAME", "PROVISIONER", "RECLAIMPOLICY", "VOLUMEBINDINGMODE"]
    assert row.split()[:5] == ["standard", "(default)", "k8s.io/minikube-hostpath", "Delete", "Immediate"]
    (tmp_path / "all.yaml").write_text(f"{CLAIM}---{POD}")
    kubectl(f"apply -f {tmp_path}/all.yaml")
    kubectl("wait --for=condition=Ready pod/web --timeout=20s")
    row = kubectl("get pvc data").splitlines()[1].split()
    assert (row[0], row[1], row[3], row[4], row[5]) == ("data", "Bound", "500Mi", "RWO", "standard")
    volume = row[2]
    assert f"{volume}   500Mi      RWO            Delete           Bound" in kubectl(f"get pv {volume}")
    assert "Used By:       web" in kubectl("describe pvc data")
    assert kubectl.fails('patch pvc data -p \'{"spec":{"resources":{"requests":{"storage":"1Gi"}}}}\'') == (
        'Error from server (Forbidden): persistentvolumeclaims "data" is forbidden: only dynamically provisioned pvc'
        " can be resized and the storageclass that provisions the pvc must support resize"
    )
    kubectl("delete pod web")
    kubectl("delete pvc data")
    assert kubectl.fails(f"get pv {volume}").startswith("Error from server (NotFound)")
