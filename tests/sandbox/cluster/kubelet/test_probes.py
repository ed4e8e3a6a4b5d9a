import asyncio
import contextlib

import pytest

from sandbox.cluster.api.objects import Key
from sandbox.cluster.kubelet.probes import FIRST_AFTER, Prober, Verdict, port_number, probe_once, timeout_message
from sandbox.cluster.resources.all import PODS
from tests.sandbox.cluster.simulation import FakeClock

SPEC = {"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}


class Pod:
    """A pod whose ports are those of this machine."""

    ip = "10.244.0.5"

    def __init__(self, ports):
        self.ports = ports

    async def dial(self, port):
        if port not in self.ports:
            raise ConnectionRefusedError(111, "Connection refused")
        return await asyncio.open_connection("127.0.0.1", self.ports[port])


@contextlib.asynccontextmanager
async def server(answer):
    requests = []

    async def serve(reader, writer):
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield Pod({8080: listening.sockets[0].getsockname()[1]}), requests


def http(port=8080, path="/ready"):
    return {"httpGet": {"path": path, "port": port}}


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict(ok=True)),
        (302, Verdict(ok=True)),
        (404, Verdict(ok=False, output="HTTP probe failed with statuscode: 404")),
        (500, Verdict(ok=False, output="HTTP probe failed with statuscode: 500")),
    ],
)
async def test_http(status, verdict):
    async with server(f"HTTP/1.1 {status} X\r\n\r\n".encode()) as (pod, requests):
        assert await probe_once(http("http"), spec=SPEC, container=None, pod=pod) == verdict
    assert requests[0].startswith(b"GET /ready HTTP/1.1\r\nHost: 10.244.0.5:8080\r\nUser-Agent: kube-probe/1.33\r\n")


async def test_a_refused_connection_is_said_as_go_says_it():
    tcp = {"tcpSocket": {"port": 99}}
    refused = "dial tcp 10.244.0.5:99: connect: connection refused"
    assert (await probe_once(tcp, spec=SPEC, container=None, pod=Pod({}))).output == refused
    verdict = await probe_once(http(99, "/"), spec=SPEC, container=None, pod=Pod({}))
    assert verdict.output == f'Get "http://10.244.0.5:99/": {refused}'


async def test_tcp():
    async with server(b"") as (pod, _):
        assert (await probe_once({"tcpSocket": {"port": "http"}}, spec=SPEC, container=None, pod=pod)).ok


class Echo:
    """A container whose commands print and exit as told."""

    def __init__(self, output, code):
        self.output, self.code, self.closed = output, code, False

    async def exec(self, command, *, stdin, tty):
        self.command, self.stdout, self.stderr = command, asyncio.StreamReader(), asyncio.StreamReader()
        self.stdout.feed_eof()
        self.stderr.feed_data(self.output)
        self.stderr.feed_eof()
        return self

    async def wait(self):
        return self.code

    async def close(self):
        self.closed = True


@pytest.mark.parametrize("code", [0, 1])
async def test_exec(code):
    container = Echo(b"cat: can't open", code)
    probe = {"exec": {"command": ["cat", "/tmp/healthy"]}}
    verdict = await probe_once(probe, spec=SPEC, container=container, pod=Pod({}))
    assert verdict == Verdict(ok=code == 0, output="cat: can't open")
    assert (container.command, container.closed) == (["cat", "/tmp/healthy"], True)


def test_ports_by_name():
    assert port_number("http", SPEC) == 8080
    assert port_number("81", SPEC) == 81
    with pytest.raises(ValueError, match="nope"):
        port_number("nope", SPEC)


