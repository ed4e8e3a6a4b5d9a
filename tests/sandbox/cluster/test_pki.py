import json
import ssl
from datetime import UTC, datetime

import pytest
import yaml

from sandbox.cluster.pki import Authority, TokenSigner, kubeconfig, write_kubeconfig

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_keys_are_made_once_and_are_private(tmp_path):
    first = Authority(tmp_path / "pki")
    admin = first.client("admin", "minikube-user", "system:masters")
    again = Authority(tmp_path / "pki")
    assert again.certificate == first.certificate
    assert again.client("admin", "minikube-user", "system:masters") == admin
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "pki").iterdir()} == {0o600}


def test_the_server_certificate_is_made_anew_for_a_new_name(tmp_path):
    authority = Authority(tmp_path)
    first = authority.server(["127.0.0.1", "localhost"])
    assert authority.server(["localhost"]) == first
    assert authority.server(["localhost", "10.0.0.1"]) != first


def test_a_client_and_the_server_believe_each_other(tmp_path):
    authority = Authority(tmp_path)
    admin = authority.client("admin", "minikube-user", "system:masters")
    (tmp_path / "both.pem").write_bytes(admin.certificate + admin.key)
    client_context = ssl.create_default_context(cadata=authority.certificate.decode())
    client_context.load_cert_chain(tmp_path / "both.pem")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = authority.server_context(["localhost"]).wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname="localhost")
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    subject = dict(pair for part in server.getpeercert()["subject"] for pair in part)
    assert subject == {"organizationName": "system:masters", "commonName": "minikube-user"}


def test_tokens(tmp_path):
    signer = TokenSigner(tmp_path)
    token = signer.sign({"sub": "me", "exp": NOW.timestamp() + 10})
    assert TokenSigner(tmp_path).verify(token, NOW) == {"sub": "me", "exp": NOW.timestamp() + 10}
    assert signer.verify(token, datetime(2026, 1, 2, tzinfo=UTC)) is None
    head, payload, signature = token.split(".")
    assert signer.verify(f"{head}.{payload[:-2]}AA.{signature}", NOW) is None
    assert TokenSigner(tmp_path / "other").verify(token, NOW) is None


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c", "a.b.!!!", "é.b.c", "." * 10])
def test_what_is_no_token(tmp_path, token):
    assert TokenSigner(tmp_path).verify(token, NOW) is None


def test_the_kubeconfig_holds_everything(tmp_path):
    text = kubeconfig("https://127.0.0.1:8443", Authority(tmp_path))
    config = yaml.safe_load(text)
    assert config == json.loads(text)
    assert config["current-context"] == config["contexts"][0]["name"] == "minikube"
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:8443"
    write_kubeconfig(tmp_path / "sub" / "config", text)
    assert (tmp_path / "sub" / "config").stat().st_mode & 0o777 == 0o600
