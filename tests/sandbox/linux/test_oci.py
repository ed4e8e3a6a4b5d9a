from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox.linux import layout, oci

FOURTEEN = {f"CAP_{name}" for name in oci.CAPABILITIES}


def written(**changes: Any) -> dict[str, Any]:
    process = changes.pop("process", oci.Process(("/bin/true",)))
    return oci.runtime_config(oci.ContainerConfig("/somewhere", process, **changes))


@pytest.mark.parametrize(
    "wanted", [("ALL",), ("SYS_ADMIN", "NET_ADMIN"), ("CAP_SYS_PTRACE", "CHOWN"), ("all", "BPF"), oci.CAPABILITIES, ()]
)
@pytest.mark.parametrize("uid", [0, 1000])
def test_nobody_gets_more_than_fourteen_capabilities(wanted: tuple[str, ...], uid: int) -> None:
    process = written(process=oci.Process(("/bin/true",), capabilities=wanted, uid=uid))["process"]
    for kind, granted in process["capabilities"].items():
        assert set(granted) <= FOURTEEN, kind
    assert process["noNewPrivileges"] is True
    assert process["capabilities"]["ambient"] == []
    if uid:
        assert process["capabilities"]["effective"] == []


def test_every_container_is_confined() -> None:
    config = written()
    linux = config["linux"]
    kinds = {namespace["type"] for namespace in linux["namespaces"]}
    assert kinds == {"mount", "pid", "ipc", "uts"}
    assert linux["seccomp"]["defaultAction"] == "SCMP_ACT_ERRNO"
    assert "/proc/sys" in linux["readonlyPaths"]
    assert {"/proc/kcore", "/proc/keys", "/proc/sysrq-trigger"} <= set(linux["maskedPaths"])
    assert "devices" not in linux
    assert "resources" not in linux
    assert "hooks" not in config
    assert all("suid" not in mount["options"] for mount in config["mounts"])


@pytest.mark.parametrize(
    "source",
    ["/", "/run", "/run/quayside", "/run/quayside/cluster", "/run/quayside/starter.sock", "/run/../run/quayside",
     "/proc", "/proc/1/root", "/sys", "/dev", "/dev/mem", "relative", "/run/quayside/shared/../cluster"],
)  # fmt: skip
def test_what_is_ours_cannot_be_mounted(source: str) -> None:
    with pytest.raises(ValueError, match=r"not for containers|absolute path|cannot be mounted"):
        written(mounts=[oci.Mount(source, "/mnt")])


def test_a_symbolic_link_does_not_lead_to_what_is_ours(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/run/quayside/cluster")
    with pytest.raises(ValueError, match="not for containers"):
        written(mounts=[oci.Mount(str(tmp_path / "link"), "/mnt")])


def test_what_was_made_for_containers_can() -> None:
    for source in (str(layout.MINIKUBE_SOCKET), str(oci.SHARED / "bashrc"), "/var/lib/learner/volumes/x"):
        [mount] = [one for one in written(mounts=[oci.Mount(source, "/m")])["mounts"] if one["destination"] == "/m"]
        assert {"nosuid", "nodev"} <= set(mount["options"])


def test_sysctls_reach_only_an_own_network_and_only_net() -> None:
    wanted = {"net.ipv4.ip_forward": "1", "kernel.core_pattern": "|/x", "net.x y": "1"}
    assert written(sysctls=wanted)["linux"]["sysctl"] == {}
    joined = written(sysctls=wanted, namespaces={"network": "/run/netns/x"})
    assert joined["linux"]["sysctl"] == {"net.ipv4.ip_forward": "1"}


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", "-a", "a" * 65, "a\n"])
def test_a_container_has_a_plain_name(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        oci.bundle_of(name)


def test_system_calls_that_make_namespaces_are_not_listed() -> None:
    allowed = {
        name
        for rule in written()["linux"]["seccomp"]["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW" and not rule.get("args")
        for name in rule["names"]
    }
    forbidden = """
        unshare setns mount umount2 pivot_root bpf keyctl add_key request_key kexec_load init_module finit_module
        perf_event_open userfaultfd open_by_handle_at quotactl reboot clone clone3 personality socket io_uring_setup
        settimeofday swapon iopl ioperm
    """
    assert not allowed & set(forbidden.split())
