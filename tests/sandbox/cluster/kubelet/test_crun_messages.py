"""crun's words and Kubernetes' for them."""

from __future__ import annotations

import pytest

from sandbox.cluster.kubelet.crun_messages import exec_message, start_message

START = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
    "runc create failed: unable to start container process: "
)
INIT = "error during container init: "


@pytest.mark.parametrize(
    ("said", "command", "wanted"),
    [
        (
            "executable file `foo` not found in $PATH: No such file or directory",
            ("foo", "-x"),
            f'{INIT}exec: "foo": executable file not found in $PATH: unknown',
        ),
        (
            "executable file `/bin/foo` not found: No such file or directory",
            ("/bin/foo",),
            f'{INIT}exec: "/bin/foo": stat /bin/foo: no such file or directory: unknown',
        ),
        ("open executable: Operation not permitted", ("/etc",), f'{INIT}exec: "/etc": permission denied: unknown'),
        ("mount `x` to `y`: Invalid argument", ("foo",), "mount `x` to `y`: Invalid argument: unknown"),
        (
            'executable file `a"b` not found',
            ('a"b',),
            f'{INIT}exec: "a\\"b": executable file not found in $PATH: unknown',
        ),
    ],
)
def test_what_cannot_start_is_told_as_runc_tells_it(said: str, command: tuple[str, ...], wanted: str) -> None:
    assert start_message(RuntimeError(said), command) == START + wanted


def test_what_cannot_be_entered_too() -> None:
    said = RuntimeError("executable file `bash` not found in $PATH: No such file or directory")
    assert exec_message(said, ("bash",)) == (
        "failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: "
        'unable to start container process: exec: "bash": executable file not found in $PATH: unknown'
    )
