"""The site's secret key: made on the first start, kept in the data directory, readable by its owner only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

LENGTH = 64


def secret_from(path: Path) -> str:
    """The secret in `path`, made first when there is none. Two processes starting at once get the same one."""
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(LENGTH))
    try:
        os.link(draft, path)  # unlike a rename, a link never replaces what another process has just made
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return _read(path)


def _read(path: Path) -> str:
    secret = path.read_text().strip()
    if len(secret) < 50:
        raise ValueError(f"{path} holds no usable secret; remove it, and a new one is made (everybody is logged out).")
    return secret
