"""Pods with the real crun, the real starter and the catalogue's images, in namespaces of the test's own."""

from __future__ import annotations

import asyncio
import functools
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.cluster.kubelet.crun import CrunPod, CrunRuntime
from sandbox.cluster.kubelet.crun_container import CrunContainer
from sandbox.cluster.kubelet.runtime import Mount, StartError
from sandbox.linux import layout
from tests.sandbox.cluster.kubelet import node
from tests.sandbox.inside import inside

pytestmark = pytest.mark.sandbox

Body = Callable[[CrunRuntime], Awaitable[None]]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return node.build_images(tmp_path_factory.mktemp("catalogue"))


def on_a_node(body: Body) -> Callable[..., None]:
    """Make a test of `body`, which gets a runtime."""

    async def prepared(images: Path) -> None:
        node.enter_root(images)
        async with node.running() as runtime:
            await body(runtime)

    test = inside(prepared)

    def named(images: Path) -> None:
        test(images)

    functools.update_wrapper(named, body, assigned=("__name__", "__qualname__", "__doc__", "__module__"))
    del named.__wrapped__  # type: ignore[attr-defined]
    return named


async def said(container: CrunContainer, *command: str) -> str:
    """What a command in the container prints, errors included."""
    process = await container.exec(command, stdin=False, tty=False)
    assert process.stdout is not None
    assert process.stderr is not None
    out = await process.stdout.read() + await process.stderr.read()
    await process.wait()
    await process.close()
    return out.decode()


async def answer(pod: CrunPod) -> str:
    """What the app in the pod says, once it listens."""
    async with asyncio.timeout(10):
        while True:
            try:
                reader, writer = await pod.dial(8080)
            except OSError:
                await asyncio.sleep(0.005)
                continue
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            body = await reader.read()
            writer.close()
            return body.decode().split("\r\n\r\n", 1)[1]


def mounted() -> int:
    return len(Path("/proc/self/mountinfo").read_text().splitlines())


def log_of(container: CrunContainer) -> list[str]:
    return [line.split(" ", 3)[3] for line in Path(container.log).read_text().splitlines()]


@on_a_node
async def test_the_tutorials_app_runs_as_the_original(runtime: CrunRuntime) -> None:
    pod = await runtime.run(node.pod("web-1"))
    assert await runtime.run(node.pod("web-1")) is pod
    container = await pod.start(await node.container(runtime, node.BOOTCAMP))
    assert len(container.id) == 64
    assert await answer(pod) == "Hello Kubernetes bootcamp! | Running on: web-1 | v=1\n"
    assert await said(container, "cat", "/proc/1/cmdline") == "/bin/sh\0-c\0python3 -IS server.py\0"
    assert (await said(container, "hostname")).strip() == "web-1"
    environment = await said(container, "env")
    assert environment.splitlines()[:2] == [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOSTNAME=web-1",
    ]
    assert environment.splitlines()[-1] == "HOME=/root"
    assert "VERSION = 1" in await said(container, "cat", "server.py")
    log = log_of(container)
    assert log[0].startswith("Kubernetes Bootcamp App Started At: ")
    assert log[0].endswith("Z | Running On:  web-1 ")
    assert log[1] == ""
    assert log[2].startswith("Running On: web-1 | Total Requests: 1 | App Uptime: ")
    container.kill(signal.SIGTERM)  # ignored, as in the original: process 1 has not asked for it
    assert await answer(pod)
    container.kill(signal.SIGKILL)
    ended = await container.wait()
    assert (ended.code, ended.oom_killed) == (137, False)
    container.kill(signal.SIGKILL)


