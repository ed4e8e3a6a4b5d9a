#!/usr/bin/python3 -IS
"""The learner's `minikube`: sends the command line to the sandbox's agent and does what comes back.

Runs in the learner's shell as the learner, with nothing but the standard library and nothing of ours to import: it is
copied to /usr/local/bin/minikube.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

SOCKET = "/run/minikube.sock"
NAME = "minikube"
UNREACHABLE = 69
_ENVIRONMENT = ("TERM", "COLORTERM", "MINIKUBE_IN_STYLE", "LANG")

Object = dict[str, Any]


def main(arguments: Sequence[str], path: str = SOCKET) -> int:
    """Carry out one command; its exit code."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
    except OSError as error:
        sys.stderr.write(f"minikube: the sandbox does not answer: {error.strerror}\n")
        return UNREACHABLE
    connection.sendall(json.dumps(_request(arguments)).encode() + b"\n")
    command: list[str] = []
    for message in _messages(connection):
        if "out" in message:
            _print(sys.stdout, message["out"])
        elif "err" in message:
            _print(sys.stderr, message["err"])
        elif "kubeconfig" in message:
            _take_kubeconfig(message["kubeconfig"])
        elif "exec" in message:
            command = message["exec"]
        elif "exit" in message:
            connection.close()
            if command and message["exit"] == 0:
                os.execvp(command[0], command)
            return int(message["exit"])
    sys.stderr.write("minikube: the sandbox has cut the connection\n")
    return UNREACHABLE


def _print(stream: Any, text: str) -> None:
    stream.write(text)
    stream.flush()


def _request(arguments: Sequence[str]) -> Object:
    terminal = sys.stdout.isatty()
    columns = os.get_terminal_size(1).columns if terminal else 80
    server, context = _configured(_read(_kubeconfig_path()))
    return {
        "arguments": list(arguments),
        "environment": {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        "terminal": terminal,
        "columns": columns,
        "server": server,
        "context": context,
    }


def _messages(connection: socket.socket) -> Iterator[Object]:
    with connection.makefile("rb") as lines:
        for line in lines:
            yield json.loads(line)


def _kubeconfig_path() -> Path:
    chosen = os.environ.get("KUBECONFIG", "").split(":")[0]
    return Path(chosen) if chosen else Path.home() / ".kube/config"


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _configured(text: str) -> tuple[str, str]:
    """The server of the cluster `minikube` and the current context, in a file as kubectl writes it."""
    server = found = context = ""
    for line in text.splitlines():
        key, _, value = line.strip().removeprefix("- ").partition(":")
        if key == "server":
            found = value.strip()
        elif key == "name" and value.strip() == NAME and found:
            server, found = server or found, ""
        elif key == "current-context":
            context = value.strip().strip('"')
    return server, context


def _only_ours(text: str) -> bool:
    """Whether nothing but `minikube` is named in the file: then it can be written anew without reading it."""
    names = [line.strip() for line in text.splitlines() if line.strip().removeprefix("- ").startswith("name:")]
    return all(name.removeprefix("- ") == f"name: {NAME}" for name in names)


def _take_kubeconfig(config: Object | None) -> None:
    path = _kubeconfig_path()
    text = _read(path)
    if _only_ours(text):
        _write(path, _document(config))
    elif config is None:
        _forget()
    else:
        _merge(config)


def _document(config: Object | None) -> str:
    """A whole kubeconfig in kubectl's own layout."""
    if config is None:
        lists = 'clusters: null\ncontexts: null\ncurrent-context: ""\nkind: Config\npreferences: {}\nusers: null\n'
        return f"apiVersion: v1\n{lists}"
    cluster, user = _parts(config)
    return "\n".join(
        [
            "apiVersion: v1",
            "clusters:",
            "- cluster:",
            *[f"    {key}: {cluster[key]}" for key in sorted(cluster)],
            f"  name: {NAME}",
            "contexts:",
            "- context:",
            f"    cluster: {NAME}",
            "    namespace: default",
            f"    user: {NAME}",
            f"  name: {NAME}",
            f"current-context: {NAME}",
            "kind: Config",
            "preferences: {}",
            "users:",
            f"- name: {NAME}",
            "  user:",
            *[f"    {key}: {user[key]}" for key in sorted(user)],
            "",
        ]
    )


def _parts(config: Object) -> tuple[Mapping[str, str], Mapping[str, str]]:
    return config["clusters"][0]["cluster"], config["users"][0]["user"]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


def _merge(config: Object) -> None:
    """Beside other clusters: kubectl knows how to keep them."""
    cluster, user = _parts(config)
    _kubectl("set", f"clusters.{NAME}.server", cluster["server"])
    _kubectl("set", f"clusters.{NAME}.certificate-authority-data", cluster["certificate-authority-data"])
    for key, value in user.items():
        _kubectl("set", f"users.{NAME}.{key}", value)
    _kubectl("set-context", NAME, f"--cluster={NAME}", f"--user={NAME}", "--namespace=default")
    _kubectl("use-context", NAME)


def _forget() -> None:
    for kind in ("contexts", "clusters", "users"):
        _kubectl("unset", f"{kind}.{NAME}")
    _, context = _configured(_read(_kubeconfig_path()))
    if context == NAME:
        _kubectl("unset", "current-context")


def _kubectl(*arguments: str) -> None:
    subprocess.run(["kubectl", "config", *arguments], stdout=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
