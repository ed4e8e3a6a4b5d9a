import random

import pytest

from sandbox.cluster.admission.service_accounts import ServiceAccounts
from sandbox.cluster.api.errors import Forbidden
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.all import NAMESPACES, PODS, SERVICEACCOUNTS
from sandbox.cluster.store import Store

MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


@pytest.fixture
def registry():
    accounts = ServiceAccounts(chance=random.Random(1))
    made = Registry(Store(), (NAMESPACES, PODS, SERVICEACCOUNTS), admission=(accounts,))
    made.create(NAMESPACES, {"metadata": {"name": "default"}})
    made.create(SERVICEACCOUNTS, {"metadata": {"name": "default"}})
    made.create(SERVICEACCOUNTS, {"metadata": {"name": "quiet"}, "automountServiceAccountToken": False})
    return made


def pod(**spec):
    containers = [{"name": "c", "image": "nginx"}]
    return {"metadata": {"name": "p"}, "spec": {"containers": containers, **spec}}


def mounts(made):
    return [mount["mountPath"] for mount in made["spec"]["containers"][0].get("volumeMounts", ())]


def test_a_pod_gets_the_default_account_and_its_token(registry):
    made = registry.create(PODS, pod())
    assert made["spec"]["serviceAccountName"] == made["spec"]["serviceAccount"] == "default"
    assert mounts(made) == [MOUNT]
    assert made["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["path"] == "token"


def test_who_wants_no_token_gets_none(registry):
    assert mounts(registry.create(PODS, pod(automountServiceAccountToken=False))) == []
    other = pod(serviceAccountName="quiet")
    other["metadata"]["name"] = "q"
    assert mounts(registry.create(PODS, other)) == []


def test_a_mount_of_ones_own_is_left_alone(registry):
    wanted = pod(volumes=[{"name": "mine", "emptyDir": {}}])
    wanted["spec"]["containers"][0]["volumeMounts"] = [{"name": "mine", "mountPath": MOUNT}]
    made = registry.create(PODS, wanted)
    assert [volume["name"] for volume in made["spec"]["volumes"]] == ["mine"]


def test_an_account_must_exist(registry):
    with pytest.raises(Forbidden) as refused:
        registry.create(PODS, pod(serviceAccountName="nobody"))
    message = 'error looking up service account default/nobody: serviceaccount "nobody" not found'
    assert str(refused.value) == f'pods "p" is forbidden: {message}'
