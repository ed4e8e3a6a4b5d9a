"""The network of pods: each has a namespace, an address and a routed veth; and the three files that tell it who it is.

Routed, not bridged: with a bridge the first packet to a new pod is often lost (a second of waiting), and replies
between pods on it skip the way back through the Service's address translation.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.cluster.kubelet.runtime import PodSpec
from sandbox.linux import network_namespace
from sandbox.linux.netlink import LOOPBACK, Netlink

_SYSCTLS = {"ip_forward": "1", "conf/all/route_localnet": "1"}
"""The second brings answers home that were asked for at 127.0.0.1:<node port>; what else comes for 127.0.0.0/8 from
outside of the node is dropped by the proxy's table."""
_FIRST_HOST = 2
"""Of a node's pod network: .0 names the network, .1 is the gateway."""


def node_number(node: str) -> int:
    """Which of the cluster's nodes this is, from 0: `minikube` is the first, `minikube-m02` the second."""
    match = re.search(r"-m(\d+)$", node)
    return max(int(match[1]) - 1, 0) if match else 0


class PodNetwork:
    """The addresses and namespaces of all pods of the cluster; lives in the node's network namespace."""

    def __init__(
        self,
        directory: Path,
        *,
        pod_cidr: str = "10.244.0.0/16",
        service_cidr: str = "10.96.0.0/12",
        local_addresses: Sequence[str] = ("10.96.0.10",),
    ) -> None:
        """`directory` is where namespaces are bound; `local_addresses` are served by the node itself (DNS)."""
        self._directory = directory
        self._networks = list(ipaddress.IPv4Network(pod_cidr).subnets(new_prefix=24))
        self._services = ipaddress.IPv4Network(service_cidr)
        self._local_addresses = local_addresses
        self._addresses: dict[str, str] = {}
        self._latest: dict[int, int] = {}
        self.gateway = str(self._networks[0][1])

    def prepare(self) -> None:
        """Make the node a router for its pods; doing it twice is no error."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, value in _SYSCTLS.items():
            Path("/proc/sys/net/ipv4", name).write_text(value)
        with Netlink() as netlink:
            netlink.up(LOOPBACK)
            for address in (self.gateway, *self._local_addresses):
                netlink.add_address(LOOPBACK, address)
            # Without a route connect() to a Service fails before the address is translated.
            services = self._services
            netlink.add_route(str(services.network_address), services.prefixlen, index=LOOPBACK, source=self.gateway)

    def add_node_address(self, address: str) -> None:
        """Let the machine answer at a node's address; the learner's own requests to it come from outside of the nodes.

        They come from the first address of the nodes' network, where minikube's user sits too. Without that a node
        would see itself as the client of everything, and externalTrafficPolicy could not be told apart.
        """
        outside = str(ipaddress.IPv4Network(f"{address}/24", strict=False)[1])
        with Netlink() as netlink:
            for one in (outside, address):
                netlink.add_address(LOOPBACK, one)
            netlink.prefer_source(address, outside)
            services = self._services
            netlink.add_route(str(services.network_address), services.prefixlen, index=LOOPBACK, source=outside)

    def namespace(self, uid: str) -> Path:
        """Where the pod's network namespace is bound."""
        return self._directory / uid

    def address(self, uid: str) -> str | None:
        """The pod's address, if it has one."""
        return self._addresses.get(uid)

    def add(self, uid: str, node: str) -> str:
        """Make the pod's namespace and return its address; for a pod that has one, return that."""
        if uid in self._addresses:
            return self._addresses[uid]
        path = self.namespace(uid)
        network_namespace.remove(path)
        address = self._free_address(node_number(node))
        network_namespace.create(path)
        try:
            self._connect(path, _link_name(uid), address)
        except OSError:
            network_namespace.remove(path)
            raise
        self._addresses[uid] = address
        return address

    def adopt(self, uid: str, address: str) -> None:
        """Remember the address of a pod that an earlier process made."""
        self._addresses[uid] = address

    def remove(self, uid: str) -> None:
        """Take namespace, link and address away; removing what is gone is no error."""
        self._addresses.pop(uid, None)
        # The kernel takes the link away with the namespace, in its own time: to ask for that takes 20 ms and more.
        network_namespace.remove(self.namespace(uid))

    def socket_in(self, uid: str) -> socket.socket:
        """A TCP socket that belongs to the pod's network. Raises OSError."""
        with network_namespace.entered(self.namespace(uid)):
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)

    def _connect(self, path: Path, link: str, address: str) -> None:
        with Netlink() as node, network_namespace.entered(path) as namespace:
            node.delete_link(link)
            node.add_veth(link, peer="eth0", peer_namespace=namespace)
            with Netlink() as pod:
                pod.up(LOOPBACK)
                index = socket.if_nametoindex("eth0")
                pod.up(index)
                pod.add_address(index, address)
                pod.add_route(self.gateway, 32, index=index)
                pod.add_route("0.0.0.0", 0, index=index, gateway=self.gateway)
            # As containerd does: a pod without capabilities may serve port 80 and ping.
            Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("0")
        with Netlink() as node:
            node.add_route(address, 32, index=socket.if_nametoindex(link))

    def _free_address(self, number: int) -> str:
        network = self._networks[number % len(self._networks)]
        taken = set(self._addresses.values())
        hosts = network.num_addresses - _FIRST_HOST - 1
        # On from the latest one, so that an address that somebody still knows is not another pod's at once.
        start = self._latest.get(number, -1) + 1
        for step in range(hosts):
            offset = (start + step) % hosts
            candidate = str(network[_FIRST_HOST + offset])
            if candidate not in taken:
                self._latest[number] = offset
                return candidate
        raise OSError(f"no IP addresses available in range set: {network[1]}-{network[-2]}")


def _link_name(uid: str) -> str:
    return "veth" + hashlib.sha256(uid.encode()).hexdigest()[:8]


_HOSTS = """\
# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
fe00::\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""


def hosts_file(address: str, pod: PodSpec) -> str:
    """What /etc/hosts says in the pod, as kubelet writes it."""
    names = (pod.full_name, pod.hostname) if pod.full_name else (pod.hostname,)
    lines = [_HOSTS, "\t".join((address, *names)) + "\n"]
    if pod.hosts:
        lines.append("\n# Entries added by HostAliases.\n")
        lines += ["\t".join((alias, *more)) + "\n" for alias, more in pod.hosts.items()]
    return "".join(lines)


def resolv_conf(pod: PodSpec) -> str:
    """What /etc/resolv.conf says in the pod."""
    lines = []
    if pod.searches:
        lines.append(f"search {' '.join(pod.searches)}")
    lines += [f"nameserver {server}" for server in pod.nameservers]
    if pod.searches:
        lines.append("options ndots:5")
    return "".join(f"{line}\n" for line in lines)


def etc_files(address: str, pod: PodSpec) -> Mapping[str, str]:
    """The files below /etc that the node writes for a pod, by name."""
    return {
        "hosts": hosts_file(address, pod),
        "resolv.conf": resolv_conf(pod),
        "hostname": f"{pod.hostname}\n",
    }
