"""`./quayside admin-link`: a new one-time link, made as the user that owns the database."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from tutorials.hosting.options import CHECKOUT
from tutorials.hosting.up import interpreter
from tutorials.hosting.web_user import as_user, web_user

_SECONDS = 60


def running_url(data: Path) -> str | None:
    """The address that the running site has noted in its lock file, or None."""
    try:
        return (data / "up.lock").read_text().strip() or None
    except OSError:
        return None


def main() -> int:
    """Print the link; 1 with a sentence when there is no site to make it for."""
    parser = argparse.ArgumentParser(prog="./quayside admin-link", description="Print a one-time link.")
    parser.add_argument("--data", type=Path, default=CHECKOUT / "var", help="the data folder of the site")
    data = parser.parse_args().data.absolute()
    url = running_url(data)
    if url is None or not (data / "quayside.sqlite3").exists():
        sys.stderr.write(f"quayside: no site has run with the data folder {data} yet. Start one with ./quayside up\n")
        return 1
    command = [interpreter(), "manage.py", "admin_link", "--url", url]
    seen = as_user(command, web_user(), checkout=CHECKOUT, data=data)
    kept = {
        name: value for name, value in os.environ.items() if name in ("PATH", "LANG") or name.startswith("QUAYSIDE_")
    }
    environment = kept | {"QUAYSIDE_DATA": str(seen.data), "HOME": str(seen.data)}
    folder = seen.start_in(CHECKOUT)
    return subprocess.run(seen.command, cwd=folder, env=environment, timeout=_SECONDS, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
