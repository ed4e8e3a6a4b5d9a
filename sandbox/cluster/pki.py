"""The cluster's keys: a certificate authority, the server's and the admin's certificates, the key that signs tokens.

EC P-256 throughout. They are made once and kept; the kubeconfig holds the admin's.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_YEARS = timedelta(days=3650)
_SKEW = timedelta(hours=1)
"""Certificates begin a little before they are made: clocks differ."""
ISSUER = "https://kubernetes.default.svc.cluster.local"


def _private_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, and for its owner only."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    temporary.replace(path)


def _name(common: str, organisation: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)] if organisation else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """The cluster's certificate authority, in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.pair = self._kept("ca") or self._save("ca", self._make_authority())
        self._certificate = x509.load_pem_x509_certificate(self.pair.certificate)
        key = serialization.load_pem_private_key(self.pair.key, password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key

    @property
    def certificate(self) -> bytes:
        """What clients trust, in PEM."""
        return self.pair.certificate

    def server(self, hosts: Sequence[str]) -> Pair:
        """The API server's certificate for these names and addresses, made anew when they change."""
        found = self._kept("apiserver")
        if found is not None and set(hosts) <= _hosts_of(found.certificate):
            return found
        names: list[x509.GeneralName] = []
        for host in hosts:
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(host)))
            except ValueError:
                names.append(x509.DNSName(host))
        pair = self._sign(_name("minikube", "system:masters"), ExtendedKeyUsageOID.SERVER_AUTH, names)
        return self._save("apiserver", pair)

    def client(self, file: str, user: str, group: str) -> Pair:
        """A client certificate that authenticates as a user of a group."""
        found = self._kept(file)
        if found is not None:
            return found
        return self._save(file, self._sign(_name(user, group), ExtendedKeyUsageOID.CLIENT_AUTH, []))

    def server_context(self, hosts: Sequence[str]) -> ssl.SSLContext:
        """A TLS context for the server: client certificates are asked for, not demanded."""
        self.server(hosts)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._directory / "apiserver.crt", self._directory / "apiserver.key")
        context.load_verify_locations(cadata=self.pair.certificate.decode())
        context.verify_mode = ssl.CERT_OPTIONAL
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _kept(self, file: str) -> Pair | None:
        try:
            certificate = (self._directory / f"{file}.crt").read_bytes()
            return Pair(certificate, (self._directory / f"{file}.key").read_bytes())
        except FileNotFoundError:
            return None

    def _save(self, file: str, pair: Pair) -> Pair:
        # The key first: a certificate without its key would be taken for a whole pair.
        _write(self._directory / f"{file}.key", pair.key)
        _write(self._directory / f"{file}.crt", pair.certificate)
        return pair

    def _make_authority(self) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_name("minikubeCA"))
            .issuer_name(_name("minikubeCA"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SKEW)
            .not_valid_after(now + _YEARS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return Pair(certificate.public_bytes(serialization.Encoding.PEM), _private_bytes(key))

    def _sign(self, subject: x509.Name, usage: x509.ObjectIdentifier, names: Sequence[x509.GeneralName]) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SKEW)
            .not_valid_after(now + _YEARS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Pair(certificate.public_bytes(serialization.Encoding.PEM), _private_bytes(key))


def _hosts_of(certificate: bytes) -> set[str]:
    extension = x509.load_pem_x509_certificate(certificate).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    names = extension.value
    return {str(ip) for ip in names.get_values_for_type(x509.IPAddress)} | set(names.get_values_for_type(x509.DNSName))


class TokenSigner:
    """Service accounts' bearer tokens: JSON Web Tokens with ES256."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / "sa.key"
        if not path.exists():
            _write(path, _private_bytes(ec.generate_private_key(ec.SECP256R1())))
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key

    def sign(self, claims: dict[str, object]) -> str:
        """A token that holds these claims."""
        signed = f"{_encode(_json({'alg': 'ES256', 'typ': 'JWT'}))}.{_encode(_json(claims))}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def verify(self, token: str, now: datetime) -> dict[str, object] | None:
        """The claims of a token that we signed and that has not expired, else None."""
        try:
            signed, _, signature = token.rpartition(".")
            raw = _decode(signature)
            if len(raw) != 64:
                return None
            pair = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
            self._key.public_key().verify(pair, signed.encode(), ec.ECDSA(hashes.SHA256()))
            claims = json.loads(_decode(signed.partition(".")[2]))
        except (ValueError, InvalidSignature):
            return None
        if not isinstance(claims, dict) or float(claims.get("exp") or 0) <= now.timestamp():
            return None
        return claims


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def kubeconfig(server: str, authority: Authority, *, name: str = "minikube") -> str:
    """The admin's kubeconfig, with everything embedded, in JSON (which is YAML)."""
    admin = authority.client("admin", "minikube-user", "system:masters")

    def encoded(data: bytes) -> str:
        return base64.b64encode(data).decode()

    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {"certificate-authority-data": encoded(authority.certificate), "server": server},
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
        "current-context": name,
        "preferences": {},
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate-data": encoded(admin.certificate),
                    "client-key-data": encoded(admin.key),
                },
            }
        ],
    }
    return json.dumps(config, indent=2) + "\n"


def public_kubeconfig(server: str, authority: Authority) -> str:
    """How to reach the cluster, without credentials: ConfigMap kube-public/cluster-info."""
    data = base64.b64encode(authority.certificate).decode()
    cluster = {"name": "", "cluster": {"certificate-authority-data": data, "server": server}}
    return json.dumps({"apiVersion": "v1", "kind": "Config", "clusters": [cluster]}, indent=2) + "\n"


def write_kubeconfig(path: Path, text: str) -> None:
    """Put the kubeconfig into place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, text.encode())