@on_a_node
async def test_a_pod_that_is_removed_leaves_nothing_behind(runtime: CrunRuntime) -> None:
    mounts = mounted()
    pod = await runtime.run(node.pod("p"))
    container = await pod.start(await node.container(runtime, node.BOOTCAMP))
    await said(container, "sh", "-c", "echo x > /left-behind")
    await pod.remove()
    await pod.remove()
    assert (await container.wait()).code == 137
    assert list(layout.PODS.iterdir()) == []
    assert list((layout.CLUSTER / "netns").iterdir()) == []
    assert list((layout.OURS / "shared").iterdir()) == []
    assert list((layout.BUNDLES / "containers").iterdir()) == []
    assert mounted() == mounts


@on_a_node
async def test_a_container_starts_anew_with_a_fresh_disk_and_a_log_of_its_own(runtime: CrunRuntime) -> None:
    pod = await runtime.run(node.pod("p"))
    script = "cat /x; echo first > /x; exit 3"
    first = await pod.start(await node.container(runtime, "busybox", "sh", "-c", script))
    assert (await first.wait()).code == 3
    second = await pod.start(await node.container(runtime, "busybox", "sh", "-c", script, attempt=1))
    assert (await second.wait()).code == 3
    assert log_of(second) == log_of(first) == ["cat: can't open '/x': No such file or directory"]
    assert first.log != second.log
    assert first.usage() is None


@on_a_node
async def test_containers_of_a_pod_share_its_network_but_not_its_processes(runtime: CrunRuntime) -> None:
    pod = await runtime.run(node.pod("p"))
    await pod.start(await node.container(runtime, node.BOOTCAMP))
    await answer(pod)
    side = await pod.start(await node.container(runtime, "busybox", "sleep", "100", name="side"))
    assert "v=1" in await said(side, "wget", "-qO-", "localhost:8080")
    assert await said(side, "cat", "/proc/1/cmdline") == "sleep\x00100\0"


@on_a_node
async def test_what_cannot_start_says_so_as_kubernetes_does(runtime: CrunRuntime) -> None:
    pod = await runtime.run(node.pod("p"))
    with pytest.raises(StartError, match=r'exec: "nosuch": executable file not found in \$PATH: unknown'):
        await pod.start(await node.container(runtime, node.BOOTCAMP, "nosuch"))
    with pytest.raises(StartError, match='exec: "/no/such": stat /no/such: no such file or directory: unknown'):
        await pod.start(await node.container(runtime, node.BOOTCAMP, "/no/such"))
    with pytest.raises(StartError, match='exec: "/etc": permission denied'):
        await pod.start(await node.container(runtime, node.BOOTCAMP, "/etc"))
    assert list((layout.PODS / pod.uid / "containers").iterdir()) == []
    good = await pod.start(await node.container(runtime, node.BOOTCAMP))
    with pytest.raises(StartError, match=r'exec failed: .*: exec: "nosuch": executable file not found in \$PATH'):
        await good.exec(("nosuch",), stdin=False, tty=False)


@on_a_node
async def test_exec_has_pipes_or_a_terminal(runtime: CrunRuntime) -> None:
    pod = await runtime.run(node.pod("p"))
    container = await pod.start(await node.container(runtime, node.BOOTCAMP))
    piped = await container.exec(("sh", "-c", "cat; echo err >&2; exit 7"), stdin=True, tty=False)
    assert piped.stdin is not None
    assert piped.stdout is not None
    assert piped.stderr is not None
    piped.stdin.write(b"hello")
    piped.stdin.close()
    assert (await piped.stdout.read(), await piped.stderr.read(), await piped.wait()) == (b"hello", b"err\n", 7)
    await piped.close()
    shell = await container.exec(("bash",), stdin=True, tty=True)
    assert shell.stdin is not None
    assert shell.stdout is not None
    shell.resize(101, 33)
    shell.stdin.write(b"stty size; echo $TERM; exit 5\n")
    printed = (await shell.stdout.read()).decode()
    assert "root@p:/# " in printed
    assert "33 101\r\n" in printed
    assert "xterm\r\n" in printed
    assert await shell.wait() == 5
    shell.resize(80, 24)
    await shell.close()


