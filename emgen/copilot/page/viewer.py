"""One browser: what it shows, where in the session it stands, and the tasks that keep it up to date.

Whatever happens, one that looks back is never moved: only its own user does that.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nicegui import ui

from emgen.copilot.news import News
from emgen.copilot.page import distribution
from emgen.copilot.page.actions import Text, attempt, box
from emgen.copilot.page.charting import Chart
from emgen.copilot.page.details import Details, foot_words
from emgen.copilot.page.facts import Board, Facts, Frame
from emgen.copilot.page.header import Header
from emgen.copilot.page.models import ModelMenu
from emgen.copilot.page.notices import Notices
from emgen.copilot.page.numbers_panel import Numbers
from emgen.copilot.page.picture_panel import PicturePanel
from emgen.copilot.page.theme import ThemeButton
from emgen.copilot.page.widgets import Look

LOG = logging.getLogger(__name__)
FRAME_S, BOARD_S, TREND_S = 0.2, 0.25, 1.0
"""Pauses after an update: a frame that comes after one is shown at once, fast ones at most so often."""
_AFTER_FAULT_S = 1.0


class Viewer:
    """Built inside a page function; ``start`` begins to follow the service until the browser is gone."""

    def __init__(self, facts: Facts) -> None:
        self._facts, self._service = facts, facts.service
        self._client = ui.context.client
        self._opened_at = time.time()
        self._last: int | None = None
        """The newest answered frame."""
        self._number: int | None = None
        """The frame that is shown."""
        self._frame: Frame | None = None
        self._board: Board | None = None
        self._is_live, self._left_live_at = True, 0
        self._asked = 0
        self._unshown: dict[int, Mapping[str, Any]] = {}
        """Live frames that were sent and are not on the screen yet."""
        self._build()

    def _build(self) -> None:
        self._theme = ThemeButton(self._redraw)
        self._models = ModelMenu(self._service)
        self._header = Header(self._service, self._models, self._theme)
        self._notices = Notices(self._models, self.look_at, self._resume)
        with box("main", "main"):
            self._picture = PicturePanel(self._service, shown=self._shown, scrub=self.look_at, step=self._step)
            with box("div", "findings"):
                self._numbers = Numbers()
                self._sizes = Chart(distribution.option(None, None), distribution.LABEL)
                self._sizes.classes("sizes")
                with box("section", "details"):
                    self._details = Details(self.look_at)
        with box("footer", "foot"):
            self._counts, self._wait = Text("span"), Text("span")
            Look(self._redraw)

    async def start(self) -> None:
        """Follows the service until the browser is gone."""
        followers = ((self._follow_frames, FRAME_S), (self._follow_board, BOARD_S), (self._follow_trend, TREND_S))
        tasks = [asyncio.create_task(_follow(self._service.news, work, pause)) for work, pause in followers]
        for task in tasks:
            self._client.on_delete(task.cancel)
        await self._theme.recall()

    # What comes by itself.

    async def _follow_frames(self) -> bool:
        last = await self._facts.last()
        if last == self._last:
            return False
        self._last = last
        if self._is_live and last is not None:
            await self._show(last)
        self._show_place()
        return True

    async def _follow_board(self) -> bool:
        board = self._board = await self._facts.board()
        self._header.show(board)
        self._models.show(board)
        self._notices.show(board)
        self._numbers.show_session(board.session["sizes"], board.session["counted_from"])
        self._details.show(board)
        counts, wait = foot_words(board.session)
        self._counts.set_text(counts)
        self._wait.set_text(wait)
        if self._last is None:
            self._picture.show_nothing(board.session["watching"])
        await self._refresh_mark(board)
        self._draw_sizes()
        return True

    async def _refresh_mark(self, board: Board) -> None:
        """Somebody may have marked the frame that is shown."""
        if self._frame is None:
            return
        marks = {row["id"]: row["remark"] for row in board.marked}
        shown, number = self._frame.row, self._frame.number
        if (shown["marked"], shown["remark"]) != (number in marks, marks.get(number)):
            await self._show_facts(number)

    async def _follow_trend(self) -> bool:
        self._draw_trend(await self._facts.board())
        return True

    # What is shown.

    async def _show(self, number: int) -> None:
        """The picture goes out first; its numbers follow."""
        row = await asyncio.to_thread(self._service.journal.frame, number)
        if row is None:
            return
        self._number = number
        self._picture.show_picture(row)
        if self._is_live and row["answered_at"] > self._opened_at:
            self._unshown = {number: row}
        await self._show_facts(number)

    async def _show_facts(self, number: int) -> None:
        frame = await self._facts.frame(number)
        if frame is None or number != self._number:
            return
        self._frame = frame
        self._picture.show_facts(frame)
        self._numbers.show_frame(frame)
        self._draw_sizes()

    def _draw_sizes(self) -> None:
        frame = None if self._frame is None or self._frame.sizes is None else self._frame.sizes.told()
        session = None if self._board is None else self._board.session["sizes"]
        self._sizes.show(distribution.option(frame, session))

    def _draw_trend(self, board: Board) -> None:
        looks_back = not self._is_live and self._frame is not None
        self._details.show_trend(board, self._frame.at if looks_back and self._frame else None)

    def _redraw(self) -> None:
        self._sizes.redraw()
        self._details.redraw()

    def _show_place(self) -> None:
        last = self._last or 0
        fresh = 0 if self._is_live else max(0, last - self._left_live_at)
        self._picture.show_place(self._number or 0, last, self._is_live, fresh)

    def _shown(self, frame: int, visible: bool) -> None:
        """The browser has the picture on its screen. What nobody could see is not measured."""
        row = self._unshown.pop(frame, None)
        if row is None or not visible:
            return
        now = time.time()
        self._service.shown(frame, now - row["answered_at"])
        closed_at = row["closed_at"] or row["received_at"]
        self._service.latency.add({"closed to page": max(0.0, now - closed_at)})

    # What the user asks for.

    async def look_at(self, frame: int) -> None:
        """Shows an answered frame, and stays there."""
        self._asked += 1
        asked = self._asked
        if self._is_live:
            self._is_live, self._left_live_at = False, self._last or 0
        number = await self._facts.near(frame)
        if number is None or asked != self._asked:
            return
        await self._show(number)
        self._show_place()
        if self._board is not None:
            self._draw_trend(self._board)

    async def _step(self, by: int, to: str) -> None:
        if to == "live":
            await self._go_live()
        elif to == "first":
            await self.look_at(1)
        elif self._number is not None:
            number = await self._facts.stepped(self._number, by)
            if number is not None and number != self._number:
                await self.look_at(number)

    async def _go_live(self) -> None:
        self._asked += 1
        self._is_live = True
        if self._last is not None:
            await self._show(self._last)
        self._show_place()
        if self._board is not None:
            self._draw_trend(self._board)

    async def _resume(self) -> None:
        await attempt(self._client, lambda: self._service.pause(False))


async def _follow(
    news: News, work: Callable[[], Awaitable[bool]], pause_s: float, rest_s: float = _AFTER_FAULT_S
) -> None:
    """Does ``work`` whenever there is news; where it did something it rests. A fault does not end it."""
    while True:
        seen = news.count
        try:
            if await work():
                await asyncio.sleep(pause_s)
        except Exception:
            LOG.exception("the page could not be brought up to date")
            await asyncio.sleep(rest_s)
        await news.wait(seen)
