"""The minikube command against a machine that behaves like the sandbox's, without one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from sandbox.minikube.commands import COMMANDS, Request, run
from sandbox.minikube.machine import Machine, Node, Object, Settings, State, Status

KUBECONFIG: Object = {
    "clusters": [
        {"name": "x", "cluster": {"server": "https://192.168.49.2:8443", "certificate-authority-data": "Q0E="}}
    ],
    "users": [{"name": "x", "user": {"client-certificate-data": "QQ==", "client-key-data": "Qg=="}}],
}
READY = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}


@dataclass
class FakeMachine:
    """A cluster that comes up after a few questions, one stage at a question."""

    state: State = "absent"
    settings: Settings = field(default_factory=Settings)
    objects: dict[str, Object] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    asked: int = 0
    dies: bool = False

    async def status(self) -> Status:
        self.asked += 1
        if self.state == "absent":
            return Status("absent")
        if self.state == "starting" and self.asked > 6:
            self.state = "stopped" if self.dies else "running"
        nodes = tuple(
            Node(
                "minikube" if number == 1 else f"minikube-m{number:02}",
                f"192.168.49.{number + 1}",
                running=self.state == "running" and number in self.settings.wanted,
                control_plane=number == 1,
                number=number,
            )
            for number in self.settings.numbers
        )
        return Status(self.state, self.settings, nodes, KUBECONFIG if self.asked > 3 else None)

    async def start(self, settings: Settings) -> None:
        self.calls.append("start")
        self.settings = settings
        if self.state != "running":
            self.state, self.asked = "starting", 0

    async def stop(self, *, pause: bool = False) -> None:
        self.calls.append("pause" if pause else "stop")
        self.state = "paused" if pause else "stopped"

    async def delete(self) -> None:
        self.calls.append("delete")
        self.state, self.settings = "absent", Settings()

    async def request(self, method: str, path: str, body: Object | None = None) -> tuple[int, Object]:
        if self.state != "running":
            raise ConnectionRefusedError("refused")
        if path in ("/readyz", "/api/v1/namespaces/default/serviceaccounts/default"):
            return 200, {}
        if path == "/api/v1/nodes":
            return 200, {"items": [READY] * len(self.settings.numbers)}
        if path.startswith("/api/v1/nodes/"):
            self.calls.append(f"{method} {path}")
            return 200, READY
        if method == "PATCH":
            self.objects[path.removesuffix("/status")] |= body or {}
            return 200, {}
        found = self.objects.get(path)
        return (404, {}) if found is None else (200, found)


@dataclass
class Outcome:
    code: int
    out: str
    err: str
    messages: list[Object]


def call(machine: FakeMachine, *arguments: str, color: bool = False, **told: Any) -> Outcome:
    """One command, as the learner's client would make it."""
    messages: list[Object] = []

    async def send(message: Object) -> None:
        messages.append(message)

    environment: Mapping[str, str] = {"TERM": "xterm-256color"} if color else {}
    request = Request(tuple(arguments), environment, terminal=color, **told)
    seam: Machine = machine
    code = asyncio.run(run(request, seam, send))
    out = "".join(message.get("out", "") for message in messages)
    err = "".join(message.get("err", "") for message in messages)
    return Outcome(code, out, err, messages)


@pytest.fixture
def machine() -> FakeMachine:
    return FakeMachine()


@pytest.fixture
def running() -> FakeMachine:
    return FakeMachine("running", asked=10)


def service(name: str, *ports: Object, namespace: str = "default") -> Object:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"ports": list(ports)}}


def test_version_says_whose_it_is(machine: FakeMachine) -> None:
    assert call(machine, "version").out == "minikube version: v1.36.0-quayside.0.1.0\ncommit: quayside\n"
    assert call(machine, "version", "--short").out == "v1.36.0-quayside.0.1.0\n"
    assert json.loads(call(machine, "version", "-o", "json").out)["minikubeVersion"] == "v1.36.0-quayside.0.1.0"


def test_start_follows_the_cluster_and_hands_over_the_kubeconfig(machine: FakeMachine) -> None:
    outcome = call(machine, "start")
    assert outcome.code == 0
    assert outcome.out.splitlines() == [
        "* minikube v1.36.0-quayside.0.1.0 on Quayside",
        "* Automatically selected the quayside driver",
        '* Starting "minikube" primary control-plane node in "minikube" cluster',
        "* Creating quayside node in this sandbox ...",
        "* Preparing Kubernetes v1.33.1 on crun ...",
        "  - Generating certificates and keys ...",
        "  - Booting up control plane ...",
        "  - Configuring RBAC rules ...",
        "* Configuring pod network (Container Networking Interface) ...",
        "* Verifying Kubernetes components...",
        '* Done! kubectl is now configured to use "minikube" cluster and "default" namespace by default',
    ]
    assert {"kubeconfig": KUBECONFIG} in outcome.messages


