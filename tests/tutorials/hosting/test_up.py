import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from tutorials.hosting.options import parse
from tutorials.hosting.up import CannotServe, Child, listen, lock, supervise


def test_a_taken_port_is_said_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotServe, match=f"port {port}: Address already in use.*--port {port + 1}"):
            listen(parse(["--port", str(port)]))


def test_a_second_start_names_the_first(tmp_path: Path) -> None:
    first = lock(tmp_path, "http://localhost:8000/")
    with pytest.raises(CannotServe, match="already running on http://localhost:8000/"):
        lock(tmp_path, "http://localhost:9000/")
    first.close()
    lock(tmp_path, "http://localhost:9000/").close()


def child(code: str) -> Child:
    return Child("probe", [sys.executable, "-c", code], {}, Path("/"))


def test_a_child_that_ends_is_due_again_later_and_later() -> None:
    probe = child("pass")
    pauses = []
    for _ in range(3):
        probe.start(now=100.0)
        assert probe.process is not None
        probe.process.wait(10)
        assert probe.ended(now=101.0)
        pauses.append(probe.due - 101.0)
    assert pauses == [1.0, 2.0, 4.0]


def test_a_child_that_lived_long_is_due_at_once() -> None:
    probe = child("pass")
    probe.start(now=100.0)
    assert probe.process is not None
    probe.process.wait(10)
    assert probe.ended(now=200.0)
    assert probe.due == 200.0


def test_stopping_asks_first(tmp_path: Path) -> None:
    mark = tmp_path / "ready"
    code = (
        "import pathlib, signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(mark)!r}).write_text('asked'), sys.exit(0)))\n"
        f"pathlib.Path({str(mark)!r}).write_text('up')\n"
        "time.sleep(60)"
    )
    probe = child(code)
    probe.start(now=0.0)
    deadline = time.monotonic() + 10
    while not mark.exists() and time.monotonic() < deadline:
        pass
    probe.stop()
    assert mark.read_text() == "asked"
    assert probe.process is None


def test_signals_reach_only_the_parent() -> None:
    probe = child("import time; time.sleep(60)")
    probe.start(now=0.0)
    assert probe.process is not None
    assert os.getsid(probe.process.pid) == probe.process.pid
    probe.process.send_signal(signal.SIGKILL)
    probe.process.wait(10)


def test_a_child_that_never_runs_is_given_up() -> None:
    reader, writer = os.pipe()
    with pytest.raises(CannotServe, match="The probe ends whenever it is started"):
        supervise([Child("probe", ["false"], dict(os.environ), Path("/"), failures=2)], reader)
    os.close(writer)
    os.close(reader)


def test_a_data_folder_that_cannot_be_written_to_is_said() -> None:
    with pytest.raises(CannotServe, match="cannot be written to: Not a directory"):
        lock(Path("/dev/null"), "http://localhost:8000/")
