"""`minikube start`: asks for the cluster and says how far it has really come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from sandbox.minikube.addons import in_cluster
from sandbox.minikube.command import DRIVER, KUBERNETES, PROFILE, VERSION, Call, Command
from sandbox.minikube.console import Exit, Fatal, Style
from sandbox.minikube.flags import Flag
from sandbox.minikube.machine import Object, Settings, Status

_SECONDS = 120.0
_LOOK_AGAIN = 0.02
_MOST_NODES = 9

_NO_EFFECT = "--{name}={{value}} has no effect: this cluster runs in your sandbox, with the sandbox's resources."


def _ignored(name: str, kind: str = "text", short: str = "") -> Flag:
    note = _NO_EFFECT.format(name=name)
    return Flag(name, "bool" if kind == "bool" else "list" if kind == "list" else "text", short, note)


FLAGS = (
    Flag("nodes", "number", "n"),
    Flag("addons", "list"),
    Flag("kubernetes-version"),
    Flag("driver"),
    Flag("vm-driver"),
    Flag("dry-run", "bool"),
    Flag("force", "bool"),
    Flag("ha", "bool"),
    Flag("no-kubernetes", "bool"),
    Flag("wait", "list"),
    Flag("wait-timeout"),
    Flag("install-addons", "bool"),
    Flag("keep-context", "bool"),
    Flag("embed-certs", "bool"),
    Flag("delete-on-failure", "bool"),
    Flag("preload", "bool"),
    Flag("cache-images", "bool"),
    Flag("auto-update-drivers", "bool"),
    _ignored("cpus"),
    _ignored("memory"),
    _ignored("disk-size"),
    _ignored("container-runtime", short="c"),
    _ignored("cni"),
    _ignored("network-plugin"),
    _ignored("extra-config", "list"),
    _ignored("feature-gates"),
    _ignored("insecure-registry", "list"),
    _ignored("registry-mirror", "list"),
    _ignored("image-repository"),
    _ignored("image-mirror-country"),
    _ignored("base-image"),
    _ignored("mount", "bool"),
    _ignored("mount-string"),
    _ignored("apiserver-port"),
    _ignored("ports", "list"),
    _ignored("network"),
    _ignored("subnet"),
    _ignored("static-ip"),
    _ignored("gpus", short="g"),
)

_KEPT = ("cpus", "memory", "disk-size", "driver", "container-runtime", "cni", "kubernetes-version")


async def start(call: Call) -> int:
    """Start the cluster and return when it can be used."""
    settings = await _settings(call)
    before = await call.machine.status()
    await call.console.step(Style.HAPPY, f"minikube {VERSION} on {DRIVER.capitalize()}")
    await _say_driver(call, before)
    if call.parsed.on("dry-run"):
        await call.console.step(Style.CHECK, "dry-run validation complete!")
        return 0
    if before.state != "absent":
        settings = _kept(before.settings, settings)
    await _say_node(call, before)
    await call.machine.start(settings)
    try:
        async with asyncio.timeout(_SECONDS):
            await _follow(call, settings)
    except TimeoutError as error:
        message = f"the cluster did not come up within {_SECONDS:.0f} seconds"
        raise Fatal("GUEST_START", message, Exit.GUEST, "minikube delete, then minikube start") from error
    return 0


async def _settings(call: Call) -> Settings:
    """What was asked for, or the end of the command when it cannot be had."""
    if call.profile != PROFILE:
        message = f'This sandbox has room for one cluster, whose profile is "{PROFILE}".'
        raise Fatal("MK_USAGE", message, Exit.USAGE)
    for name in ("ha", "no-kubernetes"):
        if call.parsed.on(name):
            raise Fatal("MK_USAGE", f"--{name} cannot be had in this sandbox.", Exit.USAGE)
    nodes = call.parsed.number("nodes", 1)
    if not 1 <= nodes <= _MOST_NODES:
        raise Fatal("MK_USAGE", f"--nodes must be from 1 to {_MOST_NODES}.", Exit.USAGE)
    wanted = call.parsed.text("kubernetes-version").removeprefix("v")
    if wanted not in ("", "stable", "latest", KUBERNETES.removeprefix("v")):
        await call.console.warn(f"Kubernetes v{wanted} is not available in this sandbox: you get {KUBERNETES}.")
    driver = call.parsed.text("driver") or call.parsed.text("vm-driver")
    if driver not in ("", DRIVER):
        await call.console.warn(f"The {driver} driver is not available in this sandbox: you get the {DRIVER} driver.")
    addons = tuple(name for name in call.parsed.text("addons").split(",") if name)
    options = {name: call.parsed.text(name) for name in _KEPT if name in call.parsed.values}
    return Settings(nodes=nodes, addons=addons, options=options)


def _kept(before: Settings, asked: Settings) -> Settings:
    """A cluster keeps what it was made with; a later start can add addons, and switches every node on."""
    addons = tuple(dict.fromkeys((*before.addons, *asked.addons)))
    return replace(before, addons=addons, stopped=())


async def _say_driver(call: Call, before: Status) -> None:
    if before.state == "absent":
        await call.console.step(Style.SPARKLE, f"Automatically selected the {DRIVER} driver")
    else:
        await call.console.step(Style.SPARKLE, f"Using the {DRIVER} driver based on existing profile")
        if "nodes" in call.parsed.values and call.parsed.number("nodes", 1) != before.settings.nodes:
            await call.console.warn("You cannot change the number of nodes of an existing cluster: delete it first.")
    await call.console.step(Style.THUMBS_UP, f'Starting "{PROFILE}" primary control-plane node in "{PROFILE}" cluster')


async def _say_node(call: Call, before: Status) -> None:
    match before.state:
        case "absent":
            await call.console.step(Style.FIRE, f"Creating {DRIVER} node in this sandbox ...")
        case "stopped":
            await call.console.step(Style.RESTARTING, f'Restarting existing {DRIVER} node for "{PROFILE}" ...')
        case _:
            await call.console.step(Style.RUNNING, f'Updating the running {DRIVER} "{PROFILE}" node ...')


async def _follow(call: Call, settings: Settings) -> None:
    """Say each stage when it begins and wait until it is reached."""
    console = call.console
    await console.step(Style.RUNTIME, f"Preparing Kubernetes {KUBERNETES} on crun ...")
    await console.option("Generating certificates and keys ...")
    await _until(call, _has_kubeconfig)
    await console.option("Booting up control plane ...")
    await _until(call, _answers("/readyz"))
    await console.option("Configuring RBAC rules ...")
    await _until(call, _has_admins_role)
    await console.step(Style.NETWORK, "Configuring pod network (Container Networking Interface) ...")
    await _until(call, _nodes_ready(1))
    for count, number in enumerate(settings.numbers[1:], start=2):
        await console.line()
        name = f"{PROFILE}-m{number:02}"
        await console.step(Style.THUMBS_UP, f'Starting "{name}" worker node in "{PROFILE}" cluster')
        await _until(call, _nodes_ready(count))
    await console.step(Style.VERIFYING, "Verifying Kubernetes components...")
    await _until(call, _answers("/api/v1/namespaces/default/serviceaccounts/default"))
    addons = ", ".join(await in_cluster(call))
    if addons:
        await console.step(Style.ENABLED, f"Enabled addons: {addons}")
    status = await call.machine.status()
    await call.send({"kubeconfig": status.kubeconfig})
    await console.step(
        Style.READY, f'Done! kubectl is now configured to use "{PROFILE}" cluster and "default" namespace by default'
    )


_Condition = Callable[[Call], Awaitable[bool]]


async def _until(call: Call, condition: _Condition) -> None:
    """Wait until the condition holds; ends the command when the cluster's process has ended meanwhile."""
    while not await condition(call):
        status = await call.machine.status()
        if status.state in ("absent", "stopped"):
            message = "the cluster ended while it was being started"
            raise Fatal("GUEST_START", message, Exit.GUEST, "minikube delete, then minikube start")
        await asyncio.sleep(_LOOK_AGAIN)


