"""A random number of this user, made at first use and kept: seeds that are drawn here cannot be worked out elsewhere.

Without it, a student who knows what is handed in, as with late work graded by itself, could try changes to the notebook
until the drawn cases suit a wrong answer.
"""

import contextlib
import os
import secrets
from pathlib import Path

import platformdirs

LENGTH = 32


def own_secret() -> bytes:
    """The secret of who runs this; where none can be kept, another one each time."""
    path = Path(platformdirs.user_data_dir("nanochat", appauthor=False)) / "grading_secret"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _keep(path, secrets.token_bytes(LENGTH))
        kept = path.read_bytes()
    except OSError:
        kept = b""
    return kept if len(kept) == LENGTH else secrets.token_bytes(LENGTH)


def _keep(path, secret):
    """Write a secret unless there is one; another run may do the same at this moment, and one of both is kept."""
    if path.exists():
        return
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(secret)
    with contextlib.suppress(FileExistsError):
        os.link(new, path)
    new.unlink()
