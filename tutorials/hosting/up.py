"""Runs the launcher and the site as children, restarts what falls, and ends everything with itself.

The order is the point: the launcher is exec'd first and with an empty environment, so it never holds a secret; only
the site's process opens the database. Each child holds the read end of a pipe whose write end lives here: when this
process is gone, however it went, the pipe closes and they end.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tutorials.hosting.options import CHECKOUT, Options, parse
from tutorials.hosting.web_user import WebUser, as_user, give, web_user

GRACE = 10.0
"""Seconds that a child gets to end by itself."""
_TRIES = 4
"""A child that never lived so long is given up after this many starts: it will not get better by itself."""
_ENOUGH = 20.0
"""A child that lived this many seconds is restarted at once; one that did not waits longer each time."""


class CannotServe(Exception):
    """`up` cannot go on; the message says why and what to do."""


@dataclass
class Child:
    """One supervised process."""

    name: str
    command: list[str]
    environment: dict[str, str]
    folder: Path
    pass_fds: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    proven: bool = False
    """Whether it once lived long enough to be taken for healthy."""
    due: float = field(default=0.0)

    def start(self, now: float) -> None:
        """Start it in a session of its own, so that a Ctrl-C reaches this process only."""
        self.process = subprocess.Popen(
            self.command,
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            pass_fds=self.pass_fds,
            start_new_session=True,
        )
        self.started = now

    def ended(self, now: float) -> bool:
        """Whether it has ended; then it is due again after a growing pause."""
        if self.process is None or self.process.poll() is None:
            return False
        self.proven = self.proven or now - self.started > _ENOUGH
        self.failures = 0 if now - self.started > _ENOUGH else self.failures + 1
        self.due = now + (0 if self.failures == 0 else min(0.5 * 2**self.failures, 30))
        self.process = None
        return True

    def stop(self) -> None:
        """End it: SIGTERM, then SIGKILL after the grace time."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


def lock(data: Path, url: str) -> IO[str]:
    """Hold the data folder for this process. Raises CannotServe when another one does."""
    path = data / "up.lock"
    try:
        handle = path.open("a+")
    except OSError as error:
        raise CannotServe(f"The data folder {data} cannot be written to: {error.strerror}.") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        handle.seek(0)
        running = handle.read().strip() or "another address"
        raise CannotServe(f"Quayside is already running on {running} with this data folder ({data}).") from error
    handle.truncate(0)
    handle.write(url + "\n")
    handle.flush()
    return handle


def listen(options: Options) -> socket.socket:
    """The site's listening socket. Raises CannotServe when the port is taken."""
    family = socket.AF_INET6 if ":" in options.bind else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.bind, options.port))
    except OSError as error:
        listener.close()
        raise CannotServe(
            f"Cannot listen on {options.bind} port {options.port}: {error.strerror}. "
            f"Is something else running there? Another port: ./quayside up --port {options.port + 1}"
        ) from error
    listener.listen(128)
    return listener


def launcher(options: Options, user: WebUser) -> Child:
    """The launcher daemon: no environment, no listening socket of ours; it ends when its parent does."""
    command = [sys.executable, "-m", "sandbox.launch", "--data", str(options.data), "--with-parent"]
    command += ["--socket", str(backend_socket(options)), "--allow-uid", str(user.uid)]
    return Child("launcher", command, {}, CHECKOUT)


def backend_socket(options: Options) -> Path:
    """Where the launcher answers."""
    return options.data / "run" / "backend.sock"