async def _has_kubeconfig(call: Call) -> bool:
    return (await call.machine.status()).kubeconfig is not None


async def _ask(call: Call, path: str) -> tuple[int, Object]:
    try:
        return await call.machine.request("GET", path)
    except OSError:
        return 0, {}


def _answers(path: str) -> _Condition:
    async def condition(call: Call) -> bool:
        code, _ = await _ask(call, path)
        return code == 200

    return condition


async def _has_admins_role(call: Call) -> bool:
    """The first role stands; a cluster that keeps no roles as objects has nothing to wait for."""
    group = "/apis/rbac.authorization.k8s.io/v1"
    code, _ = await _ask(call, f"{group}/clusterroles/cluster-admin")
    return code == 200 or (code == 404 and (await _ask(call, group))[0] == 404)


def _nodes_ready(count: int) -> _Condition:
    async def condition(call: Call) -> bool:
        _, answer = await _ask(call, "/api/v1/nodes")
        return sum(_is_ready(node) for node in _list(answer)) >= count

    return condition


def _list(answer: Object) -> Sequence[Object]:
    return answer.get("items") or []


def _is_ready(node: Object) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(entry.get("type") == "Ready" and entry.get("status") == "True" for entry in conditions)


START = Command("start", "Basic Commands", "Starts a local Kubernetes cluster", start, FLAGS)
