"""Tells all who wait that the journal has something new. What it is stands in the journal: nobody can miss anything."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class News:
    """``await news.wait(seen)`` returns once more than ``seen`` has happened; ``count`` is how much has."""

    def __init__(self) -> None:
        self.count = 0
        self._happened = asyncio.Event()

    def tell(self) -> None:
        """Only from the service's own thread."""
        self.count += 1
        self._happened.set()
        self._happened = asyncio.Event()

    async def wait(self, seen: int, timeout: float | None = None) -> int:
        """``count``; unchanged where ``timeout`` seconds have passed."""
        if self.count == seen:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._happened.wait(), timeout)
        return self.count