def site(options: Options, user: WebUser, *, listener: socket.socket, life: int, notice: str) -> Child:
    """The web process, with Celery in threads of its own."""
    fds = (listener.fileno(), life)
    plain = [interpreter(), "manage.py", "web", "--fd", str(fds[0]), "--life-fd", str(fds[1]), "--url", options.url]
    seen = as_user(plain, user, checkout=CHECKOUT, data=options.data, lessons=options.lessons)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TERM", "NO_COLOR", "TZ") if name in os.environ}
    mine = {name: value for name, value in os.environ.items() if name.startswith("QUAYSIDE_")}
    environment = kept | mine | {
        "QUAYSIDE_DATA": str(seen.data),
        "QUAYSIDE_ORIGINS": ",".join(options.all_origins()),
        "QUAYSIDE_BACKEND_SOCKET": str(seen.data / "run" / "backend.sock"),
        "QUAYSIDE_LESSONS": os.pathsep.join(map(str, seen.lessons)),
        "QUAYSIDE_NOTICE": notice,
        "HOME": str(seen.data),
    }  # fmt: skip
    return Child("site", seen.command, environment, seen.start_in(CHECKOUT), pass_fds=fds)


def interpreter() -> str:
    """This Python, named from the checkout where it lies in it: the site's user may see that at another place."""
    mine = Path(sys.executable).absolute()
    return str(mine.relative_to(CHECKOUT)) if mine.is_relative_to(CHECKOUT) else str(mine)


def examine(options: Options) -> str:
    """What this machine does not enforce, in a sentence. Raises CannotServe where no sandbox can run."""
    # `--help` and bad options need no probing.
    from sandbox.doctor import probe, restricted_remedy, summary  # noqa: PLC0415

    steps = probe()
    failed = next((step for step in steps if not step.ok and step.needed), None)
    if failed is not None:
        cause = f"Sandboxes cannot run on this machine: {failed.name}: {failed.detail}"
        if not options.anyway:
            # AppArmor knows a program by its own path, not by the link to it in the environment.
            remedy = restricted_remedy(options.data, python=Path(sys.executable).resolve()) or failed.remedy
            raise CannotServe(f"{cause}\n  {remedy}\n  (--anyway serves the lessons without a terminal)")
        return "Terminals do not work on this machine: " + failed.detail
    say("  sandboxes  " + summary(steps))
    return ""


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def wait_for(path: Path, child: Child, *, seconds: float = 30.0) -> None:
    """Wait until something answers at the socket. Raises CannotServe when the child ends first."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if child.process is None or child.process.poll() is not None:
            raise CannotServe(f"The {child.name} ended at once; its own words are above.")
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
                return
            except OSError:
                select.select([], [], [], 0.02)
    raise CannotServe(f"The {child.name} did not answer within {seconds:.0f} seconds.")


def supervise(children: Sequence[Child], wake: int) -> None:
    """Keep the children running until `wake` becomes readable. Raises CannotServe for one that never runs."""
    while not select.select([wake], [], [], 0.5)[0]:
        now = time.monotonic()
        for child in children:
            if child.ended(now):
                if not child.proven and child.failures >= _TRIES:
                    raise CannotServe(f"The {child.name} ends whenever it is started; its own words are above.")
                say(f"The {child.name} ended; starting it again.")
            if child.process is None and now >= child.due:
                child.start(now)


def wake_on_signals() -> int:
    """A file descriptor that becomes readable when this process is asked to end."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return reader


def serve(options: Options) -> None:
    """Serve until asked to end. Raises CannotServe."""
    user = web_user()
    options.data.mkdir(parents=True, exist_ok=True)
    held = lock(options.data, options.url)
    give(options.data, user)
    listener = listen(options)
    say("Quayside")
    notice = examine(options)
    wake = wake_on_signals()
    life, _alive = os.pipe()
    children = [launcher(options, user), site(options, user, listener=listener, life=life, notice=notice)]
    if notice:
        children.pop(0)
    try:
        for child in children:
            child.start(time.monotonic())
            if child.name == "launcher":
                wait_for(backend_socket(options), child)
        supervise(children, wake)
        say("Ending …")
    finally:
        for child in reversed(children):
            child.stop()
        held.close()


def main() -> int:
    """`./quayside up`: 0 after a wanted end, 1 with a sentence when it cannot serve."""
    try:
        serve(parse(sys.argv[1:]))
    except CannotServe as error:
        sys.stderr.write(f"quayside: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