def test_what_a_timeout_is_called():
    assert timeout_message({"exec": {"command": ["sleep", "9"]}}, spec=SPEC, ip="") == 'command "sleep 9" timed out'
    message = timeout_message(http(), spec=SPEC, ip="10.244.0.5")
    assert message == (
        'Get "http://10.244.0.5:8080/ready": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    )


async def answers(given, *, kind="readiness", seconds, **probe):
    """What a prober tells, with the time of each, when it gets these answers (None: too late)."""
    clock, told, failed, queue = FakeClock(), [], [], list(given)

    async def ask():
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        if answer is None:
            await asyncio.get_running_loop().create_future()
        return Verdict(ok=answer, output="no")

    prober = Prober(
        kind,
        probe,
        ask,
        lambda _kind, ok: told.append((clock.monotonic(), ok)),
        lambda _kind, output: failed.append(output),
        clock,
        "too late",
    )
    task = asyncio.ensure_future(prober.run())
    for second in range(seconds * 10):
        for _ in range(5):
            await asyncio.sleep(0)
        clock.step_to(second / 10)
        clock.fire_due()
    for _ in range(5):
        await asyncio.sleep(0)
    done = task.done()
    task.cancel()
    return told, failed, done


async def test_thresholds_and_periods():
    told, failed, _ = await answers([True, False, False, False, True], seconds=9, periodSeconds=2)
    assert told[0] == (pytest.approx(FIRST_AFTER), True)
    assert (pytest.approx(FIRST_AFTER + 6), False) in told
    assert told[-1][1] is True
    assert [ok for _, ok in told].index(False) == 1  # two failures alone said nothing
    assert failed == ["no"] * 3


async def test_the_initial_delay():
    told, _, _ = await answers([True], seconds=5, initialDelaySeconds=3, periodSeconds=10)
    assert told == [(3.0, True)]


async def test_a_startup_probe_ends_with_its_success():
    told, _, done = await answers([False, False, True], kind="startup", seconds=5, periodSeconds=1)
    assert ([ok for _, ok in told], done) == ([True], True)


async def test_an_answer_that_comes_too_late_is_a_failure():
    told, failed, _ = await answers([None], seconds=9, periodSeconds=1, timeoutSeconds=2, failureThreshold=2)
    assert failed[:2] == ["too late", "too late"]
    assert told[0][1] is False


# In a pod


def conditions(cluster):
    return {c["type"]: c["status"] for c in cluster.pod("web")["status"]["conditions"]}


def restarts(cluster):
    return cluster.pod("web")["status"]["containerStatuses"][0]["restartCount"]


def probed(cluster, **probes):
    container = {"name": "c", "image": "busybox:1.36", "command": ["sleep", "1"]} | probes
    cluster.create_pod("web", containers=[container], terminationGracePeriodSeconds=1)


async def test_a_pod_is_ready_when_its_probe_says_so(cluster):
    probed(cluster, readinessProbe={"tcpSocket": {"port": 80}, "periodSeconds": 1})
    await cluster.advance(2)
    assert (conditions(cluster)["Ready"], restarts(cluster)) == ("False", 0)
    address = cluster.pod("web")["status"]["podIP"]
    message = f"Readiness probe failed: dial tcp {address}:80: connect: connection refused"
    assert ("Warning", "Unhealthy", message) in cluster.events("web")
    listening = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    [sandbox] = cluster.runtime.pods.values()
    sandbox.listening[80] = listening.sockets[0].getsockname()
    async with listening, asyncio.timeout(5):
        while conditions(cluster)["Ready"] != "True":
            await cluster.advance(0.5)
    del sandbox.listening[80]
    await cluster.advance(4)
    assert conditions(cluster)["Ready"] == "False"


async def test_a_container_that_is_not_alive_is_restarted(cluster):
    probed(cluster, livenessProbe={"tcpSocket": {"port": 80}, "periodSeconds": 2, "failureThreshold": 2})
    await cluster.advance(3)
    assert restarts(cluster) == 1
    events = cluster.events("web")
    assert ("Normal", "Killing", "Container c failed liveness probe, will be restarted") in events
    assert any(message.startswith("Liveness probe failed: dial tcp") for _, _, message in events)


async def test_what_a_probe_ends_is_restarted_sooner_than_what_crashes(cluster):
    # As on a real node: two restarts without back-off, the third after ten seconds of it.
    probed(cluster, livenessProbe={"tcpSocket": {"port": 80}, "periodSeconds": 9, "failureThreshold": 1})
    await cluster.advance(0.5)
    assert restarts(cluster) == 1
    await cluster.advance(0.3)
    assert restarts(cluster) == 2
    await cluster.advance(0.3)
    [status] = cluster.pod("web")["status"]["containerStatuses"]
    assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"


async def test_until_it_has_started_it_is_neither_ready_nor_asked_for_more(cluster):
    refused = {"tcpSocket": {"port": 80}, "periodSeconds": 1}
    probed(cluster, startupProbe=refused | {"failureThreshold": 5}, livenessProbe=refused | {"failureThreshold": 1})
    await cluster.advance(3)
    status = cluster.pod("web")["status"]["containerStatuses"][0]
    assert (status["started"], status["ready"], status["restartCount"]) == (False, False, 0)
    assert not any(message.startswith("Liveness") for _, _, message in cluster.events("web"))
    await cluster.advance(3)
    message = "Container c failed startup probe, will be restarted"
    assert ("Normal", "Killing", message) in cluster.events("web")
    assert restarts(cluster) == 1


async def test_probes_end_with_their_container(cluster):
    probed(cluster, readinessProbe={"tcpSocket": {"port": 80}, "periodSeconds": 1})
    await cluster.advance(2)
    cluster.registry.delete(PODS, Key("default", "web"))
    await cluster.advance(2)
    before = len(cluster.events("web"))
    await cluster.advance(10)
    assert len(cluster.events("web")) == before