@on_a_node
async def test_attach_reaches_the_first_process_itself(runtime: CrunRuntime) -> None:
    pod = await runtime.run(node.pod("p"))
    container = await pod.start(await node.container(runtime, "busybox", "sh", stdin=True, tty=True))
    session = await container.attach(stdin=True)
    assert session.stdin is not None
    assert session.stdout is not None
    session.stdin.write(b"echo $((6*7)); exit 4\n")
    assert b"42" in await session.stdout.read()
    assert await session.wait() == 4
    await session.close()


@on_a_node
async def test_users_come_from_the_security_context_or_the_image(runtime: CrunRuntime) -> None:
    pod = await runtime.run(node.pod("p"))
    wanted = {"runAsUser": 1234, "runAsGroup": 77, "fsGroup": 88, "supplementalGroups": [99]}
    spec = await node.container(runtime, "busybox", "sleep", "100", security=wanted)
    container = await pod.start(spec)
    assert (await said(container, "id")).strip() == "uid=1234 gid=77 groups=77,88,99"
    assert "CapEff:\t0000000000000000" in await said(container, "cat", "/proc/self/status")
    named = await node.container(runtime, "busybox", "id", name="named")
    other = await pod.start(replace(named, image=replace(named.image, user="www-data")))
    await other.wait()
    assert log_of(other) == ["uid=33(www-data) gid=33(www-data) groups=33(www-data)"]
    with pytest.raises(StartError, match="unable to find user nobody-knows"):
        await pod.start(replace(named, attempt=1, image=replace(named.image, user="nobody-knows")))


@on_a_node
async def test_privileged_gets_no_more_than_dockers_capabilities(runtime: CrunRuntime) -> None:
    pod = await runtime.run(node.pod("p"))
    security = {"privileged": True, "capabilities": {"add": ["ALL", "SYS_ADMIN", "NET_ADMIN"]}}
    container = await pod.start(await node.container(runtime, "busybox", "sleep", "100", security=security))
    status = await said(container, "cat", "/proc/self/status")
    assert "CapEff:\t00000000a80425fb" in status
    assert "CapBnd:\t00000000a80425fb" in status
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    for attempt in ("mount -t tmpfs none /tmp", "ip link set eth0 down"):
        assert "ermi" in await said(container, "sh", "-c", attempt), attempt
    plain = await node.container(
        runtime, "busybox", "sleep", "100", name="b", security={"capabilities": {"drop": ["all"]}}
    )
    bare = await pod.start(plain)
    assert "CapEff:\t0000000000000000" in await said(bare, "cat", "/proc/self/status")


@on_a_node
async def test_a_read_only_root_is_one(runtime: CrunRuntime) -> None:
    pod = await runtime.run(node.pod("p"))
    spec = await node.container(runtime, node.BOOTCAMP, "sleep", "100", security={"readOnlyRootFilesystem": True})
    container = await pod.start(spec)
    for path in ("/x", "/usr/x", "/etc/x"):
        assert "Read-only file system" in await said(container, "sh", "-c", f"echo > {path}")


@on_a_node
async def test_volumes_are_shared_and_survive_a_container(runtime: CrunRuntime) -> None:
    pod = await runtime.run(node.pod("p"))
    volume = pod.directory / "volumes/cache"
    volume.mkdir(parents=True)
    (volume / "file").write_text("given")
    mounts = (Mount(str(volume), "/cache"), Mount(str(volume / "file"), "/etc/given", read_only=True))
    script = "cat /etc/given; echo more > /cache/file; echo no > /etc/given"
    container = await pod.start(await node.container(runtime, "busybox", "sh", "-c", script, mounts=mounts))
    await container.wait()
    assert sorted(log_of(container)) == ["given", "sh: can't create /etc/given: Read-only file system"]
    assert (volume / "file").read_text() == "more\n"


