"""Positions and distances on Earth: pure functions, no payments, no thresholds, no I/O."""

from geo.position import Position

__all__ = ["Position"]
