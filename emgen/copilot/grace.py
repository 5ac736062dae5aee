"""Files that have settled, but may not be complete: a writer that pauses for long is given time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from emgen.copilot.watch import Arrival, has_changed

if TYPE_CHECKING:
    from emgen.host import Host

_WAITS_S = (0.25, 2.0)
"""Between two looks at a file: at first, and at most."""


class _Late:
    """A file that no reader accepts so far."""

    def __init__(self, arrival: Arrival, grace_s: float) -> None:
        self.arrival, self._wait_s = arrival, _WAITS_S[0]
        self._until = time.monotonic() + grace_s
        self.postpone()

    def postpone(self) -> None:
        self.due = min(time.monotonic() + self._wait_s, self._until)
        self._wait_s = min(2 * self._wait_s, _WAITS_S[1])

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._until


async def complete(found: AsyncGenerator[Arrival], grace_s: float) -> AsyncGenerator[Arrival]:
    """``found``, each file once a reader accepts it. One that none does comes after ``grace_s`` as it is.

    It holds up no other; if it changes meanwhile, it is left to ``found``, which hands it out again.
    """
    judge = await asyncio.to_thread(_Judge)
    late: list[_Late] = []
    coming = asyncio.ensure_future(anext(found))
    try:
        while True:
            due = min((one.due for one in late), default=None)
            await asyncio.wait({coming}, timeout=None if due is None else max(0.0, due - time.monotonic()))
            if coming.done():
                arrival = coming.result()
                coming = asyncio.ensure_future(anext(found))
                if await asyncio.to_thread(judge.is_final, arrival):
                    yield arrival
                else:
                    late.append(_Late(arrival, grace_s))
            for one in [one for one in late if one.due <= time.monotonic()]:
                if await asyncio.to_thread(has_changed, one.arrival):
                    late.remove(one)
                elif one.is_over or await asyncio.to_thread(judge.is_final, one.arrival):
                    late.remove(one)
                    yield one.arrival
                else:
                    one.postpone()
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


class _Judge:
    """Slow to make, as the readers are looked for: in a thread."""

    def __init__(self) -> None:
        from emgen.data.opening import suffixes_of
        from emgen.host import load_host

        self._host: Host = load_host()
        self._suffixes = tuple(suffixes_of(self._host))

    def is_final(self, arrival: Arrival) -> bool:
        """Whether waiting would change nothing: a reader accepts it, none here opens such files, or one hangs."""
        from emgen.copilot.readable import HangingReaderError, readable_frames
        from emgen.errors import DataError

        if not arrival.path.name.lower().endswith(self._suffixes):
            return True
        try:
            readable_frames(arrival.path, self._host)
        except HangingReaderError:
            return True
        except (DataError, OSError):
            return False
        return True