@on_a_node
async def test_no_mount_leads_to_what_is_ours(runtime: CrunRuntime) -> None:
    pod = await runtime.run(node.pod("p"))
    volume = pod.directory / "volumes/v"
    volume.mkdir(parents=True)
    (volume / "link").symlink_to(layout.OURS)
    (volume / "up").symlink_to("../../..")
    (layout.OURS / "secret").write_text("ours")
    (layout.OURS / "shared").mkdir(exist_ok=True)
    hostile = (
        "/", "/run", str(layout.OURS), f"{layout.OURS}/secret", "/proc/1/root", "/proc", "/dev", "/sys", "/etc",
        f"{volume}/link", f"{volume}/link/secret", f"{volume}/up", f"{volume}/../../../../../run/quayside",
    )  # fmt: skip
    for attempt, source in enumerate(hostile):
        spec = await node.container(
            runtime, "busybox", "sleep", "1", name=f"c{attempt}", mounts=[Mount(source, "/stolen")]
        )
        with pytest.raises(StartError, match="failed to prepare mount"):
            await pod.start(spec)
    assert list((layout.OURS / "shared").iterdir()) == []


@on_a_node
async def test_a_container_sees_no_process_and_no_file_of_ours(runtime: CrunRuntime) -> None:
    (layout.OURS / "secret").write_text("ours")
    pod = await runtime.run(node.pod("p", host_network=True))
    assert pod.ip == "192.168.49.2"
    container = await pod.start(await node.container(runtime, "debian", "sleep", "1000", security={"privileged": True}))
    seen = await said(container, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "python" not in seen
    assert "No such file" in await said(container, "ls", str(layout.OURS))
    assert "Read-only" in await said(container, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    assert await said(container, "sh", "-c", "head -c 1 /proc/kcore 2>/dev/null") == ""


@on_a_node
async def test_a_flood_of_output_is_bounded(runtime: CrunRuntime) -> None:
    pod = await runtime.run(node.pod("p"))
    script = "yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -c 40000000"
    container = await pod.start(await node.container(runtime, "busybox", "sh", "-c", script))
    assert (await container.wait()).code == 0
    logs = Path(container.log).parent
    assert sum(path.stat().st_size for path in logs.iterdir()) < 25 << 20
    assert {path.name for path in logs.iterdir()} == {"0.log", "0.log.1"}


@on_a_node
async def test_a_new_cluster_process_finds_what_runs(runtime: CrunRuntime) -> None:
    pod = await runtime.run(node.pod("p"))
    before = await pod.start(await node.container(runtime, node.BOOTCAMP))
    await answer(pod)
    async with node.connected() as later:
        found = await later.adopt()
        assert list(found) == [pod.uid]
        container = found[pod.uid]["web/0"]
        assert container.id == before.id
        assert (await later.adopt())[pod.uid]["web/0"] is container
        again = await later.run(node.pod("p"))
        assert again.ip == pod.ip
        assert "v=1" in await answer(again)
        assert (await said(container, "hostname")).strip() == "p"
        assert (await later.run(node.pod("q"))).ip != pod.ip
        await again.remove()
        assert (await container.wait()).code == 137
    assert not (layout.PODS / pod.uid).exists()


@on_a_node
async def test_many_pods_start_at_once(runtime: CrunRuntime) -> None:
    async def one(number: int) -> str:
        pod = await runtime.run(node.pod(f"p{number}"))
        await pod.start(await node.container(runtime, node.BOOTCAMP))
        return await answer(pod)

    answers = await asyncio.gather(*(one(number) for number in range(12)))
    assert sorted(answers) == sorted(f"Hello Kubernetes bootcamp! | Running on: p{n} | v=1\n" for n in range(12))


@on_a_node
async def test_a_full_disk_stops_the_pod_and_not_us(runtime: CrunRuntime) -> None:
    pod = await runtime.run(node.pod("p"))
    spec = await node.container(runtime, "busybox", "sh", "-c", "dd if=/dev/zero of=/big bs=1M count=64")
    container = await pod.start(spec)
    assert (await container.wait()).code in (0, 1)
    await pod.remove()
    assert await runtime.run(node.pod("q"))
