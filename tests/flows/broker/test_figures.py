"""What a shard process says of itself reaches the metrics of its server."""

from flows.broker.shards.figures import Figures, ShardFigures
from flows.broker.shards.figures_exported import export_figures
from flows.metrics import Metrics

SAID = Figures({"2": ShardFigures(41, 7, 1.5, 3), "11": ShardFigures(9, 0, 0.0, 0)}, 5, 4, 1, 2)


def test_figures_survive_the_line() -> None:
    assert Figures.decode(SAID.encode()) == SAID
    assert Figures.decode(Figures().encode()) == Figures()


def test_each_owned_shard_has_its_own_series_and_a_shard_that_went_has_none() -> None:
    metrics, said = Metrics(), [SAID]
    export_figures(metrics, lambda: said[-1])
    text = metrics.text().decode()
    assert 'tapwatch_shard_position{shard="2"} 41.0' in text
    assert 'tapwatch_shard_lag_records{shard="2"} 7.0' in text
    assert 'tapwatch_shard_lag_seconds{shard="2"} 1.5' in text
    assert 'tapwatch_shard_unpublished_records{shard="2"} 3.0' in text
    assert 'tapwatch_shard_position{shard="11"} 9.0' in text
    assert "tapwatch_shard_decisions_total 5.0" in text
    assert "tapwatch_published_records_total 4.0" in text
    assert "tapwatch_publish_aborts_total 1.0" in text
    assert "tapwatch_publish_fenced_total 2.0" in text
    said.append(Figures({"11": SAID.shards["11"]}))
    text = metrics.text().decode()
    assert 'shard="2"' not in text
    assert 'shard="11"' in text
