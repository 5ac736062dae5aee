"""Frames from a watched folder: taken once they are whole, set aside with a reason where they are none."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from emgen.copilot.header import Header
from emgen.copilot.intake import Intake, Taken
from emgen.copilot.journal import Arrival, Journal, passes
from emgen.copilot.readable import HangingReaderError
from emgen.copilot.stalls import NoRoomForItError, StalledError, told_of_journal
from emgen.copilot.watch import Arrival as Seen
from emgen.copilot.watch import arrivals, has_changed
from emgen.errors import DataError

ORIGIN = "folder"
_FIRST_RETRY_S = 0.25
_LATER_S = 30.0
"""How often a file is tried again that is set aside because it cannot be copied now."""


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
        stalled: Callable[[StalledError], Awaitable[None]],
        tell: Callable[[str], None],
    ) -> None:
        self._folder, self._journal, self._intake = folder, journal, intake
        self._poll, self._settle_s, self._grace_s, self._suffixes = poll, settle_s, grace_s, suffixes
        self._taken, self._refused, self._stalled, self._tell = taken, refused, stalled, tell
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

    def _arrival(self, path: Path, size: int | None, modified: int | None) -> Arrival:
        return Arrival(ORIGIN, _text(path.relative_to(self._folder).as_posix()), size, modified)

    async def _take(self, seen: Seen) -> None:
        error = await self._tried(seen)
        if error is not None:
            retry = asyncio.create_task(self._again(seen, error))
            self._retries.add(retry)
            retry.add_done_callback(self._given_up)

    def _given_up(self, retry: asyncio.Task[None]) -> None:
        self._retries.discard(retry)
        if not retry.cancelled() and (error := retry.exception()) is not None:
            self._tell(f"a file of {self._folder} is taken after a restart only ({type(error).__name__}: {error})")

    async def _tried(self, seen: Seen) -> Exception | None:
        """Why the file cannot be taken; ``None`` where it is. While nothing can be written it waits."""
        noticed = time.time()
        arrival = self._arrival(seen.path, seen.size, seen.mtime_ns)
        header = Header(name=_text(seen.path.name))
        while True:
            try:
                taken = await asyncio.to_thread(self._intake.take_file, seen.path, arrival, header, seen.closed_at)
            except (DataError, OSError, NoRoomForItError) as error:
                return error
            except StalledError as error:
                await self._stalled(error)
                continue
            if not taken.is_known:
                now = time.time()
                self._taken(taken, {"notice": max(0.0, noticed - seen.closed_at), "take in": now - noticed})
            return None

    async def _again(self, seen: Seen, error: Exception) -> None:
        """A file may pause while it is written: only one that stays as it is and is refused to the end is set aside.

        One that changes comes again by itself. What cannot be copied (a share that is away, a file that somebody
        locks) is no bad micrograph: it is told, and tried now and then until it can be.
        """
        wait, is_told, found = _FIRST_RETRY_S, False, await self._unless_gone(seen, error)
        has_grace = self._is_ours(seen) and not isinstance(error, HangingReaderError)
        until = time.monotonic() + (self._grace_s if has_grace else 0)
        while found is not None:
            if not is_told and (time.monotonic() >= until or isinstance(found, FileNotFoundError)):
                await self._set_aside(seen, found)
                is_told = True
                if isinstance(found, DataError | FileNotFoundError):
                    return
            await asyncio.sleep(_LATER_S if is_told else wait)
            wait = min(2 * wait, 2.0)
            if await asyncio.to_thread(has_changed, seen):
                return
            found = await self._unless_gone(seen, await self._tried(seen))
            if is_told and isinstance(found, FileNotFoundError):
                return

    async def _unless_gone(self, seen: Seen, error: Exception | None) -> Exception | None:
        """A file that is away with its folder is not deleted."""
        if isinstance(error, FileNotFoundError) and not await asyncio.to_thread(seen.path.parent.is_dir):
            return OSError(f"{seen.path.parent} is away")
        return error

    async def _set_aside(self, seen: Seen, error: Exception) -> None:
        """Only what was read and is none is known from now on; all else is looked at again after a restart."""
        is_none = isinstance(error, DataError)
        arrival = self._arrival(seen.path, *((seen.size, seen.mtime_ns) if is_none else (None, None)))
        is_gone = isinstance(error, FileNotFoundError)
        reason = "deleted or renamed before it could be read" if is_gone else _text(str(error))
        while True:
            try:
                await asyncio.to_thread(self._journal.refuse, arrival, reason)
            except sqlite3.OperationalError as full:
                if not passes(full):
                    raise
                await self._stalled(told_of_journal(full, self._journal.path))
            else:
                self._refused()
                return

    def _is_ours(self, seen: Seen) -> bool:
        """Whether any reader opens such files; waiting does not help where none does."""
        return any(seen.path.name.lower().endswith(suffix) for suffix in self._suffixes)


def _text(name: str) -> str:
    """File names of another system may hold bytes that are no text, which neither journal nor page can take."""
    return os.fsencode(name).decode("utf-8", "replace")
