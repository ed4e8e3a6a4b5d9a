"""Whether others on the same network could reach the platform: what this machine can find out about it by itself."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Sequence

from sandbox.doctor import Step

_SECONDS = 5.0


def probe(port: int = 8000) -> list[Step]:
    """This machine's addresses, whether the port can be had on each, and what may still stand in between."""
    addresses = _addresses()
    if not addresses:
        remedy = "Connect it to a network, then run this again."
        return [Step("lan", ok=False, detail="this machine has no address that others could use", remedy=remedy)]
    return [*(_reachable(address, port) for address in addresses), _firewall(port)]


def _addresses() -> Sequence[str]:
    done = subprocess.run(
        ["ip", "-j", "-4", "address", "show", "up"], capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if done.returncode:
        return []
    found = [
        entry["local"] for link in json.loads(done.stdout) for entry in link["addr_info"] if entry["scope"] == "global"
    ]
    return [address for address in found if not address.startswith("172.17.")]  # Docker's own bridge


def _reachable(address: str, port: int) -> Step:
    """Listen on the address and connect to it. Other machines' way is longer, but without this there is none."""
    name = f"lan {address}"
    try:
        with socket.create_server((address, port)) as listener:
            listener.settimeout(_SECONDS)
            with socket.create_connection((address, port), _SECONDS):
                listener.accept()[0].close()
    except OSError as error:
        remedy = f"Is Quayside or something else running there? Another port: ./quayside up --port {port + 1}"
        return Step(name, ok=False, detail=f"port {port}: {error.strerror or error}", remedy=remedy, needed=False)
    address = f"http://{address}:{port}"
    return Step(name, ok=True, detail=f"./quayside up --bind 0.0.0.0 --origin {address} serves {address}")


def _firewall(port: int) -> Step:
    """A rule set that drops by default is worth a word; the network itself can only be tried from another machine."""
    try_it = "try it from a second machine: some Wi-Fi networks keep their clients apart"
    nft = shutil.which("nft", path="/usr/sbin:/usr/bin")
    rules = ""
    if nft is not None:
        done = subprocess.run([nft, "list", "ruleset"], capture_output=True, text=True, timeout=_SECONDS, check=False)
        rules = done.stdout
    if "hook input" in rules and "policy drop" in rules:
        remedy = f"Let TCP port {port} in, for example: ufw allow {port}/tcp"
        return Step(
            "firewall",
            ok=False,
            detail=f"this machine drops what it does not know; {try_it}",
            remedy=remedy,
            needed=False,
        )
    return Step("firewall", ok=True, detail=f"no rule here that drops by default; {try_it}")
