"""Where everything lies inside a sandbox, and what the launcher tells the agent about it: the one place for both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

# Ours: a tmpfs that only the sandbox's own root may enter; no container ever has it mounted.
OURS = Path("/run/quayside")
STARTER_SOCKET = OURS / "starter.sock"
MINIKUBE_SOCKET = OURS / "minikube.sock"
BUNDLES = OURS / "bundles"
"""OCI bundles and crun's own state."""
CLUSTER = OURS / "cluster"
CLUSTER_STORE = CLUSTER / "store.sqlite"
CLUSTER_PKI = CLUSTER / "pki"
CLUSTER_KUBECONFIG = CLUSTER / "kubeconfig"
CLUSTER_SOCKET = CLUSTER / "apiserver.sock"
CGROUPS = OURS / "cgroup"
"""The delegated control groups, one directory a controller; `SandboxFacts.cgroups` says which exist."""

# The learner's and the pods': a tmpfs sized by the sandbox's `disk_mib`, so that filling it never stops us.
LEARNER = Path("/var/lib/learner")
SHELL = LEARNER / "shell"
PODS = LEARNER / "pods"
VOLUMES = LEARNER / "volumes"

# Read-only trees that root file systems are stacked from (rootfs.py). Each is a lower layer of an overlay, and the
# kernel refuses a layer with locked mounts inside: that is why they lie side by side.
IMAGES = Path("/images")
"""The catalogue of container images: unpacked layers and JSON."""
SYSTEM = Path("/system")
SYSTEM_USR = SYSTEM / "usr"
"""The host's /usr, its owners mapped to the sandbox's where the kernel can."""
SYSTEM_SKELETON = SYSTEM / "skeleton"
"""Everything else of a small Debian: /etc, empty directories, bin → usr/bin …"""
SYSTEM_HIDDEN = SYSTEM / "hidden"
"""A layer over /usr whose whiteouts hide what is the host's own business: /usr/local."""
SYSTEM_TOOLS = SYSTEM / "tools"
"""A layer for the learner's shell only: usr/local/bin/{kubectl,minikube,…}."""

# What the learner's container sees of ours: this one socket, bind-mounted.
MINIKUBE_SOCKET_IN_SHELL = Path("/run/minikube.sock")

HOSTNAME = "minikube"
NODE_ADDRESS = "192.168.49.2"
POD_GATEWAY = "10.244.0.1"
POD_NETWORK = "10.244.0.0/24"
SERVICE_NETWORK = "10.96.0.0/12"
API_SERVICE_ADDRESS = "10.96.0.1"
DNS_ADDRESS = "10.96.0.10"
API_PORT = 8443

LEARNER_UID = 1000
"""uid and gid of the user `learner` inside a sandbox; /home/learner is its home. root's home is /root."""

Controller = Literal["memory", "pids", "cpu"]
IdMode = Literal["range", "single"]


@dataclass(frozen=True)
class SandboxFacts:
    """What the launcher did for this sandbox. Everything in it holds inside, after the last namespace was made."""

    name: str
    user: Literal["root", "learner"] = "root"
    """Whom the learner's shell runs as."""
    memory_bytes: int = 768 << 20
    """What the learner and the pods may use together, also when no cgroup enforces it."""
    cpus: float = 2.0
    processes: int = 1024
    files: int = 4096
    """RLIMIT_NOFILE of each learner's process."""
    disk_bytes: int = 512 << 20
    id_mode: IdMode = "range"
    """"range": uids 0..65535 exist. "single": only uid 0 exists; every user of an image runs as 0."""
    system_writable: bool = True
    """Whether an overlay over /usr can be written: it needs an idmapped mount of the host's /usr."""
    cgroups: Mapping[Controller, str] = field(default_factory=dict)
    """Controller → directory inside the sandbox that holds `shell/` and `pods/`, both ours to divide further.

    The directory itself carries the sandbox's limits and cannot be changed from inside. With cgroup v2 all three name
    the same directory. A controller that is missing is not enforced by the kernel.
    """
    cgroup_version: Literal[0, 1, 2] = 0
    watchdog: bool = True
    """Whether the agent must run sandbox/linux/watchdog.py because no memory cgroup is there."""
