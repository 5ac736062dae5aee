"""What is to happen to files a moment later, while the next frames are drawn."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count


@dataclass(order=True, slots=True)
class _Deed:
    due: float
    number: int
    do: Callable[[], None] = field(compare=False)
    needed: bool = field(compare=False)


class Deferred:
    """Deeds in the order of their due times (seconds of ``time.monotonic``)."""

    def __init__(self) -> None:
        self._deeds: list[_Deed] = []
        self._numbers = count()

    def after(self, seconds: float, do: Callable[[], None], *, needed: bool = True) -> None:
        """``needed``: done even where the run is stopped before it is due."""
        heapq.heappush(self._deeds, _Deed(time.monotonic() + seconds, next(self._numbers), do, needed))

    def do_due(self) -> None:
        while self._deeds and self._deeds[0].due <= time.monotonic():
            heapq.heappop(self._deeds).do()

    def next_due(self) -> float | None:
        return self._deeds[0].due if self._deeds else None

    def do_needed(self) -> None:
        """All that a stopped run may not leave undone, at once."""
        while self._deeds:
            deed = heapq.heappop(self._deeds)
            if deed.needed:
                deed.do()
