"""A crypto market: prices that wander, calm and wild by turns, and jump now and then."""

from collections.abc import Iterator
from math import exp, log, sqrt
from random import Random
from typing import Final

from detectors.events import Tick, Trade
from replay.simulator.chance import around, code, seeded
from replay.simulator.days import TradeWish
from replay.simulator.params import SimulatorParams
from replay.simulator.people import ASSETS
from replay.simulator.places import at

VENUE: Final = "SIM"
QUOTE: Final = "EUR"
_FIRST_PRICES: Final = {"BTC": 60_000.0, "ETH": 2_500.0, "SOL": 120.0}
_DAILY_VOLATILITY: Final = {"BTC": 0.025, "ETH": 0.033, "SOL": 0.045}
_JUMPS_PER_DAY: Final = 0.15
# How much of the last surprise and of the last variance is in the next variance: the rest is the long run's.
_SURPRISE: Final = 0.12
_MEMORY: Final = 0.85


class _Asset:
    """One price: geometric steps whose variance follows a GARCH(1, 1) process, and jumps."""

    def __init__(self, chance: Random, name: str, interval_s: int) -> None:
        self._chance = chance
        self.name = name
        self.price = around(chance, _FIRST_PRICES[name], 0.2)
        self._usual = _DAILY_VOLATILITY[name] ** 2 * interval_s / 86_400.0
        self._variance = self._usual
        self._jump_chance = _JUMPS_PER_DAY * interval_s / 86_400.0

    def candle(self, end_ms: int, interval_s: int) -> Tick:
        chance, deviation, opened = self._chance, sqrt(self._variance), self.price
        step = deviation * chance.gauss(0.0, 1.0)
        if chance.random() < self._jump_chance:
            step += 0.04 * chance.gauss(0.0, 1.0)
        # A surprise beyond ten deviations is a jump; fed back in full it would never calm down.
        surprise = min(step**2, 100.0 * self._usual)
        long_run = 1.0 - _SURPRISE - _MEMORY
        self._variance = long_run * self._usual + _SURPRISE * surprise + _MEMORY * self._variance
        self.price = opened * exp(step)
        above, below = deviation * chance.random(), deviation * chance.random()
        calm_volume = 2e6 / self.price * interval_s / 900.0
        return Tick(
            venue=VENUE,
            asset=self.name,
            quote=QUOTE,
            event_time=at(end_ms),
            open=round(opened, 4),
            high=round(max(opened, self.price) * (1.0 + above), 4),
            low=round(min(opened, self.price) * (1.0 - min(0.9, below)), 4),
            close=round(self.price, 4),
            volume=round(around(chance, calm_volume * (1.0 + abs(step) / deviation), 0.4), 6),
            interval_s=interval_s,
        )


class Market:
    """All prices of a world. The caller draws the candles in order and shows each when its time has come."""

    def __init__(self, params: SimulatorParams) -> None:
        self._interval_s = params.tick_interval_s
        self._assets = {
            name: _Asset(seeded(params.seed, "market", name), name, params.tick_interval_s)
            for name in ASSETS
            if params.tick_interval_s
        }
        self._shown: dict[str, Tick] = {}

    def candles(self, start_ms: int, end_ms: int) -> Iterator[tuple[int, Tick]]:
        """The candles by the time at which each is complete."""
        if not self._interval_s:
            return
        for time_ms in range(start_ms + self._interval_s * 1000, end_ms, self._interval_s * 1000):
            for asset in self._assets.values():
                yield time_ms, asset.candle(time_ms, self._interval_s)

    def show(self, candle: Tick) -> None:
        """A candle is out: from now on trades meet it."""
        self._shown[candle.asset] = candle

    def trade(self, wish: TradeWish, time_ms: int) -> Trade | None:
        """The trade that comes of a wish: rarely in calm hours, nearly always after a big move."""
        candle = self._shown.get(wish.asset)
        if candle is None or wish.calm > 0.3 + 25.0 * abs(log(candle.close / candle.open)):
            return None
        price = round(candle.close * (1.0 + 0.001 * (wish.calm - 0.5)), 4)
        return Trade(
            trade_id=f"x-{code(wish.person)}-{code(wish.number)}",
            user_id=wish.user_id,
            asset=wish.asset,
            quote=QUOTE,
            side=wish.side,
            quantity=round(wish.euros / price, 8) or 1e-8,
            price=price,
            event_time=at(time_ms),
            venue=VENUE,
        )
