"""The page's own elements. What they show of names and reasons is text to the browser, never markup."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nicegui import ui
from nicegui.events import GenericEventArguments


class Micrograph(ui.element, component="micrograph.js"):
    """Picture, contours and scale bar. ``shown(frame, visible)`` is called once a frame is on the screen."""

    def __init__(self, shown: Callable[[int, bool], None]) -> None:
        super().__init__()
        self.props.update(view=None, contours=True, label="Micrograph", empty="")

        def told(event: GenericEventArguments) -> None:
            shown(int(event.args["frame"]), bool(event.args["visible"]))

        self.on("shown", told)

    def show(self, view: Mapping[str, Any] | None, label: str, empty: str = "") -> None:
        """``view``: of ``emgen.copilot.page.facts.picture_of``."""
        set_props(self, view=view, label=label, empty=empty)

    def show_contours(self, on: bool) -> None:
        set_props(self, contours=on)


class Scrubber(ui.element, component="scrubber.js"):
    """Slider over the session's frames; arrow keys anywhere on the page.

    ``scrub(frame)``: the slider was moved there. ``step(by, to)``: so many frames on, or to ``first`` or ``live``.
    """

    def __init__(self, scrub: Callable[[int], Any], step: Callable[[int, str], Any]) -> None:
        super().__init__()
        self.props.update(first=1, last=0, frame=0)
        self.on("scrub", lambda event: scrub(int(event.args["frame"])), throttle=0.06)
        self.on("step", lambda event: step(int(event.args.get("by", 0)), str(event.args.get("to", ""))))

    def show(self, frame: int, last: int) -> None:
        set_props(self, frame=frame, last=last)


class Look(ui.element, component="look.js"):
    """``changed()`` is called when charts have to be drawn anew: at another size of type, or in other colours."""

    def __init__(self, changed: Callable[[], Any]) -> None:
        super().__init__()
        self.on("changed", lambda _: changed())


class PlainTable(ui.element, component="plain_table.js"):
    """Its first column is the row's name; ``pick(frame)`` is called where a row stands for a frame."""

    def __init__(
        self, title: str, columns: Sequence[str], empty: str, pick: Callable[[int], Any] | None = None
    ) -> None:
        super().__init__()
        self.props.update(title=title, columns=list(columns), empty=empty, rows=[])
        if pick is not None:
            self.on("pick", lambda event: pick(int(event.args["frame"])))

    def show(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """``cells``: texts. ``frame``: what ``pick`` is told. ``strong``: set in bold."""
        set_props(self, rows=list(rows))


def set_props(element: ui.element, **values: Any) -> None:
    """Sends an element anew where a value differs."""
    if any(element.props.get(name) != value for name, value in values.items()):
        element.props.update(values)
