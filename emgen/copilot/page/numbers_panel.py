"""The numbers of this frame and of the session, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from emgen.copilot.page.actions import Text, box
from emgen.copilot.page.facts import Frame
from emgen.copilot.page.numbers import NOTHING, count, estimate, percent, plain, span


class Card:
    """A large mean with its interval, and lines below. ``kind``: ``frame`` or ``session``, which gives the colour."""

    def __init__(self, kind: str, title: str) -> None:
        with box("section", f"card {kind}"):
            with box("h2", ""):
                box("span", "swatch")
                self._title = Text("span", title)
            ui.label("Mean diameter (95 % interval, sampling only)").classes("quiet")
            with box("div", "large"):
                self._mean, self._band = Text("strong"), Text("span")
            with box("dl", "facts"):
                self._facts = [(Text("dt"), Text("dd")) for _ in range(4)]

    def show(self, title: str, mean: tuple[str, str], facts: list[tuple[str, str]]) -> None:
        self._title.set_text(title)
        self._mean.set_text(mean[0])
        self._band.set_text(f"({mean[1]})" if mean[1] else "")
        for (name, value), given in zip(self._facts, facts, strict=True):
            name.set_text(given[0])
            value.set_text(given[1])


class Numbers:
    """Intervals are 95 %."""

    def __init__(self) -> None:
        with box("div", "numbers"):
            self._frame, self._session = Card("frame", "This frame"), Card("session", "Session")
        self.show_frame(None)

    def show_frame(self, frame: Frame | None) -> None:
        sizes = None if frame is None or frame.sizes is None else frame.sizes.told()
        title = "This frame" if frame is None else f"Frame {frame.number}"
        self._frame.show(title, _mean(sizes), frame_facts(frame, sizes))

    def show_session(self, sizes: Mapping[str, Any], counted_from: int = 0) -> None:
        first = f" from {counted_from:,} on" if counted_from else ""
        self._session.show(f"Session, {count(sizes['frames'], 'frame')}{first}", _mean(sizes), session_facts(sizes))


def _mean(sizes: Mapping[str, Any] | None) -> tuple[str, str]:
    return (NOTHING, "") if sizes is None else estimate(sizes["mean"], sizes["unit"])


def _spread(sizes: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if sizes is None:
        return [("Median", NOTHING), ("10 to 90 %", NOTHING)]
    median, band = estimate(sizes["median"], sizes["unit"])
    return [
        ("Median", f"{median} ({band})" if band else median),
        ("10 to 90 %", span(sizes["d10"], sizes["d90"], sizes["unit"])),
    ]


def frame_facts(frame: Frame | None, sizes: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Names and values."""
    if frame is None or sizes is None:
        return [*_spread(None), ("Particles", NOTHING), ("Coverage", NOTHING)]
    found, whole = frame.row["particles"], sizes["particles"]
    cut = f" ({found - whole:,} cut by the edge)" if found > whole else ""
    return [*_spread(sizes), ("Particles", f"{found:,}{cut}"), ("Coverage", percent(frame.row["coverage"]))]


def session_facts(sizes: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values."""
    particles, frames = sizes["particles"], sizes["frames"]
    return [
        *_spread(sizes),
        ("Particles", f"{particles:,} whole ones"),
        ("Per frame", plain(particles / frames) if frames else NOTHING),
    ]
