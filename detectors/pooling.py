"""The models that shards have in common: how each tells what it learned, and merges what others did.

A model takes part by being a :class:`Pooled`. Its delta is what it learned from its own shard's payments
since the last one, never what came from elsewhere, so nothing is counted twice; merging deltas of different
shards commutes. What was only *counted* and what was *learned* as normal keep apart: law 5 holds for what is
merged because it held where it was learned.

==============  ==========================================================================================
``entities``    of merchants and categories: see :mod:`detectors.entity_delta`
``population``  norms: moments, means and rhythm likewise; calibrators: masses, faded to one time, add
``joint``       the vectors themselves, 16 bits a number: masses of half-space trees add within a window (Tan,
                Ting and Liu 2011), but windows of different shards begin at different moments; so each shard
                counts all vectors in its own windows, which stay of one size
==============  ==========================================================================================

Users, cards and devices are not pooled: a user has one shard, and a card or device has one user, or few, as a
rule. A device that pays for users of many shards is seen by each for its own users only.
"""

import struct
from collections.abc import Callable
from typing import Final, Protocol

from detectors.entity_delta import EntityDelta, sum_up, unpack_deltas
from detectors.fresh import Fresh, vectors_of
from detectors.joint_model import SIZE, JointModel
from detectors.population import Population
from detectors.population_learning import merge_population

PIECE: Final = 100_000
"""A delta is told in pieces of about this many bytes, each of use without the others."""
Merge = Callable[[], None]


class Pooled(Protocol):
    """A model that shards have in common."""

    @property
    def name(self) -> str:
        """Under which its deltas are told."""
        ...

    def tell(self, fresh: Fresh) -> list[bytes]:
        """What was learned since the last time, in pieces; none where nothing was."""
        ...

    def read(self, delta: bytes) -> Merge:
        """What merges a delta of another shard: it is checked as a whole before anything changes.

        Raises
        ------
        ValueError
            When it is not one that :meth:`tell` could give.
        """
        ...


class PooledEntities:
    """The profiles of merchants and categories.

    Parameters
    ----------
    merge
        Merges a delta into the profile of that name.
    """

    name: Final = "entities"

    def __init__(self, merge: Callable[[str, EntityDelta], None]) -> None:
        self._merge = merge

    def tell(self, fresh: Fresh) -> list[bytes]:
        """See :meth:`Pooled.tell`."""
        pieces: list[bytes] = []
        piece: list[bytes] = []
        length = 0
        for name, delta in sum_up(fresh.lessons).items():
            packed = delta.pack(name)
            if piece and length + len(packed) > PIECE:
                pieces.append(b"".join(piece))
                piece, length = [], 0
            piece.append(packed)
            length += len(packed)
        return [*pieces, b"".join(piece)] if piece else []

    def read(self, delta: bytes) -> Merge:
        """See :meth:`Pooled.read`."""
        deltas = list(unpack_deltas(delta))

        def merge() -> None:
            for name, one in deltas:
                self._merge(name, one)

        return merge


class PooledPopulation:
    """The norms of all users and the calibrators."""

    name: Final = "population"

    def __init__(self, population: Population) -> None:
        self._population = population

    def tell(self, fresh: Fresh) -> list[bytes]:
        """See :meth:`Pooled.tell`."""
        return [fresh.population.pack()]

    def read(self, delta: bytes) -> Merge:
        """See :meth:`Pooled.read`."""
        try:
            other = Population.unpack(delta)
        except (LookupError, ArithmeticError, struct.error) as error:
            raise ValueError(f"population delta: can't be read: {error}") from None
        if not other.is_sound():
            raise ValueError("population delta: has numbers that no payments give")
        return lambda: merge_population(self._population, other)


class PooledJoint:
    """The half-space trees."""

    name: Final = "joint"

    def __init__(self, joint: JointModel) -> None:
        self._joint = joint

    def tell(self, fresh: Fresh) -> list[bytes]:
        """See :meth:`Pooled.tell`."""
        vectors = b"".join([lesson.vector for lesson in fresh.lessons])
        step = PIECE // _VECTOR * _VECTOR
        return [vectors[at : at + step] for at in range(0, len(vectors), step)]

    def read(self, delta: bytes) -> Merge:
        """See :meth:`Pooled.read`."""
        if len(delta) % _VECTOR:
            raise ValueError(f"joint delta: has {len(delta)} bytes; allowed: multiples of {_VECTOR}")

        def merge() -> None:
            for x in vectors_of(delta, SIZE):
                self._joint.learn(x)

        return merge


_VECTOR: Final = 2 * SIZE
