"""Permission to change something, asked for right before each change: a replica that no longer leads must not act."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

Fence: TypeAlias = Callable[[], Awaitable[None]]
"""Returns where this process may change something now; raises `errors.NotLeading` where it may not."""


async def unfenced() -> None:
    """Allow every change: the fence of a process that takes part in no election."""
