"""What all browsers look at, worked out once however many there are."""

from __future__ import annotations

import asyncio
import importlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emgen.copilot.page.numbers import count
from emgen.copilot.service import Service
from emgen.copilot.sizes import Sizes
from emgen.writing.overlay import BAR_SHARE, length_text, round_length

_KEPT = 64
"""Frames whose distribution is kept: what is shown is mostly the newest, and its neighbours while one looks back."""
SET_ASIDE = 100
"""Rows of the lists; the newest are shown."""


@dataclass(frozen=True, slots=True)
class Frame:
    """An answered frame: its row of the journal and its size distribution."""

    row: Mapping[str, Any]
    sizes: Sizes | None

    @property
    def number(self) -> int:
        return int(self.row["id"])

    @property
    def at(self) -> float:
        """Where it stands on the time axis; seconds since 1970."""
        return float(self.row["closed_at"] or self.row["received_at"])


@dataclass(frozen=True, slots=True)
class Board:
    """The session as it stands: ``Service.session``, its lines against time, and its lists."""

    session: Mapping[str, Any]
    trend: Mapping[str, list[float | None]]
    set_aside: list[dict[str, Any]]
    marked: list[dict[str, Any]]
    models: list[dict[str, Any]]
    adaptation: Mapping[str, Any] | None


class Facts:
    """Reads the journal in threads, so that no browser holds up another."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._board: tuple[int, Board] | None = None
        self._sizes: OrderedDict[int, Sizes | None] = OrderedDict()
        self._lock = asyncio.Lock()

    async def warm_up(self) -> None:
        """Imports what tables are read with, which takes a second or two; the first frame should not wait for it."""
        await asyncio.to_thread(importlib.import_module, "pandas")
        await asyncio.to_thread(importlib.import_module, "pyarrow")

    async def board(self) -> Board:
        """Of now."""
        async with self._lock:
            seen = self.service.news.count
            if self._board is None or self._board[0] != seen:
                self._board = seen, await asyncio.to_thread(self._look)
            return self._board[1]

    def _look(self) -> Board:
        service = self.service
        adaptation = getattr(service, "adaptation", None)
        session = service.session()
        return Board(
            session=session,
            trend=service.trend[session["unit"]].told(),
            set_aside=service.journal.set_aside(SET_ASIDE),
            marked=service.journal.marked()[-SET_ASIDE:],
            models=service.journal.models(),
            adaptation=None if adaptation is None else adaptation.told(),
        )

    async def last(self) -> int | None:
        """The newest answered frame."""
        return await asyncio.to_thread(self.service.journal.last_answered)

    async def near(self, frame: int) -> int | None:
        """The answered frame at a number or before it, else the first after it."""
        return await asyncio.to_thread(self._near, frame)

    def _near(self, frame: int) -> int | None:
        journal = self.service.journal
        before = journal.neighbour(frame + 1, -1)
        return before if before is not None else journal.neighbour(frame, 1)

    async def stepped(self, frame: int, by: int) -> int | None:
        """So many answered frames on from ``frame``; as far as there are any."""
        return await asyncio.to_thread(self._stepped, frame, by)

    def _stepped(self, frame: int, by: int) -> int | None:
        at: int | None = frame
        for _ in range(abs(by)):
            if (after := self.service.journal.neighbour(frame, by)) is None:
                return at
            at = frame = after
        return at

    async def frame(self, number: int) -> Frame | None:
        """``None`` where it is not answered."""
        return await asyncio.to_thread(self._frame, number)

    def _frame(self, number: int) -> Frame | None:
        row = self.service.journal.frame(number)
        if row is None or row["state"] != "done":
            return None
        if number not in self._sizes:
            self._sizes[number] = self.service.sizes_of(number)
            while len(self._sizes) > _KEPT:
                self._sizes.popitem(last=False)
        return Frame(row, self._sizes.get(number))


def picture_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the browser draws of a frame; lengths in px of the micrograph.

    The scale bar's length is a round number of nm, or of px where the pixel size is unknown.
    """
    frame, width, size = row["id"], row["width"], row["pixel_size_nm"]
    unit, length_px = ("nm", size) if size else ("px", 1.0)
    length = round_length(width * length_px * BAR_SHARE)
    return {
        "key": f"{frame}-{row['answered_at']}",
        "frame": frame,
        "picture": f"/frames/{frame}/picture.jpg",
        "contours": f"/frames/{frame}/contours.png",
        "width": width,
        "height": row["height"],
        "bar": length / length_px,
        "bar_text": length_text(length, unit),
    }


def label_of(row: Mapping[str, Any]) -> str:
    """What is read out in place of the picture."""
    return f"Micrograph {row['name']}, {count(row['particles'], 'particle')} outlined"
