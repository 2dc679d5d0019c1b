"""The README's console blocks, typed as they stand, in an empty folder."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


def with_free_ports(script: str) -> str:
    """The script with other ports, so that two test runs on one machine don't meet."""
    for port in sorted(set(re.findall(r"127\.0\.0\.1:(\d+)", script))):
        with socket.create_server(("127.0.0.1", 0)) as free:
            script = script.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free.getsockname()[1]}")
    return script


def console_commands(on_kafka: bool) -> list[str]:
    """The commands of the blocks that start a broker, or of the others."""
    blocks = re.findall(
        r"^```console\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    chosen = [block for block in blocks if ("tapwatch broker" in block) == on_kafka]
    return [line.removeprefix("$ ") for block in chosen for line in block.splitlines()]


def typed(commands: list[str], folder: Path) -> str:
    """What they print, typed one after the other; none may fail."""
    # A server that a failed command left behind would hold the pipes, and the test, for ever.
    lines = ["set -e -m", "trap 'kill $(jobs -p) 2> /dev/null || true; wait' EXIT", *commands, ""]
    script = with_free_ports("\n".join(lines))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_every_console_block_of_the_readme_runs(tmp_path: Path) -> None:
    commands = console_commands(on_kafka=False)
    assert len(commands) > 5
    said = typed(commands, tmp_path)
    assert '"health": "SERVING"' in said
    assert "identical" in said or "no difference" in said.lower()


@pytest.mark.slow
@pytest.mark.usefixtures("kafka")  # skipped, loudly, where no broker can be started
def test_the_readme_leads_from_nothing_to_two_processes_on_a_broker(tmp_path: Path) -> None:
    commands = console_commands(on_kafka=True)
    assert len(commands) > 8
    said = typed(commands, tmp_path)
    assert "2 members" in said
    assert "wrong:" not in said
