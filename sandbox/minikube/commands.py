"""The `minikube` command that learners type: the one list of what it can do, and how a call finds its way there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sandbox.minikube import addons, information, lifecycle, logs, node, service, ssh, start, tunnel
from sandbox.minikube.command import VERSION, Answered, Call, Command
from sandbox.minikube.console import Console, Exit, Fatal
from sandbox.minikube.flags import GLOBAL, Parsed, UsageError, parse
from sandbox.minikube.machine import Machine, MachineError
from sandbox.minikube.request import Request, Send

__all__ = ["COMMANDS", "Request", "Send", "run"]

COMMANDS: Sequence[Command] = (
    start.START,
    lifecycle.STATUS,
    lifecycle.STOP,
    lifecycle.DELETE,
    lifecycle.PAUSE,
    lifecycle.UNPAUSE,
    information.IMAGE,
    addons.ADDONS,
    information.CONFIG,
    information.PROFILE_COMMAND,
    information.UPDATE_CONTEXT,
    service.SERVICE,
    tunnel.TUNNEL,
    ssh.SSH,
    information.KUBECTL,
    node.NODE,
    information.IP,
    logs.LOGS,
    information.VERSION_COMMAND,
)

_ELSEWHERE: Mapping[str, str] = {
    "dashboard": "the page beside this terminal shows your cluster",
    "mount": "files of this terminal reach pods with kubectl cp",
    "docker-env": "there is no Docker daemon; images come from the sandbox's catalogue",
    "podman-env": "there is no Podman; images come from the sandbox's catalogue",
    "cp": "kubectl cp copies files to and from pods",
    "ssh-key": "the node has no SSH server",
    "ssh-host": "the node has no SSH server",
    "cache": "images come from the sandbox's catalogue",
}
"""Commands of the real minikube that have no place in a sandbox, and what to do instead."""

_GROUPS = (
    "Basic Commands",
    "Images Commands",
    "Configuration and Management Commands",
    "Networking and Connectivity Commands",
    "Advanced Commands",
    "Troubleshooting Commands",
)


async def run(request: Request, machine: Machine, send: Send) -> int:
    """Carry out one command and return its exit code, which the caller sends as {"exit": N} when all is sent."""
    console = Console(request, send)
    try:
        return await _dispatch(request, machine, send, console)
    except Answered as end:
        return end.code
    except Fatal as error:
        await console.fatal(error)
        return error.code
    except MachineError as error:
        await console.fatal(Fatal("GUEST_START", str(error), Exit.GUEST))
        return Exit.GUEST


async def _dispatch(request: Request, machine: Machine, send: Send, console: Console) -> int:
    name, arguments = _split(request.arguments)
    if name in ("", "help") and not (name and arguments):
        await console.write(_help())
        return 0
    if name == "help":
        name, arguments = arguments[0], ["--help"]
    command = next((known for known in COMMANDS if known.name == name), None)
    if command is None:
        return await _unknown(name, console)
    try:
        parsed = parse(arguments, command.flags)
    except UsageError as error:
        await console.error_line(f"Error: {error}\nSee 'minikube {name} --help' for usage.")
        return Exit.USAGE
    if parsed.on("help"):
        await console.write(_help_for(command))
        return 0
    await _say_what_has_no_effect(command, parsed, console)
    return await command.run(Call(request, parsed, machine, console, send))


def _split(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The command's name and everything else; global flags may stand before it."""
    takes_value = {f"--{flag.name}" for flag in GLOBAL if flag.kind != "bool"}
    takes_value |= {f"-{flag.short}" for flag in GLOBAL if flag.kind != "bool" and flag.short}
    position = 0
    while position < len(arguments) and arguments[position].startswith("-"):
        if arguments[position] in ("-h", "--help"):
            return "", []
        position += 2 if arguments[position] in takes_value else 1
    if position >= len(arguments):
        return "", []
    return arguments[position], [*arguments[:position], *arguments[position + 1 :]]


async def _unknown(name: str, console: Console) -> int:
    instead = _ELSEWHERE.get(name)
    if instead is not None:
        message = f"minikube {name} is not part of this sandbox: {instead}."
        raise Fatal("MK_USAGE", message, Exit.USAGE)
    await console.error_line(f'Error: unknown command "{name}" for "minikube"\nRun \'minikube --help\' for usage.')
    return Exit.USAGE


async def _say_what_has_no_effect(command: Command, parsed: Parsed, console: Console) -> None:
    for flag in command.flags:
        if flag.note and flag.name in parsed.values:
            await console.warn(flag.note.format(value=parsed.values[flag.name]))


def _help() -> str:
    lines = [
        "minikube provisions and manages local Kubernetes clusters optimized for development workflows.",
        f"This one ({VERSION}) is Quayside's: it runs the cluster of this sandbox.",
    ]
    for group in _GROUPS:
        lines += ["", f"{group}:"]
        lines += [f"  {command.name:<15} {command.summary}" for command in COMMANDS if command.group == group]
    lines += ["", 'Use "minikube <command> --help" for more information about a given command.', ""]
    return "\n".join(lines)


def _help_for(command: Command) -> str:
    lines = [command.summary, ""]
    if command.flags:
        lines.append("Options:")
    for flag in command.flags:
        short = f"-{flag.short}, " if flag.short else "    "
        value = {"bool": "", "text": "=''", "number": "=0", "list": "=[]"}[flag.kind]
        note = "  (accepted; changes nothing here)" if flag.note else ""
        lines.append(f"    {short}--{flag.name}{value}{note}")
    lines += ["", "Usage:", f"  minikube {command.name} {command.usage}".rstrip() + " [flags] [options]", ""]
    return "\n".join(lines)
