"""`python -m flows.shard_main FD PARENT` is the shard process: FD is its line, PARENT the server."""

import ctypes
import os
import signal
import socket
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def _die_with(parent: int) -> None:
    """Have the kernel kill this process with its parent: stuck and left behind, it would hold the file."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before we asked
        sys.exit(0)


def main() -> None:
    """Serve the line until it ends."""
    _die_with(int(sys.argv[2]))
    # A terminal sends its signals to all; this process ends when its line does, not in the middle of work.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    from flows.shard_process import serve_connection  # seconds of imports, behind the lines above

    sys.exit(serve_connection(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
