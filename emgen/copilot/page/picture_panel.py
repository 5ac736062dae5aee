"""The micrograph with what belongs to it: caption, place in the session, contours on or off, mark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from nicegui import ui

from emgen.copilot.page.actions import Text, attempt, box, button
from emgen.copilot.page.facts import Frame, label_of, picture_of
from emgen.copilot.page.numbers import clock, count
from emgen.copilot.page.widgets import Micrograph, Scrubber, set_props
from emgen.copilot.service import Service


class PicturePanel:
    """``scrub``, ``step``: as of ``Scrubber``. ``shown``: as of ``Micrograph``."""

    def __init__(
        self,
        service: Service,
        *,
        shown: Callable[[int, bool], None],
        scrub: Callable[[int], Any],
        step: Callable[[int, str], Any],
    ) -> None:
        self._service, self._client = service, ui.context.client
        self._row: dict[str, Any] = {}
        with box("section", "picture"):
            with box("div", "caption"):
                self._name, self._about = Text("strong").classes("clipped"), Text("span").classes("quiet clipped")
            self._remark = ui.label().classes("remark")
            self._remark.set_visibility(False)
            self._micrograph = Micrograph(shown)
            with box("div", "place"):
                button("", lambda: step(-1, ""), icon="chevron_left", hint="Previous frame (left arrow key)")
                self._scrubber = Scrubber(scrub, step)
                button("", lambda: step(1, ""), icon="chevron_right", hint="Next frame (right arrow key)")
                self._live = button("Live", lambda: step(0, "live"), hint="Follow the newest frame (End key)")
                self._live.props("unelevated")
            with box("div", "switches"):
                ui.switch("Contours", value=True, on_change=self._switch)
                self._where = ui.label().classes("where").props("role=status")
                self._mark = button("Mark …", self._ask_for_remark, icon="bookmark_border")
        self.show_nothing(None)

    def _switch(self, event: Any) -> None:
        self._micrograph.show_contours(bool(event.value))

    def show_nothing(self, watching: str | None) -> None:
        """Before the first frame."""
        where = f"in {watching}" if watching else "over HTTP (POST /frames)"
        self._micrograph.show(None, "No frame yet", f"Waiting for the first frame {where}.")
        self._mark.set_enabled(False)

    def show_picture(self, row: Mapping[str, Any]) -> None:
        """First of all, as this is what is waited for."""
        self._micrograph.show(picture_of(row), label_of(row))

    def show_facts(self, frame: Frame) -> None:
        row = self._row = dict(frame.row)
        self._name.set_text(row["name"])
        self._name.props["title"] = row["name"]
        self._about.set_text(about(row))
        self._remark.set_visibility(row["marked"])
        self._remark.set_text(f"Marked. {row['remark'] or ''}")
        self._mark.set_enabled(True)
        self._mark.set_text("Marked …" if row["marked"] else "Mark …")
        self._mark.set_icon("bookmark" if row["marked"] else "bookmark_border")

    def show_place(self, frame: int, last: int, is_live: bool, fresh: int) -> None:
        """``fresh``: frames answered since one began to look back."""
        self._scrubber.show(frame, last)
        set_props(self._live, outline=not is_live, color="primary" if is_live else "ink")
        self._live.set_text("Live" if is_live or not fresh else f"Live ({fresh:,} new)")
        self._where.set_text("" if is_live or not frame else f"Looking back: frame {frame} of {last}")

    def _ask_for_remark(self) -> None:
        row = self._row
        with self._client, ui.dialog() as dialog, ui.card():
            dialog.on("hide", dialog.delete)
            ui.label(f"Mark frame {row['id']}").classes("title")
            remark = ui.textarea("Remark", value=row["remark"] or "").props("autofocus maxlength=2000 outlined")
            with box("div", "buttons"):
                button("Cancel", dialog.close)
                if row["marked"]:
                    button("Remove the mark", lambda: self._keep_mark(dialog, False, ""))
                button("Mark", lambda: self._keep_mark(dialog, True, remark.value or ""), strong=True)
            ui.separator()
            ui.label("The session's size distribution can begin with this frame, e.g. after a change of the specimen.")
            with box("div", "buttons"):
                if self._service.counted_from:
                    button("Count all frames", lambda: self._count_from(dialog, 0))
                button("Count from this frame on", lambda: self._count_from(dialog, row["id"]))
        dialog.open()

    async def _count_from(self, dialog: ui.dialog, frame: int) -> None:
        dialog.close()
        await attempt(self._client, partial(self._service.count_from, frame))

    async def _keep_mark(self, dialog: ui.dialog, marked: bool, remark: str) -> None:
        dialog.close()
        await attempt(self._client, partial(self._service.mark, self._row["id"], marked, remark[:2000]))


def about(row: Mapping[str, Any]) -> str:
    """Number, time, size and pixel size of a frame."""
    size = f"{row['pixel_size_nm']:.4g} nm a pixel" if row["pixel_size_nm"] else "pixel size unknown"
    time_ = clock(row["closed_at"] or row["received_at"])
    notes = f" · {count(len(row['notes']), 'note')}: {'; '.join(row['notes'])}" if row["notes"] else ""
    return f"Frame {row['id']} · {time_} · {row['width']} × {row['height']} px, {size}{notes}"
