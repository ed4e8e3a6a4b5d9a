import asyncio
import base64

import pytest

from sandbox.cluster.api.errors import Invalid
from sandbox.cluster.api.objects import Key
from sandbox.cluster.controller import ControllerLoop
from sandbox.cluster.controllers.token_secrets import TokenSecretController
from sandbox.cluster.resources.all import SECRETS, SERVICEACCOUNTS

TYPE = "kubernetes.io/service-account-token"


@pytest.fixture
async def tokens(cluster):
    controller = TokenSecretController(
        cluster.registry, issue=lambda account, secret: f"of {account['metadata']['name']}", certificate="PEM"
    )
    task = asyncio.ensure_future(ControllerLoop(controller, registry=cluster.registry, clock=cluster.clock).run())
    yield cluster
    task.cancel()


def secret(cluster):
    return cluster.registry.find(SECRETS, Key("default", "robot-token"))


def make(cluster, **metadata):
    obj = {"metadata": {"name": "robot-token"} | metadata, "type": TYPE}
    cluster.registry.create(SECRETS, obj, namespace="default")


async def test_a_secret_gets_the_token_of_its_account_and_goes_with_it(tokens):
    tokens.registry.create(SERVICEACCOUNTS, {"metadata": {"name": "robot"}}, namespace="default")
    make(tokens, annotations={"kubernetes.io/service-account.name": "robot"})
    await tokens.settle()
    data = {key: base64.b64decode(value).decode() for key, value in secret(tokens)["data"].items()}
    assert data == {"ca.crt": "PEM", "namespace": "default", "token": "of robot"}
    tokens.registry.delete(SERVICEACCOUNTS, Key("default", "robot"))
    await tokens.settle()
    assert secret(tokens) is None


async def test_a_secret_says_whose_token_it_holds(tokens):
    with pytest.raises(Invalid, match="Required value"):
        make(tokens)
