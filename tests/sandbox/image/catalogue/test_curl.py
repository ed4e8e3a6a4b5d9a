"""The image curl."""

from __future__ import annotations

from pathlib import Path

from tests.sandbox.image.catalogue.running import app, running


def test_curl_takes_arguments_or_a_command(tmp_path: Path) -> None:
    script = app("curl", "entrypoint.sh")
    for command, wanted in ((("--version",), "curl "), (("echo", "hi"), "hi\n")):
        with running(tmp_path, script, *command) as started:
            assert started.process.wait(timeout=5) == 0
            assert started.log().startswith(wanted)
