"""Exports of a session, beside the service that goes on with it or without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from emgen.copilot.exports.kinds import KINDS, checked, write_export
from emgen.copilot.exports.session import Session
from emgen.copilot.journal import Journal
from emgen.copilot.places import Places
from emgen.files import make_folder

Heard = Callable[[float], None]


def _ignored(share: float) -> None:
    pass


class Exports:
    """Of a session that a service has open. ``tell`` hears, in a line, what went wrong or was left out.

    Attributes
    ----------
    kinds: file name and what it is, in words.
    """

    kinds = KINDS

    def __init__(self, journal: Journal, places: Places, tell: Callable[[str], None] = lambda line: None) -> None:
        self._journal, self._places, self._tell = journal, places, tell
        self._running: dict[str, tuple[frozenset[int] | None, asyncio.Task[Path]]] = {}
        self._shares: dict[str, float] = {}

    async def make(self, kind: str, *, frames: Iterable[int] | None = None, progress: Heard | None = None) -> Path:
        """The finished file, in the session's ``exports``. ``frames``: only these.

        A kind is made once at a time: whoever asks for the same meanwhile gets the same. It is finished even where who
        asked has gone. ``progress`` is called from another thread, with 0 to 1. Raises ``OutputError``, ``SpecError``.
        """
        chosen = None if frames is None else frozenset(frames)
        checked(kind)
        while (running := self._running.get(kind)) is not None:
            if running[0] == chosen:
                return await asyncio.shield(running[1])
            await asyncio.wait([running[1]])
        task = asyncio.create_task(asyncio.to_thread(self._make, kind, chosen, progress or _ignored))
        self._running[kind] = chosen, task
        self._shares[kind] = 0.0
        task.add_done_callback(lambda task: self._done(kind, task))
        return await asyncio.shield(task)

    def progress(self, kind: str) -> float | None:
        """0 to 1 while it is made."""
        return self._shares.get(checked(kind))

    def path(self, kind: str) -> Path | None:
        """The one that was finished last."""
        path = self._places.exports / checked(kind)
        return path if path.is_file() else None

    def _make(self, kind: str, chosen: frozenset[int] | None, progress: Heard) -> Path:
        def heard(share: float) -> None:
            self._shares[kind] = share
            progress(share)

        return write_export(Session(self._journal, self._places, chosen, heard, self._tell), kind, self._places.exports)

    def _done(self, kind: str, task: asyncio.Task[Path]) -> None:
        self._running.pop(kind, None)
        self._shares.pop(kind, None)
        with suppress(asyncio.CancelledError):
            if (error := task.exception()) is not None:  # also where nobody waits for it any more
                self._tell(f"{kind} could not be made: {error}")


def export_session(
    folder: Path | str,
    kinds: Iterable[str],
    out: Path | str,
    *,
    frames: Iterable[int] | None = None,
    progress: Callable[[str, float], None] = lambda kind, share: None,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Exports of the session in ``folder``, into ``out``; a service may have it open, it is only read.

    ``progress``: kind and 0 to 1. Raises ``OutputError`` where there is no session or ``out`` cannot be written,
    ``SpecError`` for an unknown kind.
    """
    wanted = [checked(kind) for kind in kinds]
    journal = Journal(Path(folder), only_read=True)
    try:
        make_folder(Path(out))
        chosen = None if frames is None else frozenset(frames)
        return [
            write_export(Session(journal, Places(Path(folder)), chosen, partial(progress, kind), tell), kind, Path(out))
            for kind in wanted
        ]
    finally:
        journal.close()
