"""Chance that repeats: every draw comes from a generator seeded with the names of what is drawn.

Seeds are a hash of the whole name, so no draw depends on which others were made before it, on the order of
users or on ``PYTHONHASHSEED``. Only ``random()`` and ``gauss()`` are used: both give the same numbers in all
supported versions of Python.
"""

from bisect import bisect_right
from collections.abc import Sequence
from hashlib import blake2b
from itertools import accumulate
from math import exp, log
from random import Random
from typing import Final, TypeVar

T = TypeVar("T")

# Consonants only: ids that spell nothing, and hold no digits, so that none can look like a card number.
_LETTERS: Final = "bcdfghjklmnpqrstvwxz"


def seeded(seed: int, *name: str | int) -> Random:
    """The generator that belongs to ``name`` in the world of ``seed``."""
    key = "/".join(map(str, (seed, *name))).encode()
    return Random(int.from_bytes(blake2b(key, digest_size=8).digest(), "big"))


def code(number: int) -> str:
    """A short word for a whole number, different for each.

    >>> code(0), code(19), code(20), code(123_456)
    ('b', 'z', 'cb', 'tlqv')
    """
    word = _LETTERS[number % 20]
    while number := number // 20:
        word = _LETTERS[number % 20] + word
    return word


def poisson(chance: Random, mean: float) -> int:
    """How often something happens that happens ``mean`` times on average."""
    left, count = exp(-mean), 0
    product = chance.random()
    while product > left:
        product *= chance.random()
        count += 1
    return count


def wait(chance: Random, mean: float) -> float:
    """How long until something happens that happens every ``mean`` on average."""
    return -mean * log(1.0 - chance.random())


def around(chance: Random, median: float, sigma: float) -> float:
    """A positive number around ``median``, log-normal."""
    return median * exp(sigma * chance.gauss(0.0, 1.0))


def between(chance: Random, low: float, high: float) -> float:
    """Any number from ``low`` up to ``high``."""
    return low + (high - low) * chance.random()


def pick(chance: Random, options: Sequence[T]) -> T:
    """One of ``options``, each as likely."""
    return options[int(chance.random() * len(options))]


def pick_by(chance: Random, options: Sequence[T], cumulative: Sequence[float]) -> T:
    """One of ``options`` by the running sums of their weights."""
    return options[bisect_right(cumulative, chance.random() * cumulative[-1], hi=len(options) - 1)]


def zipf(count: int, steepness: float) -> list[float]:
    """Running sums of the weights ``1 / rank ** steepness``: a few are chosen often, many rarely."""
    return list(accumulate((rank + 1) ** -steepness for rank in range(count)))
