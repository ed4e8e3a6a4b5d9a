"""`minikube ssh`: a shell on the node, or one command there.

The learner's container *is* what the node looks like to a learner: the same root directory that hostPath volumes and
`kubectl debug node` show, the node's host name and network. So the shell is started right there, by the client.
"""

from __future__ import annotations

from sandbox.minikube.command import PROFILE, Call, Command, running
from sandbox.minikube.console import Exit, Fatal
from sandbox.minikube.flags import Flag
from sandbox.minikube.node import named

_SHELL = r"""PS1='\[\e]0;docker@%(node)s: \w\a\]docker@%(node)s:\w\$ ' exec bash --norc --noprofile -i"""
_RUN = """bash -c "$1"; code=$?
[ "$code" -eq 0 ] && exit 0
echo "ssh: Process exited with status $code" >&2
exit 1"""


async def ssh(call: Call) -> int:
    """Hand over to a shell on the node; a command that fails is 1, as with minikube's own client."""
    status = await running(call)
    node = named(status, call.parsed.text("node") or PROFILE)
    if not node.running:
        raise Fatal("GUEST_SSH", f"ssh: {node.name} host is not running: state=Stopped", Exit.GUEST_NOT_RUNNING)
    words = (*call.parsed.words, *call.parsed.rest)
    if words:
        shell = ["bash", "-c", _RUN, "minikube", " ".join(words)]
    elif call.request.terminal:
        shell = ["bash", "-c", _SHELL % {"node": node.name}]
    else:
        shell = ["bash", "-s"]
    await call.send({"exec": shell})
    return 0


SSH = Command(
    "ssh",
    "Advanced Commands",
    "Log into the minikube environment (for debugging)",
    ssh,
    (Flag("node", short="n"), Flag("native-ssh", "bool")),
    "[-- COMMAND]",
)
