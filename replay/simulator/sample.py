"""The small stream that ships with the package, for the demo and for tests."""

from pathlib import Path
from typing import Final

import zstandard

from flows.codec import encode_event
from replay.simulator.params import SimulatorParams
from replay.simulator.stream import simulate

SAMPLE: Final = SimulatorParams(
    seed=6, users=130, days=14, fraud_rate=0.02, fixes_per_day=0.3, tick_interval_s=7200, compromises=12.0
)
"""What the bundled sample is made from: small, with every pattern of fraud in it."""


def sample_path() -> Path:
    """Where the bundled sample is."""
    return Path(__file__).parents[1] / "samples" / "demo.jsonl.zst"


def write_sample(path: Path) -> int:
    """Write the sample again, packed as small as can be, and return how many events it has.

    To be run after a change of the simulator, with ``sample_path()``: a test holds the two together.
    """
    lines = [encode_event(event) + b"\n" for event in simulate(SAMPLE)]
    path.write_bytes(zstandard.ZstdCompressor(level=19, write_checksum=True).compress(b"".join(lines)))
    return len(lines)
