"""Frames from a watched folder: taken once they are whole, set aside with a reason where they are none."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from emgen.copilot.header import Header
from emgen.copilot.intake import DiskFullError, Intake, Taken
from emgen.copilot.journal import Arrival, Journal
from emgen.copilot.watch import Arrival as Seen
from emgen.copilot.watch import arrivals
from emgen.errors import DataError

ORIGIN = "folder"
_FIRST_RETRY_S = 0.25


class Folder:
    """``taken`` is told of each frame that came in, with the seconds it took to notice and to take it in."""

    def __init__(
        self,
        folder: Path,
        journal: Journal,
        intake: Intake,
        *,
        poll: bool,
        settle_s: float,
        grace_s: float,
        suffixes: set[str],
        taken: Callable[[Taken, dict[str, float]], None],
        refused: Callable[[], None],
        disk_full: Callable[[DiskFullError], Awaitable[None]],
        tell: Callable[[str], None],
    ) -> None:
        self._folder, self._journal, self._intake = folder, journal, intake
        self._poll, self._settle_s, self._grace_s, self._suffixes = poll, settle_s, grace_s, suffixes
        self._taken, self._refused, self._disk_full, self._tell = taken, refused, disk_full, tell
        self._retries: set[asyncio.Task[None]] = set()

    async def follow(self) -> None:
        """Until cancelled."""
        found = arrivals(
            self._folder,
            poll=self._poll,
            settle_s=self._settle_s,
            suffixes=None,
            known=lambda path, size, modified: self._journal.is_known(self._arrival(path, size, modified)),
            tell=self._tell,
        )
        async for seen in found:
            await self._take(seen)

    def _arrival(self, path: Path, size: int, modified: int) -> Arrival:
        return Arrival(ORIGIN, path.relative_to(self._folder).as_posix(), size, modified)

    async def _take(self, seen: Seen) -> None:
        error = await self._tried(seen)
        if error is not None:
            retry = asyncio.create_task(self._again(seen, error))
            self._retries.add(retry)
            retry.add_done_callback(self._retries.discard)

    async def _tried(self, seen: Seen) -> DataError | OSError | None:
        """Why the file cannot be taken; ``None`` where it is. On a full disk it waits for room."""
        noticed = time.time()
        arrival = self._arrival(seen.path, seen.size, seen.mtime_ns)
        header = Header(name=seen.path.name)
        while True:
            try:
                taken = await asyncio.to_thread(self._intake.take_file, seen.path, arrival, header, seen.closed_at)
            except DiskFullError as error:
                await self._disk_full(error)
                continue
            except (DataError, OSError) as error:
                return error
            if not taken.is_known:
                now = time.time()
                self._taken(taken, {"notice": max(0.0, noticed - seen.closed_at), "take in": now - noticed})
            return None

    async def _again(self, seen: Seen, error: DataError | OSError) -> None:
        """A file may pause while it is written: only one that stays as it is and is refused to the end is set aside.

        One that changes comes again by itself.
        """
        arrival, wait = self._arrival(seen.path, seen.size, seen.mtime_ns), _FIRST_RETRY_S
        until = time.monotonic() + (self._grace_s if self._is_ours(seen) else 0)
        found: DataError | OSError | None = error
        while found is not None and time.monotonic() < until and not isinstance(found, FileNotFoundError):
            await asyncio.sleep(wait)
            wait = min(2 * wait, 2.0)
            state = _state(seen.path)
            if state is not None and state != (seen.size, seen.mtime_ns):
                return
            found = await self._tried(seen)
        if found is not None:
            reason = "deleted or renamed before it could be read" if _state(seen.path) is None else str(found)
            await asyncio.to_thread(self._journal.refuse, arrival, reason)
            self._refused()

    def _is_ours(self, seen: Seen) -> bool:
        """Whether any reader opens such files; waiting does not help where none does."""
        return any(seen.path.name.lower().endswith(suffix) for suffix in self._suffixes)


def _state(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