def test_start_uses_emoji_on_a_colour_terminal(machine: FakeMachine) -> None:
    lines = call(machine, "start", color=True).out.splitlines()
    assert lines[0].startswith("😄  minikube v")
    assert "    ▪ Generating certificates and keys ..." in lines
    assert lines[-1].startswith("🏄  Done!")


def test_start_names_only_addons_that_answer(machine: FakeMachine) -> None:
    machine.objects["/apis/metrics.k8s.io/v1beta1"] = {}
    assert "* Enabled addons: metrics-server\n" in call(machine, "start").out


def test_a_second_start_says_so(running: FakeMachine) -> None:
    out = call(running, "start").out
    assert "* Using the quayside driver based on existing profile\n" in out
    assert '* Updating the running quayside "minikube" node ...\n' in out


def test_a_start_after_a_stop_keeps_the_nodes(machine: FakeMachine) -> None:
    call(machine, "start", "-n", "3")
    call(machine, "stop")
    outcome = call(machine, "start", "--nodes=2")
    assert "* Restarting existing quayside node" in outcome.out
    assert "! You cannot change the number of nodes of an existing cluster" in outcome.out + outcome.err
    assert machine.settings.nodes == 3
    assert '* Starting "minikube-m03" worker node in "minikube" cluster\n' in outcome.out


def test_a_start_whose_cluster_dies_ends_with_the_guests_code() -> None:
    outcome = call(FakeMachine(dies=True), "start")
    assert outcome.code == 80
    assert "X Exiting due to GUEST_START:" in outcome.err


@pytest.mark.parametrize(
    ("flag", "note"),
    [
        ("--memory=4g", "--memory=4g has no effect"),
        ("--driver=docker", "The docker driver is not available"),
        ("--kubernetes-version=v1.20.0", "Kubernetes v1.20.0 is not available in this sandbox: you get v1.33.1"),
        ("--container-runtime=containerd", "has no effect"),
    ],
)
def test_flags_that_change_nothing_are_taken_and_said_to(machine: FakeMachine, flag: str, note: str) -> None:
    outcome = call(machine, "start", flag)
    assert outcome.code == 0
    assert note in outcome.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["start", "--ha"], "--ha cannot be had"),
        (["start", "--nodes", "99"], "--nodes must be from 1 to 9"),
        (["start", "-p", "second"], "room for one cluster"),
        (["start", "--nodes", "x"], 'invalid argument "x" for "--nodes" flag'),
        (["start", "--frobnicate"], "unknown flag: --frobnicate"),
        (["start", "-Z"], "unknown shorthand flag: 'Z' in -Z"),
        (["start", "--nodes"], "flag needs an argument: --nodes"),
        (["frobnicate"], 'unknown command "frobnicate" for "minikube"'),
        (["dashboard"], "minikube dashboard is not part of this sandbox"),
    ],
)
def test_a_wrong_command_line_ends_with_14(machine: FakeMachine, arguments: list[str], said: str) -> None:
    outcome = call(machine, *arguments)
    assert outcome.code == 14
    assert said in outcome.err
    assert machine.calls == []


def test_status_of_a_running_cluster(running: FakeMachine) -> None:
    outcome = call(running, "status", server="https://192.168.49.2:8443")
    assert outcome.code == 0
    assert outcome.out == (
        "minikube\ntype: Control Plane\nhost: Running\nkubelet: Running\napiserver: Running\nkubeconfig: Configured\n\n"
    )


@pytest.mark.parametrize(("state", "code"), [("stopped", 7), ("paused", 2), ("running", 4), ("absent", 85)])
def test_the_code_of_status_is_a_mask(state: State, code: int) -> None:
    server = "https://192.168.49.2:8443" if state == "paused" else ""
    assert call(FakeMachine(state, asked=10), "status", server=server).code == code


def test_status_in_other_forms(running: FakeMachine) -> None:
    said = json.loads(call(running, "status", "-o", "json").out)
    assert (said["Name"], said["Host"], said["Kubeconfig"]) == ("minikube", "Running", "Misconfigured")
    assert call(running, "status", "--format={{.Host}}/{{.APIServer}}").out == "Running/Running"
    assert call(running, "status", "--format={{.Nonsense}}").code == 14


def test_without_a_cluster_commands_say_how_to_get_one(machine: FakeMachine) -> None:
    for words in (["status"], ["ip"], ["service", "x"], ["stop"], ["update-context"]):
        outcome = call(machine, *words)
        assert outcome.code == 85, words
        assert 'Profile "minikube" not found' in outcome.out
        assert 'To start a cluster, run: "minikube start"' in outcome.out


