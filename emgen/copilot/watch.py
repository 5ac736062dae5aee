"""Files that arrive in a folder, each as soon as it is whole.

A file is whole when its size and time of last change have stayed for ``settle_s``: what acquisition software writes
carries no other sign. The file system's events say when to look; a timer of each file's own says when it has settled,
so neighbours that are still being written delay nothing, and the cost of an event does not grow with the folder. Events
can be lost (a queue that overflows), so the folder is looked through now and then as well. Network shares send no
events: polling looks through the names often, and at the state of new and young files only.
"""

from __future__ import annotations

import asyncio
import heapq
import os
import stat
import time
from collections.abc import AsyncGenerator, Callable, Collection, Container
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path

from emgen.copilot.client import is_temporary

State = tuple[int, int]
"""Size in bytes and time of last change in ns."""

_GUARD_S = 1.0  # how often it is looked whether the folder itself is still there
_YOUNG_S = 60.0  # polling looks this long for changes of a file that was taken for whole
_RECENT_S = 2.0  # an event is no older
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Arrival:
    """A whole file.

    closed_at: when it was last written, in unix seconds: the file's own time where that can be right, else when the
        change was noticed (a copy keeps the time of its original; a server's clock may differ).
    """

    path: Path
    size: int
    mtime_ns: int
    closed_at: float


def has_changed(arrival: Arrival) -> bool:
    """Since it was found; what is gone has not."""
    try:
        about = os.stat(arrival.path)
    except OSError:
        return False
    return (about.st_size, about.st_mtime_ns) != (arrival.size, arrival.mtime_ns)


async def arrivals(
    folder: Path,
    *,
    poll: bool = False,
    settle_s: float = 0.2,
    suffixes: Collection[str] | None = None,
    known: Callable[[Path, int, int], bool] = lambda path, size, mtime_ns: False,
    subfolders: bool = False,
    rescan_s: float = 30.0,
    poll_s: float = 0.25,
    tell: Callable[[str], None] = lambda line: None,
) -> AsyncGenerator[Arrival, None]:
    """Whole files of ``folder``, those that lie there first, oldest first; without end.

    A file that changes later comes again; hidden and temporary names never come. A folder that is away is waited for
    and told. Where the system grants no events, it polls and tells.

    poll: look through the folder every ``poll_s`` (less often where that takes long) instead of asking for events.
    suffixes: lower case with the dot; ``None``: all files. subfolders: also below the folder.
    known: path, size, mtime_ns of a file: whether it was dealt with in an earlier run. Called on the event loop.
    rescan_s: how often the folder is looked through for lost events; less often where that takes long.
    """
    watcher = _Watcher(folder, poll, settle_s, suffixes, known, subfolders, rescan_s, poll_s, tell)
    async with aclosing(watcher.run()) as found:
        async for arrival in found:
            yield arrival


@dataclass(slots=True)
class _Candidate:
    state: State
    due: float  # time.monotonic()
    closed_at: float


class _Settling:
    """Files that may still be written, each with the time when it is to be looked at again."""

    def __init__(self) -> None:
        self._candidates: dict[str, _Candidate] = {}
        self._queue: list[tuple[float, int, str]] = []  # due, mtime_ns, name; outdated entries are passed over

    def get(self, name: str) -> _Candidate | None:
        return self._candidates.get(name)

    def put(self, name: str, candidate: _Candidate) -> None:
        self._candidates[name] = candidate
        heapq.heappush(self._queue, (candidate.due, candidate.state[1], name))

    def drop(self, name: str) -> None:
        self._candidates.pop(name, None)

    def next_due(self) -> float | None:
        while self._queue and not self._holds(self._queue[0]):
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    def take_due(self, now: float) -> list[tuple[str, _Candidate]]:
        """At most a batch."""
        taken: list[tuple[str, _Candidate]] = []
        while len(taken) < _BATCH and (due := self.next_due()) is not None and due <= now:
            _, _, name = heapq.heappop(self._queue)
            taken.append((name, self._candidates.pop(name)))
        return taken

    def _holds(self, entry: tuple[float, int, str]) -> bool:
        candidate = self._candidates.get(entry[2])
        return candidate is not None and (candidate.due, candidate.state[1]) == entry[:2]


