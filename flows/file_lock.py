"""One process at a time: a lock on a file that ends with the process, however that ends."""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

_LOOK_AGAIN_S: Final = 0.02


class FileLockedError(Exception):
    """Another process holds the lock."""


def lock_file(path: Path, patience_s: float = 0.0) -> int:
    """Lock ``path``, which is made when it does not exist; closing the descriptor lets go.

    Raises
    ------
    FileLockedError
        When another process holds it for longer than ``patience_s`` seconds.
    OSError
        When the file can't be opened.
    """
    over = time.monotonic() + patience_s
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= over:
                os.close(lock)
                raise FileLockedError(str(path)) from None
            time.sleep(_LOOK_AGAIN_S)
        else:
            return lock


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock on ``path`` right now; who waits for it is not in the way."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