def test_with_a_stopped_cluster_commands_that_need_it_end_with_83() -> None:
    for words in (["ip"], ["service", "list"], ["logs"], ["image", "ls"]):
        assert call(FakeMachine("stopped"), *words).code == 83, words


def test_stop_stops_and_forgets_the_context(running: FakeMachine) -> None:
    outcome = call(running, "stop")
    assert running.state == "stopped"
    assert {"kubeconfig": None} in outcome.messages
    assert outcome.out == '* Stopping node "minikube"  ...\n* Powering off "minikube" ...\n* 1 node stopped.\n'
    assert call(running, "stop").out == '* Stopping node "minikube"  ...\n* 1 node stopped.\n'


def test_stop_can_keep_the_context(running: FakeMachine) -> None:
    assert {"kubeconfig": None} not in call(running, "stop", "--keep-context-active").messages


def test_delete(running: FakeMachine) -> None:
    assert '* Removed all traces of the "minikube" cluster.\n' in call(running, "delete").out
    assert running.state == "absent"
    again = call(running, "delete")
    assert again.code == 0
    assert "does not exist, trying anyways" in again.err


def test_pause_and_unpause(running: FakeMachine) -> None:
    assert call(running, "pause").out.startswith("* Pausing node minikube ... \n* Paused 0 containers in: kube-system")
    assert call(running, "ip").code == 103
    assert call(running, "unpause").code == 0
    assert running.calls == ["pause", "start"]


def test_ip(running: FakeMachine) -> None:
    assert call(running, "ip").out == "192.168.49.2\n"
    assert call(running, "ip", "-n", "m09").code == 85


def test_service_prints_a_table_or_the_urls(running: FakeMachine) -> None:
    path = "/api/v1/namespaces/default/services/hello-node"
    running.objects[path] = service("hello-node", {"port": 8080, "nodePort": 31159})
    running.objects["/api/v1/namespaces/default/endpoints/hello-node"] = {"subsets": [{"addresses": [{"ip": "10.1"}]}]}
    assert call(running, "service", "hello-node", "--url").out == "http://192.168.49.2:31159\n"
    assert call(running, "service", "hello-node").out.splitlines()[:5] == [
        "|-----------|------------|-------------|---------------------------|",
        "| NAMESPACE |    NAME    | TARGET PORT |            URL            |",
        "|-----------|------------|-------------|---------------------------|",
        "| default   | hello-node |        8080 | http://192.168.49.2:31159 |",
        "|-----------|------------|-------------|---------------------------|",
    ]


def test_a_service_without_pods_is_not_said_to_answer(running: FakeMachine) -> None:
    path = "/api/v1/namespaces/default/services/empty"
    running.objects[path] = service("empty", {"port": 80, "nodePort": 30000})
    outcome = call(running, "service", "empty", "--url", "--wait=0")
    assert outcome.code == 119
    assert "no running pod for service empty found" in outcome.err
    assert outcome.out == ""


def test_a_service_that_is_not_there_ends_with_115(running: FakeMachine) -> None:
    for name in ("nothing", "../../pods", "a/b"):
        outcome = call(running, "service", name)
        assert outcome.code == 115
        assert f"Service '{name}' was not found in 'default' namespace." in outcome.err


def test_service_list_shows_those_without_ports_too(running: FakeMachine) -> None:
    running.objects["/api/v1/services"] = {"items": [service("kubernetes", {"port": 443})]}
    assert "| default   | kubernetes | No node port |     |" in call(running, "service", "list").out


def test_addons_say_what_is_there(running: FakeMachine) -> None:
    running.objects["/apis/metrics.k8s.io/v1beta1"] = {}
    states = json.loads(call(running, "addons", "list", "-o", "json").out)
    assert states["metrics-server"]["Status"] == "enabled"
    assert states["ingress"]["Status"] == "disabled"
    assert call(running, "addons", "enable", "metrics-server").code == 0
    assert running.settings.addons == ("metrics-server",)
    assert call(running, "addons", "disable", "metrics-server").out == "* \"The 'metrics-server' addon is disabled\n"
    assert running.settings.addons == ()


