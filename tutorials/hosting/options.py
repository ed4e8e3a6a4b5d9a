"""The options of `./quayside up`, and what follows from them."""

from __future__ import annotations

import argparse
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

CHECKOUT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Options:
    """What the host asked for."""

    port: int
    bind: str
    origins: tuple[str, ...]
    data: Path
    backend: str
    lessons: tuple[Path, ...]
    anyway: bool

    @property
    def url(self) -> str:
        """The address to open first."""
        if self.origins_given:
            return self.origins[0] + "/"
        host = "localhost" if self.loopback else _bracketed(self.bind if self.bind not in _EVERY else lan_address())
        return f"http://{host}:{self.port}/"

    @property
    def origins_given(self) -> bool:
        """Whether the host named the origins."""
        return bool(self.origins)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the site."""
        return self.bind == "localhost" or (self.bind not in _EVERY and ipaddress.ip_address(self.bind).is_loopback)

    def all_origins(self) -> list[str]:
        """Every origin that a browser may come from: those given, or those of the bound addresses."""
        if self.origins:
            return list(self.origins)
        hosts = ["localhost", "127.0.0.1"]
        if not self.loopback:
            hosts += [self.bind] if self.bind not in _EVERY else [lan_address()]
        return [f"http://{_bracketed(host)}:{self.port}" for host in dict.fromkeys(hosts)]


_EVERY = ("0.0.0.0", "::")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def lan_address() -> str:
    """This machine's address towards others; loopback without a network. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line; wrong ones end the program with status 2 and a sentence."""
    parser = argparse.ArgumentParser(prog="./quayside up", description="Serve the courses on this machine.")
    parser.add_argument("--port", type=_port, default=8000)
    parser.add_argument(
        "--bind", type=_address, default="127.0.0.1", help="address to listen on; 0.0.0.0 for the local network"
    )
    parser.add_argument(
        "--origin",
        type=_origin,
        action="append",
        default=[],
        help="address that browsers use, e.g. https://class.example.org",
    )
    parser.add_argument("--data", type=Path, default=CHECKOUT / "var", help="folder for everything that is kept")
    parser.add_argument("--backend", choices=["auto", "local"], default="auto")
    parser.add_argument("--lessons", type=_folder, action="append", default=[], help="a folder of lessons beside ours")
    parser.add_argument("--anyway", action="store_true", help="serve also where sandboxes cannot run")
    found = parser.parse_args(arguments)
    return Options(
        port=found.port,
        bind=found.bind,
        origins=tuple(found.origin),
        data=found.data.absolute(),
        backend="local" if found.backend == "auto" else found.backend,
        lessons=tuple(found.lessons),
        anyway=found.anyway,
    )


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; take a number from 1 to 65535")
    return int(text)


def _address(text: str) -> str:
    if text == "localhost":
        return text
    try:
        ipaddress.ip_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no address; take one such as 127.0.0.1 or 0.0.0.0") from error
    return text


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise argparse.ArgumentTypeError(f"{text!r} is no origin; write it like https://class.example.org")
    return f"{parts.scheme}://{parts.netloc}"


def _folder(text: str) -> Path:
    path = Path(text).absolute()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {text!r}")
    return path
