"""The simulated crypto market: prices, candles, trades."""

from collections import defaultdict
from functools import cache
from itertools import pairwise
from math import log
from statistics import fmean, pstdev

from detectors.events import Tick, Trade
from replay.simulator import SimulatedEvent, SimulatorParams, simulate

PARAMS = SimulatorParams(seed=9, users=150, days=40, traders=0.8, tick_interval_s=900, fraud_rate=0.0)


@cache
def events() -> tuple[SimulatedEvent, ...]:
    return tuple(simulate(PARAMS))


@cache
def candles() -> dict[str, list[Tick]]:
    found: dict[str, list[Tick]] = defaultdict(list)
    for event in events():
        if isinstance(event, Tick):
            found[event.asset].append(event)
    return found


def steps(asset: str) -> list[float]:
    return [log(candle.close / candle.open) for candle in candles()[asset]]


def test_every_asset_has_a_candle_for_every_interval() -> None:
    assert set(candles()) == {"BTC", "ETH", "SOL"}
    for found in candles().values():
        assert len(found) == PARAMS.days * 96 - 1
        assert all(after.open == before.close for before, after in pairwise(found))


def test_a_candle_spans_its_prices() -> None:
    for found in candles().values():
        for candle in found:
            assert candle.low <= min(candle.open, candle.close)
            assert candle.high >= max(candle.open, candle.close)


def test_volatility_comes_in_clusters_and_tails_are_heavy() -> None:
    moves = [abs(step) for step in steps("BTC")]
    mean = fmean(moves)
    together = fmean((a - mean) * (b - mean) for a, b in pairwise(moves)) / pstdev(moves) ** 2
    assert together > 0.05
    assert max(moves) > 6.0 * pstdev(steps("BTC"))


def test_daily_volatility_is_that_of_a_crypto_asset() -> None:
    for asset in candles():
        assert 0.01 < pstdev(steps(asset)) * 96**0.5 < 0.15


def test_trades_are_at_the_market_and_more_frequent_after_a_move() -> None:
    last: dict[str, Tick] = {}
    usual = {asset: fmean(map(abs, steps(asset))) for asset in candles()}
    moved = []
    for event in events():
        if isinstance(event, Tick):
            last[event.asset] = event
        elif isinstance(event, Trade) and event.asset in last:
            candle = last[event.asset]
            assert abs(event.price / candle.close - 1.0) < 0.002
            moved.append(abs(log(candle.close / candle.open)) / usual[event.asset])
    assert len(moved) > 500
    assert fmean(moved) > 1.05


def test_no_candles_means_no_trades() -> None:
    params = SimulatorParams(seed=9, users=30, days=5, traders=1.0, tick_interval_s=0)
    assert not any(isinstance(event, Tick | Trade) for event in simulate(params))
