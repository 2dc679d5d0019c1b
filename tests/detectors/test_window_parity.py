"""The windows against features that others published for the same payments."""

import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow.compute as pc  # pyarrow ships no types
import pyarrow.parquet as pq  # pyarrow ships no types
import pytest

from detectors.velocity import Velocity

DATA = Path(os.environ.get("TAPWATCH_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
FOLDER = DATA / "fdh-transactions"
DAYS = {1: 3, 7: 4, 30: 5}  # days of a window, and its place among the windows
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"WINDOWS ARE NOT COMPARED: no data at {FOLDER}"),
]


def streamed(customers: int) -> dict[int, tuple[float, ...]]:
    """Counts and averages of each payment's customer, by transaction id, computed one payment at a time."""
    table = pq.read_table(FOLDER / "transactions.parquet")
    table = table.filter(pc.less(table["customer_id"], customers))
    times = table["ts"].to_numpy().astype("datetime64[s]").astype(np.int64).tolist()
    users: defaultdict[int, Velocity] = defaultdict(Velocity)
    rows = zip(
        table["transaction_id"].to_pylist(),
        times,
        table["customer_id"].to_pylist(),
        table["amount_cents"].to_pylist(),
        strict=True,
    )
    found = {}
    for transaction, time_s, customer, cents in rows:
        velocity = users[customer]
        velocity.add(time_s, cents)
        counts, sums = velocity.windows(time_s)
        averages = (sums[place] / counts[place] for place in DAYS.values())
        found[transaction] = (*(counts[place] for place in DAYS.values()), *averages)
    return found


@pytest.mark.parametrize("customers", [500, pytest.param(5_000, marks=pytest.mark.slow)])
def test_counts_are_the_published_ones_and_averages_to_float32(customers: int) -> None:
    found = streamed(customers)
    published = pq.read_table(FOLDER / "published_features.parquet").to_pydict()
    ids = published["transaction_id"]
    ours = np.array([found.get(transaction, (0.0,) * 6) for transaction in ids])
    known = ours[:, 0] > 0.0
    assert known.sum() > 10_000
    for place, days in enumerate(DAYS):
        counts = np.array(published[f"customer_id_nb_tx_{days}day_window"])
        averages = np.array(published[f"customer_id_avg_amount_{days}day_window"], dtype=np.float32)
        np.testing.assert_array_equal(ours[known, place], counts[known])
        np.testing.assert_allclose(ours[known, 3 + place], averages[known], rtol=1e-6, atol=1e-6)
