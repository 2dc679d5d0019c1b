"""Starting shard processes. Imports next to nothing, so that the first one can start ahead of all else."""

import os
import pickle
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.frames import Line
    from flows.shard_process import ShardStart


class ShardSpawner:
    """Starts a shard process at each call; the first one waits ready after :meth:`prepare`.

    Server and shard process load the same models, which takes a second and more; so they do it side by side.
    """

    def __init__(self) -> None:
        self._ready: tuple[socket.socket, subprocess.Popen[bytes]] | None = None

    def prepare(self) -> None:
        """Start a process now; it waits until it is told what to do, or ends with this one."""
        self._ready = _start()

    def __call__(self, start: "ShardStart") -> "tuple[Line, subprocess.Popen[bytes]]":
        """A process that does as ``start`` says, and the line to it."""
        from flows.frames import Kind, Line, frame

        connection, process = self._ready or _start()
        self._ready = None
        line = Line(connection)
        line.send(frame(Kind.START, body=pickle.dumps(start)))
        return line, process


def _start() -> "tuple[socket.socket, subprocess.Popen[bytes]]":
    ours, theirs = socket.socketpair()
    with theirs:
        # Not -m alone: it would look for our packages in the folder where the operator happens to be.
        command = [sys.executable, "-P", "-m", "flows.shard_main", str(theirs.fileno()), str(os.getpid())]
        process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, stdout=2)
    return ours, process
