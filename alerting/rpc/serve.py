"""The form of everything that serves a call."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from alerting.rpc.callers import Context, Tenants

Serve: TypeAlias = Callable[[bytes, Context, Tenants], Awaitable[bytes | None]]
"""Serves a call: its message, its context, and the tenants that its caller may act for.

What takes a stream gets no message and reads through the context; what gives a stream writes there.
"""
