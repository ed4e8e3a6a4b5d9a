"""What kubectl sends as protobuf is the same object that it prints as JSON; hostile bytes are refused."""

import contextlib
import http.server
import json
import os
import subprocess
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cluster.api.errors import BadRequest
from sandbox.cluster.apiserver.protobuf import MAGIC, MEDIA_TYPE, decode
from tests.kubectl.binaries import found


def run(*arguments, home):
    versions = found()
    newest = max(versions, key=lambda version: [int(part) for part in version.split(".") if part.isdigit()], default="")
    assert newest, "this test needs kubectl on the PATH"
    command = [versions[newest], *arguments]
    env = {"HOME": str(home), "PATH": os.environ["PATH"]}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def recorder():
    """A server that answers any POST and remembers the body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.server.type = self.headers["Content-Type"]
            self.server.body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"kind":"Status","apiVersion":"v1","status":"Success"}')

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    "arguments",
    [
        "deployment x --image=nginx:1.25 --port=80 --replicas=3",
        "deployment x --image=nginx --replicas=0 -- sleep 1",
        "service nodeport s --tcp=80:8080 --node-port=30080",
        "service externalname e --external-name=example.com",
        "configmap c --from-literal=a=b --from-literal=c=",
        "secret generic q --from-literal=a=b",
        "namespace n",
        "serviceaccount robot",
        "quota q --hard=cpu=1,memory=1Gi",
        "ingress i --rule=foo.com/bar=svc1:8080",
    ],
)
def test_a_typed_create_is_read_as_kubectl_prints_it(recorder, tmp_path, arguments):
    words = arguments.split()
    server = f"--server=http://127.0.0.1:{recorder.server_port}"
    at = words.index("--") if "--" in words else len(words)
    run("create", *words[:at], server, *words[at:], home=tmp_path)
    printed = run("create", *words[:at], "--dry-run=client", "-o", "json", *words[at:], home=tmp_path)
    assert recorder.type == MEDIA_TYPE
    assert decode(recorder.body) == json.loads(printed)


def field(number, value):
    """A length-delimited or varint field."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def envelope(api_version, kind, raw):
    meta = field(1, api_version.encode()) + field(2, kind.encode())
    return MAGIC + field(1, meta) + field(2, raw)


def test_delete_options_keep_a_grace_period_of_zero():
    raw = field(1, 0) + field(4, b"Foreground")
    assert decode(envelope("v1", "DeleteOptions", raw)) == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Foreground",
    }


def test_times_numbers_and_quantities():
    micro = field(1, 1_700_000_000) + field(2, 123_456_000)
    lease = field(2, field(1, b"me") + field(2, 40) + field(4, micro))
    spec = decode(envelope("coordination.k8s.io/v1", "Lease", lease))["spec"]
    assert spec == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 40,
        "renewTime": "2023-11-14T22:13:20.123456Z",
    }
    toleration = field(22, field(5, -1))
    pod = decode(envelope("v1", "Pod", field(2, toleration)))
    assert pod["spec"]["tolerations"] == [{"tolerationSeconds": -1}]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        MAGIC,
        MAGIC + b"\xff" * 20,
        envelope("v1", "Pod", b"\x0a\xff\xff\xff\xff\x0f"),
        envelope("v1", "Pod", b"\x0b"),
        envelope("v1", "Nothing", b""),
        envelope("nosuch/v1", "Pod", b""),
        envelope("v1", "Pod", field(1, field(1, b"\xff\xfe"))),
        envelope("v1", "Pod", field(1, 5)),
        envelope("v1", "Pod", field(1, field(8, field(1, 1 << 62)))),
        envelope("v1", "ConfigMap", field(2, b"") * 300_000),
        envelope("apps/v1", "ControllerRevision", field(2, field(1, b"[NaN]"))),
        envelope("apps/v1", "ControllerRevision", field(2, field(1, b"[" * 100_000))),
    ],
)
def test_malformed_bodies_are_bad_requests(body):
    with pytest.raises(BadRequest):
        decode(body)


@given(st.binary(max_size=300), st.sampled_from([("v1", "Pod"), ("apps/v1", "Deployment"), ("v1", "Event")]))
def test_any_bytes_are_an_object_or_a_bad_request(raw, kind):
    for body in (raw, MAGIC + raw, envelope(*kind, raw), envelope(*kind, field(2, raw))):
        with contextlib.suppress(BadRequest):
            json.dumps(decode(body), allow_nan=False)