def test_an_addon_that_is_not_there_is_not_said_to_be_enabled(
    running: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.minikube.addons._SECONDS", 0.0)
    assert call(running, "addons", "enable", "ingress").code == 10
    assert running.settings.addons == ()
    assert call(running, "addons", "enable", "gvisor").code == 10


def test_kubectl_is_handed_over(running: FakeMachine) -> None:
    outcome = call(running, "kubectl", "--", "get", "pods", "-A")
    assert {"exec": ["kubectl", "get", "pods", "-A"]} in outcome.messages


def test_logs_show_what_each_part_wrote(running: FakeMachine) -> None:
    meta = {"namespace": "kube-system", "name": "etcd-minikube"}
    pod = {"metadata": meta, "spec": {"containers": [{"name": "etcd"}]}}
    running.objects["/api/v1/namespaces/kube-system/pods"] = {"items": [pod]}
    path = "/api/v1/namespaces/kube-system/pods/etcd-minikube/log?container=etcd&tailLines=5"
    running.objects[path] = {"text": "I1124 opened\n"}
    assert "==> etcd [minikube] <==\nI1124 opened\n" in call(running, "logs", "-n", "5").out


def test_ssh_is_a_shell_of_the_node(running: FakeMachine) -> None:
    assert call(running, "ssh", color=True).messages[-1]["exec"][:2] == ["bash", "-c"]
    assert call(running, "ssh", "--", "ls", "-l").messages[-1]["exec"][-1] == "ls -l"
    assert call(running, "ssh", "-n", "m09").code == 85


async def test_a_tunnel_gives_addresses_for_as_long_as_it_runs(running: FakeMachine) -> None:
    path = "/api/v1/namespaces/default/services/web"
    balanced = service("web")
    balanced["spec"] |= {"type": "LoadBalancer", "clusterIP": "10.96.0.50"}
    running.objects["/api/v1/services"] = {"items": [balanced, service("other")]}
    running.objects[path] = balanced
    messages: list[Object] = []

    async def send(message: Object) -> None:
        messages.append(message)

    tunnel = asyncio.create_task(run(Request(("tunnel",)), running, send))
    async with asyncio.timeout(5):
        while not any("services: [web]" in message.get("out", "") for message in messages):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert running.objects[path]["status"]["loadBalancer"]["ingress"] == [{"ip": "10.96.0.50", "ipMode": "VIP"}]
    tunnel.cancel()
    await asyncio.gather(tunnel, return_exceptions=True)
    assert running.objects[path]["status"]["loadBalancer"]["ingress"] is None


def test_nodes_are_added_stopped_started_and_deleted(running: FakeMachine) -> None:
    added = call(running, "node", "add")
    assert "* Adding node m02 to cluster minikube as [worker]\n" in added.out
    assert added.out.endswith("* Successfully added m02 to minikube!\n")
    stopped = call(running, "node", "stop", "m02")
    assert stopped.out.endswith("* Successfully stopped node minikube-m02\n")
    assert running.settings.wanted == (1,)
    status = call(running, "status")
    assert status.code == 7
    assert "minikube-m02\ntype: Worker\nhost: Stopped\nkubelet: Stopped\n" in status.out
    assert call(running, "node", "start", "minikube-m02").out.endswith("* Successfully started node minikube-m02!\n")
    assert call(running, "node", "start", "m02").out == "* m02 is already running\n"
    assert call(running, "node", "delete", "m02").out.endswith("* Node m02 was successfully deleted.\n")
    assert "DELETE /api/v1/nodes/minikube-m02" in running.calls
    assert call(running, "node", "list").out == "minikube\t192.168.49.2\n"
    assert "Adding node m03" in call(running, "node", "add").out
    assert running.settings.numbers == (1, 3)


def test_a_start_switches_stopped_nodes_on(running: FakeMachine) -> None:
    running.settings = Settings(nodes=3, stopped=(2,))
    call(running, "start")
    assert running.settings.wanted == (1, 2, 3)


@pytest.mark.parametrize(
    ("words", "code"),
    [(["node", "stop", "m09"], 85), (["node", "delete", "minikube"], 80), (["node", "stop"], 14), (["node"], 14)],
)
def test_nodes_that_cannot_be(running: FakeMachine, words: list[str], code: int) -> None:
    before = running.settings
    assert call(running, *words).code == code
    assert running.settings == before


def test_profiles_and_nodes(running: FakeMachine) -> None:
    assert call(running, "profile").out == "minikube\n"
    assert "| minikube | quayside | crun    | 192.168.49.2 |" in call(running, "profile", "list").out
    assert call(running, "node", "list").out == "minikube\t192.168.49.2\n"
    assert call(FakeMachine(), "profile", "list").code == 14


def test_help_lists_every_command(machine: FakeMachine) -> None:
    for words in (["--help"], [], ["help"]):
        out = call(machine, *words).out
        assert all(f"  {command.name} " in out for command in COMMANDS), words
    assert "--kubernetes-version" in call(machine, "start", "--help").out
    assert "--kubernetes-version" in call(machine, "help", "start").out


def test_global_flags_may_stand_before_the_command(running: FakeMachine) -> None:
    assert call(running, "-p", "minikube", "ip").out == "192.168.49.2\n"
    assert call(running, "--profile=other", "ip").code == 85
