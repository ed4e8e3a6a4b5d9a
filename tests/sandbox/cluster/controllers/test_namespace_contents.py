import pytest

from sandbox.cluster.api.objects import Key
from sandbox.cluster.resources.all import CONFIGMAPS, NAMESPACES, SERVICEACCOUNTS


@pytest.mark.parametrize(("resource", "name"), [(SERVICEACCOUNTS, "default"), (CONFIGMAPS, "kube-root-ca.crt")])
async def test_every_namespace_has_them_and_has_them_again_when_deleted(cluster, resource, name):
    cluster.registry.create(NAMESPACES, {"metadata": {"name": "shop"}})
    await cluster.settle()
    for namespace in ("default", "kube-system", "shop"):
        assert cluster.registry.exists(resource, Key(namespace, name))
    cluster.registry.delete(resource, Key("shop", name))
    await cluster.settle()
    assert cluster.registry.exists(resource, Key("shop", name))


async def test_the_certificate_is_put_right_again(cluster):
    key = Key("default", "kube-root-ca.crt")
    cluster.registry.patch(CONFIGMAPS, key, lambda obj: obj.update(data={"ca.crt": "forged"}))
    await cluster.settle()
    assert cluster.registry.get(CONFIGMAPS, key)["data"] == {"ca.crt": "PEM"}