class _Watcher:
    """Names are relative to the folder. ``_seen`` holds the state of each file that is dealt with."""

    def __init__(
        self,
        folder: Path,
        poll: bool,
        settle_s: float,
        suffixes: Collection[str] | None,
        known: Callable[[Path, int, int], bool],
        subfolders: bool,
        rescan_s: float,
        poll_s: float,
        tell: Callable[[str], None],
    ) -> None:
        self._folder, self._poll, self._settle_s = folder, poll, settle_s
        self._suffixes = None if suffixes is None else tuple(suffixes)
        self._known, self._subfolders, self._tell = known, subfolders, tell
        self._rescan_s, self._poll_s = rescan_s, poll_s
        self._settling = _Settling()
        self._seen: dict[str, State] = {}
        self._young: dict[str, float] = {}
        self._touched: dict[str, float] = {}  # when it was heard: others may be served before, which takes its time
        self._woken, self._look_now = asyncio.Event(), asyncio.Event()
        self._looked_at, self._is_away = 0.0, False

    async def run(self) -> AsyncGenerator[Arrival, None]:
        work = [asyncio.create_task(self._look_through())]
        if not self._poll:
            work.append(asyncio.create_task(self._listen()))
        for task in work:
            task.add_done_callback(lambda task: self._woken.set())
        try:
            while True:
                self._woken.clear()
                for task in work:
                    if task.done():
                        task.result()  # a fault of the watcher's own is not to pass for a quiet folder
                await self._notice_touched()
                for arrival in await self._settled():
                    yield arrival
                await _until(self._woken, self._settling.next_due())
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    async def _settled(self) -> list[Arrival]:
        due = self._settling.take_due(time.monotonic())
        states = await self._states([name for name, _ in due])
        found = []
        for (name, candidate), state in zip(due, states, strict=True):
            if state == candidate.state:
                self._settling.drop(name)  # a look may have found it again meanwhile
                self._seen[name] = state
                self._young[name] = time.monotonic()
                found.append(Arrival(self._folder / name, *state, candidate.closed_at))
            else:
                self._notice(name, state)
        return found

    async def _notice_touched(self) -> None:
        heard, self._touched = self._touched, {}
        for (name, at), state in zip(heard.items(), await self._states(list(heard)), strict=True):
            self._notice(name, state, heard_at=at)

    def _notice(
        self, name: str, state: State | None, heard_at: float | None = None, since: float | None = None
    ) -> None:
        """``heard_at``: unix time of an event; ``since``: of the look before this one, for what a look found."""
        if state is None:
            self._settling.drop(name)
            self._seen.pop(name, None)
            return
        if self._seen.get(name) == state:
            return
        if self._known(self._folder / name, *state):
            self._seen[name] = state
            return
        before, now, mtime = self._settling.get(name), time.time(), state[1] / 1e9
        age = now - mtime
        # On a local POSIX disk a write sets the time at once; elsewhere it may come late, or from another clock.
        is_timely = os.name == "posix" and not self._poll and -0.01 <= age < _RECENT_S
        is_timely &= since != 0.0  # at the start all wait alike, so that the order is kept
        if before and before.state == state and (is_timely or heard_at is None):
            return
        noticed_at = now if heard_at is None else heard_at
        earliest = noticed_at - _RECENT_S if since is None else since
        closed_at = mtime if earliest <= mtime <= now else noticed_at
        due = time.monotonic() + self._settle_s - (max(age, 0.0) if is_timely else 0.0)
        self._settling.put(name, _Candidate(state, due, closed_at))

    async def _states(self, names: list[str]) -> list[State | None]:
        """In a thread: a share that hangs must not hold the service."""
        if not names:
            return []
        return await asyncio.to_thread(lambda: [self._state(name) for name in names])

    def _state(self, name: str) -> State | None:
        try:
            about = os.stat(self._folder / name)
        except OSError:
            return None
        return (about.st_size, about.st_mtime_ns) if stat.S_ISREG(about.st_mode) else None

    async def _look_through(self) -> None:
        """Finds what no event told: all at the start, then what was lost; with ``poll`` everything."""
        full_at = 0.0
        if not self._poll:
            await self._look_now.wait()  # until events are kept: looked at before, a file could slip in between
        while True:
            self._look_now.clear()
            began, is_full = time.monotonic(), time.monotonic() >= full_at or not self._poll
            took_s = await self._look(is_full)
            if is_full:
                full_at = began + max(self._rescan_s, 50 * took_s)
            wait_s = max(self._poll_s, 4 * took_s) if self._poll else max(self._rescan_s, 50 * took_s)
            if self._is_away:
                full_at, wait_s = 0.0, min(wait_s, _GUARD_S)
            await _until(self._look_now, time.monotonic() + wait_s)

    async def _look(self, is_full: bool) -> float:
        """Returns seconds. What is dealt with and not young is passed over unless ``is_full``."""
        began, since = time.monotonic(), self._looked_at
        self._young = {name: at for name, at in self._young.items() if began - at < _YOUNG_S} if self._poll else {}
        settled = self._seen.keys() - self._young.keys()
        started_at = time.time()
        try:
            found = await asyncio.to_thread(self._scan, frozenset() if is_full else settled)
        except OSError as error:
            if not self._is_away:
                self._tell(f"{self._folder} cannot be looked into ({error}). Waiting for it.")
            self._is_away = True
            return time.monotonic() - began
        if self._is_away:
            self._tell(f"{self._folder} is there again.")
        self._is_away, self._looked_at = False, started_at
        took_s = time.monotonic() - began
        for name in settled - found.keys() if is_full else ():  # deleted; what was settled since is not in question
            self._seen.pop(name, None)
        for count, name in enumerate(sorted(found, key=lambda name: found[name][1])):
            self._notice(name, found[name], since=since)
            if count % _BATCH == 0:  # ``known`` may ask a data base, and the service has others to serve
                self._woken.set()
                await asyncio.sleep(0)
        self._woken.set()
        return took_s

    def _scan(self, passed_over: Container[str], below: str = "") -> dict[str, State]:
        """State by name. Raises ``OSError`` where the folder itself is away."""
        found: dict[str, State] = {}
        with os.scandir(self._folder / below) as entries:
            for entry in entries:
                name = f"{below}/{entry.name}" if below else entry.name
                if name in passed_over or is_temporary(entry.name):
                    continue
                with suppress(OSError):  # gone since
                    if self._subfolders and entry.is_dir(follow_symlinks=False):
                        found |= self._scan(passed_over, name)
                    elif self._is_wanted(name) and stat.S_ISREG((about := entry.stat()).st_mode):
                        found[name] = about.st_size, about.st_mtime_ns
        return found

    def _is_wanted(self, name: str) -> bool:
        parts = name.split("/")
        is_right_place = self._subfolders or len(parts) == 1
        is_right_kind = self._suffixes is None or name.lower().endswith(self._suffixes)
        return is_right_place and is_right_kind and not any(map(is_temporary, parts))

    async def _listen(self) -> None:
        """Asks for the folder's events, anew each time that another folder stands in its place (a share comes back)."""
        while True:
            identity = await asyncio.to_thread(_identity, self._folder)
            listening = asyncio.create_task(self._hear()) if identity else None
            await asyncio.sleep(0)  # from here on events are kept, so what the next look misses comes as one
            self._look_now.set()
            try:
                while await asyncio.to_thread(_identity, self._folder) == identity:
                    if listening and listening.done():
                        self._tell(f"{self._folder} sends no events ({listening.exception()}). Polling instead.")
                        self._poll = True
                        self._look_now.set()
                        return
                    await asyncio.sleep(_GUARD_S)
            finally:
                if listening:
                    listening.cancel()
                    await asyncio.gather(listening, return_exceptions=True)

    async def _hear(self) -> None:
        from watchfiles import Change, awatch

        # The step is a wait of its own: well below the time to settle it adds nothing, as that counts from the write.
        step_ms = max(5, min(25, int(self._settle_s * 100)))
        base = os.path.realpath(self._folder)
        async for changes in awatch(
            base, watch_filter=None, debounce=2 * step_ms, step=step_ms, recursive=self._subfolders, force_polling=False
        ):
            for change, path in changes:
                name = os.path.relpath(path, base).replace(os.sep, "/")
                if self._subfolders and change is Change.added and os.path.isdir(path):
                    self._look_now.set()  # what came with a folder sends no events
                elif self._is_wanted(name):
                    self._touched[name] = time.time()
            self._woken.set()


def _identity(folder: Path) -> State | None:
    """Tells one folder from another of the same name; ``None``: there is none."""
    try:
        about = os.stat(folder)
    except OSError:
        return None
    return (about.st_dev, about.st_ino) if stat.S_ISDIR(about.st_mode) else None


async def _until(event: asyncio.Event, due: float | None) -> None:
    """Waits for the event, at most to the monotonic time ``due``."""
    with suppress(TimeoutError):
        async with asyncio.timeout(None if due is None else max(0.0, due - time.monotonic())):
            await event.wait()
