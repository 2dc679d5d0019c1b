"""A joint look at all features: River's half-space trees.

The trees are shared by all users of a shard. A score depends only on the masses of the last full window,
so the state is those masses plus the vectors learned since: little to write after each payment.

Errors: :class:`JointModelError`, a ``ValueError``, when stored masses belong to other trees.
"""

import struct
from array import array
from collections.abc import Callable
from importlib.metadata import version
from math import isfinite
from typing import Final

from river.anomaly import HalfSpaceTrees

from detectors.compiled_trees import CompiledTrees
from detectors.tokens import check_version

TREES: Final = 10
HEIGHT: Final = 6
WINDOW: Final = 512
SEED: Final = 20_260_101
CHUNK: Final = 32
SIZE: Final = 12
"""How many numbers a vector has, see ``detectors.features.joint_vector``."""
_RIVER: Final = version("river")
_HEADER = struct.Struct("<BBBHIHI8sI")
_FIRST_HEADER = struct.Struct("<BBBHIHI8s")
"""Of the first version, which knew its trees by the version of River alone."""
_TAIL = struct.Struct("<I")
_VERSION: Final = 2
_FIRST: Final = 1


class JointModelError(ValueError):
    """The stored joint model was learned on other trees than this version builds."""


class JointModel:
    """Half-space trees over vectors of ``size`` numbers in 0..1; scores 0 until a first full window.

    Stored in parts: ``"base"`` holds the masses of the last full window, ``"tail/<k>"`` the k-th 32 vectors
    learned since, headed by the number of the window they follow. Masses mean nothing without the trees they
    were counted on, and River builds those from the seed. So a base names its trees: another version of River
    that builds the same ones goes on with it, and one that builds others is refused, because a model that
    quietly began anew would decide otherwise than the log says.
    """

    __slots__ = ("_compiled", "_dirty", "_epoch", "_learned", "_nodes", "_ready", "_size")

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        trees = HalfSpaceTrees(n_trees=TREES, height=HEIGHT, window_size=WINDOW, seed=SEED)
        # River builds the trees at the first vector, which counts nowhere else.
        trees.learn_one(dict.fromkeys(range(size), 0.5))  # type: ignore[no-untyped-call]
        self._nodes = [
            node
            for tree in trees.trees
            for node in tree.iter_dfs()  # type: ignore[no-untyped-call]
        ]
        self._compiled = CompiledTrees(trees, size)
        self._learned = array("d")
        self._epoch = 0
        self._ready = False
        self._dirty: set[int] = set()

    def score(self, x: tuple[float, ...]) -> float:
        """How isolated ``x`` is: 0 (in the crowd, or not known yet) to 1."""
        return self._compiled.score(x) if self._ready else 0.0

    def learn(self, x: tuple[float, ...]) -> None:
        """Learn a vector; what is not finite is refused."""
        if not all(map(isfinite, x)):
            return
        self._compiled.learn(x)
        learned = len(self._learned) + self._size
        if learned == WINDOW * self._size:
            self._epoch += 1
            self._compiled.end_window()
            self._ready = True
            del self._learned[:]
            self._dirty = {-1}
        else:
            self._dirty.add(len(self._learned) // (CHUNK * self._size))
            self._learned.extend(x)

    def dirty_parts(self) -> list[tuple[str, bytes]]:
        """The parts that changed since the last call, by name."""
        parts = []
        for chunk in sorted(self._dirty):
            if chunk < 0:
                parts.append(("base", self._pack_base()))
            else:
                span = CHUNK * self._size
                vectors = self._learned[chunk * span : (chunk + 1) * span]
                parts.append((f"tail/{chunk}", _TAIL.pack(self._epoch) + vectors.tobytes()))
        self._dirty.clear()
        return parts

    @classmethod
    def load(cls, get: Callable[[str], bytes | None], size: int = SIZE) -> "JointModel":
        """The model whose parts ``get`` returns; continues exactly as if it had never stopped.

        Raises
        ------
        JointModelError
            When the parts belong to other trees.
        """
        self = cls(size)
        base = get("base")
        if base is not None:
            self._unpack_base(base)
        for chunk in range(WINDOW // CHUNK):
            tail = get(f"tail/{chunk}")
            if tail is None or _TAIL.unpack_from(tail)[0] != self._epoch:
                break
            vectors = array("d", tail[_TAIL.size :])
            for at in range(0, len(vectors), size):
                self.learn(tuple(vectors[at : at + size]))
        self._dirty.clear()
        return self

    def _pack_base(self) -> bytes:
        masses = array("H", [int(node.r_mass) for node in self._nodes])
        return self._header() + masses.tobytes()

    def _unpack_base(self, packed: bytes) -> None:
        version, *_, self._epoch, river = _FIRST_HEADER.unpack_from(packed)
        check_version("joint model", version, _FIRST, _VERSION)
        own = self._header()
        if version == _FIRST:
            size = _FIRST_HEADER.size
            is_alike = packed[1:size] == own[1:size]
        else:
            size = _HEADER.size
            is_alike = _without_river(packed) == _without_river(own)
        if not is_alike:
            wrote = river.rstrip(bytes(1)).decode()
            raise JointModelError(
                f"joint model: stored with River {wrote}, whose trees are not those of River {_RIVER}; "
                "allowed: the River that wrote it, or a new folder with the log replayed"
            )
        for node, mass in zip(self._nodes, array("H", packed[size:]), strict=True):
            node.r_mass = mass
        self._compiled.refresh()
        self._ready = True

    def _header(self) -> bytes:
        river = _RIVER.encode()[:8]
        trees = self._compiled.fingerprint()
        return _HEADER.pack(_VERSION, TREES, HEIGHT, WINDOW, SEED, self._size, self._epoch, river, trees)


def _without_river(header: bytes) -> tuple[int, ...]:
    *shape, _, trees = _HEADER.unpack_from(header)
    return (*shape, trees)
